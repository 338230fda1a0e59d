// An answer that is no stream: who keeps to the standard gives up, and never asks again.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node, token } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { followAsItIs, forEachReader } from "./support/readers.mjs";
import { Session } from "./support/session.mjs";

const SECRET = "a secret for these tests only, of 32 bytes and more";

const GUARDED = { JWT_SECRET: SECRET, JWT_QUERY: "true", MAX_STREAMS_PER_USER: "1" };

/** The most requests after which it is clear that somebody does not give up. */
const MANY = 4;

describe("a request for a stream that is refused", () => {
  let guarded, free;
  before(async () => ([guarded, free] = await Promise.all([Node.start(GUARDED), Node.start()])));
  after(() => [guarded, free].forEach((node) => node.kill()));

  /** Whose second stream it is. */
  async function beside(t) {
    const path = `/stream?room=here&access_token=${token(SECRET, "1h")}`;
    const stop = new AbortController();
    t.after(() => stop.abort());
    await fetch(guarded.url + path, { signal: stop.signal });
    return path;
  }

  const REFUSED = {
    401: () => "/stream?room=here",
    403: () => `/stream?room=here&access_token=${token(SECRET, "1h", { read: "elsewhere" })}`,
    422: () => `/stream?last_event_id=nonsense&access_token=${token(SECRET, "1h")}`,
    429: beside,
  };

  forEachReader((open) => {
    for (const [status, ask] of Object.entries(REFUSED)) {
      it(`with ${status} is not made again`, async (t) => {
        const proxy = await Proxy.to(guarded, t);
        const reader = await open(t, proxy.url + (await ask(t)));
        await reader.closed();
        assert.deepEqual(proxy.asked("/stream").map((asked) => asked.status), [Number(status)]);
        assert.deepEqual(reader.of("message"), []);
      });
    }
  });

  describe("with Rust's eventsource-client and no loop that stops it", () => {
    it("with 401 is made for ever", async (t) => {
      const proxy = await Proxy.to(guarded, t);
      await followAsItIs(t, `${proxy.url}/stream?room=here`);
      await proxy.until("asked for ever", () => proxy.asked("/stream").length >= MANY);
    });

    it("because it has ended (204) is made for ever", async (t) => {
      const session = await Session.open(free);
      await session.finish("all");
      const proxy = await Proxy.to(free, t);
      await followAsItIs(t, proxy.url + session.stream);
      const ended = () => proxy.asked(session.stream).filter(({ status }) => status === 204);
      await proxy.until("asked for ever", () => ended().length >= MANY);
    });
  });
});
