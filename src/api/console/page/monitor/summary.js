// What the nodes tell, taken together: one figure for the cluster of each kind.

/** A node that has told nothing for so many seconds is late: one tells every second. */
const LATE = 3;

export const isLate = (node) => node.silent_seconds > LATE;

const most = (values) => (values.length ? Math.max(...values) : null);

/** The figures of a report. */
export function summary({ nodes, relay, log }) {
  // What a node that has fallen silent told last is no figure of now.
  const heard = nodes.filter((node) => !isLate(node));
  const all = (name) => heard.map((node) => node[name]);
  const sum = (name) => all(name).reduce((sum, value) => sum + value, 0);
  return {
    // Each change comes to every node, so they are not added up.
    changes: most(all("changes_per_second")),
    posts: sum("posts_per_second"),
    deliveries: sum("deliveries_per_second"),
    streams: sum("streams"),
    sockets: sum("sockets"),
    connections: sum("connections"),
    latency: slowest(all("latency")),
    relay,
    ring: shortest(all("ring")),
    log,
  };
}

/** The ring that reaches back least, of those that hold anything: a client may come back to any node. */
function shortest(rings) {
  const begun = rings.filter(({ seconds }) => seconds !== null);
  const looked = begun.length ? begun : rings;
  return looked.reduce((short, one) => (short && short.seconds <= one.seconds ? short : one), null);
}

/** That of the slowest node. Quantiles of several nodes cannot be put together. */
function slowest(latencies) {
  const known = latencies.filter(Boolean);
  const reached = known.filter(({ stage }) => stage === "socket");
  const looked = reached.length ? reached : known;
  return looked.reduce((slow, one) => (slow && slow.p99_ms >= one.p99_ms ? slow : one), null);
}

/** All that is not as it should be, in words that stay the same while it lasts. */
export function troubles({ node, reasons, complete, nodes, relay }) {
  const silent = nodes.filter(isLate).map(({ node }) => `${node} has fallen silent`);
  const behind = nodes.filter((one) => one.behind && one.node !== node && !isLate(one));
  return [
    ...reasons,
    ...(complete ? [] : ["Redis does not answer this node: other nodes cannot be shown"]),
    ...silent,
    ...behind.map(({ node }) => `${node} may lack changes that the log has`),
    ...(relay.leader === null && !reasons.length ? ["nobody leads yet"] : []),
  ];
}
