// A name, initials and a colour for a sender, who is only a UUID: so that people can tell who is who. The same sender
// has the same everywhere; two may share a name, so the end of the id stands with it.

const FIRST = [
  "Amber", "Bold", "Brisk", "Calm", "Clear", "Clever", "Cosy", "Coral", "Dapper", "Early", "Fair", "Fleet", "Gentle",
  "Glad", "Golden", "Happy", "Jolly", "Keen", "Kind", "Lively", "Lucky", "Mellow", "Merry", "Misty", "Noble", "Quick",
  "Quiet", "Rosy", "Silver", "Sunny", "Swift", "Warm",
];
const SECOND = [
  "Alder", "Aspen", "Badger", "Beaver", "Birch", "Bison", "Cedar", "Crane", "Dolphin", "Dove", "Elm", "Falcon", "Fern",
  "Finch", "Fox", "Gull", "Hare", "Hawk", "Hazel", "Heron", "Ibex", "Jay", "Koala", "Lark", "Lily", "Linden", "Lynx",
  "Maple", "Marten", "Moth", "Newt", "Oak", "Ocelot", "Olive", "Orca", "Otter", "Owl", "Panda", "Pine", "Plover",
  "Poppy", "Puffin", "Quail", "Rabbit", "Raven", "Reed", "Robin", "Rowan", "Salmon", "Seal", "Sparrow", "Stork",
  "Swan", "Tern", "Thistle", "Thrush", "Tiger", "Toad", "Trout", "Turtle", "Violet", "Willow", "Wolf", "Wren",
];

const known = new Map();

/** What a sender is called and looks like. */
export function person(id) {
  if (!known.has(id)) known.set(id, make(id));
  return known.get(id);
}

function make(id) {
  const hash = hashOf(id);
  const [first, second] = [FIRST[hash % FIRST.length], SECOND[(hash >>> 5) % SECOND.length]];
  return { name: `${first} ${second}`, initials: first[0] + second[0], end: id.slice(-4), hue: (hash >>> 11) % 360 };
}

/** FNV-1a: short, and spread well enough over colours. */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
