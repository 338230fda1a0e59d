// The room.

export function open(section, rest) {
  return () => section.replaceChildren();
}
