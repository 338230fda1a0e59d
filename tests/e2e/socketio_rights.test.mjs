// Who may come by Socket.IO, and what a token lets them do.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node, token } from "./support/node.mjs";
import { POLLING, WEBSOCKET, begin, open } from "./support/sockets.mjs";

const SECRET = "a secret for these tests only, of 32 bytes and more";
const GUARDED = { JWT_SECRET: SECRET, JWT_LEEWAY: "0s", JWT_COOKIE: "token" };

describe("a server with keys", () => {
  let node, short;
  before(async () => {
    // It is to have run out when it is needed.
    short = token(SECRET, "1s");
    node = await Node.start(GUARDED);
  });
  after(() => node.kill());

  for (const [way, transports] of Object.entries({ "a websocket": WEBSOCKET, polling: POLLING })) {
    describe(`by ${way}`, () => {
      /** What a socket is told that is not let in. */
      async function refused(t, options) {
        const socket = await begin(t, node.url, { ...transports, ...options });
        const [{ message, problem, returns }] = await socket.have(1, "connect_error");
        assert.deepEqual([returns, socket.of("connect")], [false, []]);
        assert.equal(message, (await unauthorized(options.auth?.token)).detail);
        return problem;
      }

      it("lets nobody in who has no token", async (t) => {
        assert.deepEqual(await refused(t, {}), await unauthorized());
      });

      it("lets nobody in with a token that it has not signed", async (t) => {
        const bad = token("another secret, but of 32 bytes and more as well", "1h");
        assert.deepEqual(await refused(t, { auth: { token: bad } }), await unauthorized(bad));
      });

      it("lets nobody in with what is no token", async (t) => {
        assert.deepEqual(await refused(t, { auth: { token: "nonsense" } }), await unauthorized("nonsense"));
        for (const token of ["", 7, null, {}]) {
          const socket = await begin(t, node.url, { ...transports, auth: { token } });
          await socket.have(1, "connect_error");
          assert.deepEqual(socket.of("connect"), []);
        }
      });

      it("lets nobody in with a token that has expired", async (t) => {
        await expired(node, short);
        assert.deepEqual(await refused(t, { auth: { token: short } }), await unauthorized(short));
      });

      it("lets a token in, and says who it is", async (t) => {
        const [roomId, userId] = [randomUUID(), randomUUID()];
        const auth = { token: token(SECRET, "1h", { sub: userId }) };
        const socket = await open(t, node.url, { ...transports, auth });
        assert.deepEqual(await socket.join(roomId), { ok: true, roomId, count: 1, users: [userId] });
        assert.equal((await socket.say(roomId, "hello")).userId, userId);
        assert.equal((await socket.say(roomId, "hello", { userId })).userId, userId);
        assert.equal((await socket.have(2, "receiveMessage"))[0].userId, userId);
      });

      it("takes a token in a header and in a cookie as well", async (t) => {
        const [userId, roomId] = [randomUUID(), randomUUID()];
        const one = token(SECRET, "1h", { sub: userId });
        for (const extraHeaders of [{ authorization: `Bearer ${one}` }, { cookie: `token=${one}` }]) {
          const socket = await open(t, node.url, { ...transports, extraHeaders });
          assert.deepEqual((await socket.join(roomId)).users, [userId]);
        }
      });

      it("does not take the cookie of a page of another site", async (t) => {
        const extraHeaders = { cookie: `token=${token(SECRET, "1h")}`, origin: "https://elsewhere.example" };
        const socket = await begin(t, node.url, { ...transports, extraHeaders });
        await socket.have(1, "connect_error");
        assert.deepEqual(socket.of("connect"), []);
      });

      it("lets it do what it may", async (t) => {
        const one = token(SECRET, "1h", { read: "mine-*", write: "mine-1" });
        const socket = await open(t, node.url, { ...transports, auth: { token: one } });
        await socket.join("mine-2");
        await socket.say("mine-1", "hello");
        const status = async (event, request) => (await socket.ask(event, request)).error?.status;
        assert.equal(await status("joinRoom", { roomId: "yours" }), 403);
        assert.equal(await status("sendMessage", { roomId: "mine-2", content: "hello" }), 403);
        assert.equal(await status("sendMessage", { roomId: "mine-1", userId: randomUUID(), content: "hello" }), 403);
        await socket.join("mine-1");
      });

      it("says so when the token runs out, and sends it away for good", async (t) => {
        const auth = { token: token(SECRET, "2s") };
        const [socket, other] = await Promise.all([auth, { token: token(SECRET, "1h") }].map(
          (auth) => open(t, node.url, { ...transports, auth }),
        ));
        const roomId = randomUUID();
        await socket.join(roomId);
        const [gone] = await socket.have(1, "disconnect");
        assert.deepEqual(gone, { reason: "io server disconnect", returns: false });
        const [problem] = socket.of("problem");
        assert.equal(problem.status, 401);
        assert.equal(problem.type, (await unauthorized(auth.token)).type);
        await other.join(roomId);
        await other.say(roomId, "it does not hear this");
        assert.deepEqual(socket.of("receiveMessage"), []);
        // With a new one it comes again.
        auth.token = token(SECRET, "1h");
        socket.socket.connect();
        await socket.have(2, "connect");
        await socket.join(roomId);
      });
    });
  }

  /** What HTTP says to who has this token. */
  async function unauthorized(token) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(`${node.url}/message`, { headers });
    assert.equal(answer.status, 401);
    return answer.json();
  }
});

describe("a server without keys", () => {
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  it("believes who they say they are, and takes who says nothing for a user by itself", async (t) => {
    const [roomId, userId] = [randomUUID(), randomUUID()];
    const known = await open(t, node.url, { ...WEBSOCKET, auth: { userId } });
    await known.join(roomId);
    const unknown = await open(t, node.url, WEBSOCKET);
    await unknown.join(roomId);
    for (const socket of [known, unknown]) await socket.knows(userId, unknown.socket.id);
  });

  it("lets nobody in as what is no user", async (t) => {
    const socket = await begin(t, node.url, { ...WEBSOCKET, auth: { userId: "me" } });
    const [{ problem, returns }] = await socket.have(1, "connect_error");
    assert.deepEqual([problem?.status, problem?.errors?.map(({ field }) => field), returns], [422, ["userId"], false]);
  });
});

/** Waits until the server no longer takes this token. */
async function expired(node, token) {
  const headers = { authorization: `Bearer ${token}` };
  while ((await fetch(`${node.url}/message`, { headers })).status !== 401);
}
