// A proxy that serves a node behind a prefix, of which the node knows nothing.

import { once } from "node:events";
import { createServer, request } from "node:http";

/** The address at which this node is then; the proxy ends with the test `t`. */
export async function behind(t, prefix, node) {
  const server = createServer((asked, answer) => {
    if (!asked.url.startsWith(`${prefix}/`)) return answer.writeHead(404).end();
    const { method, headers } = asked;
    const passed = request(node.url + asked.url.slice(prefix.length), { method, headers }, (given) => {
      answer.writeHead(given.statusCode, given.headers);
      given.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  });
  t.after(() => (server.closeAllConnections(), server.close()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}${prefix}`;
}
