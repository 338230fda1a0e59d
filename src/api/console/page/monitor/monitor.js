// The monitor.

export function open(section, rest) {
  return () => section.replaceChildren();
}
