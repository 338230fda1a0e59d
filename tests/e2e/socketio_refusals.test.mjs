// What a server of Socket.IO does not take: the client reads the problem that it would read over HTTP.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { WEBSOCKET, open } from "./support/sockets.mjs";

/** How clients call it here and there. */
const NAMES = { room: "roomId", sender_id: "userId", "Idempotency-Key": "idempotencyKey" };

const USER = randomUUID();

/** Messages that are wrong, each in its own way: what is sent beside, or instead of, what is right. */
const WRONG = {
  "a room that cannot be": { roomId: "no room" },
  "a room that is no text": { roomId: 7 },
  "an empty text": { content: "" },
  "a text that is longer than any may be": { content: "é".repeat(600) },
  "a text with a character that no row can hold": { content: "a\0b" },
  "no text": { content: undefined },
  "a text that is none": { content: { text: "hello" } },
  "a sender that is no UUID": { userId: "me" },
  "the name of a file that is too long": { file: "f".repeat(51) },
  "two fields that are wrong": { roomId: "", content: "" },
};

describe("a socket that asks for what cannot be", () => {
  let node, socket;
  before(async () => (node = await Node.start({ MAX_CONTENT: "1000" })));
  after(() => node.kill());

  const connect = async (t) => (socket = await open(t, node.url, { ...WEBSOCKET, auth: { userId: USER } }));

  for (const [what, wrong] of Object.entries(WRONG)) {
    it(`is told of ${what} what HTTP would say`, async (t) => {
      await connect(t);
      const request = { roomId: "lobby", userId: USER, content: "hello", ...wrong };
      const { ok, error } = await socket.ask("sendMessage", request);
      assert.deepEqual({ ok, error }, { ok: false, error: inOurNames(await overHttp(request)) });
    });
  }

  it("is told of a key that cannot be what HTTP would say", async (t) => {
    await connect(t);
    const request = { roomId: "lobby", userId: USER, content: "hello", idempotencyKey: "k".repeat(256) };
    const { error } = await socket.ask("sendMessage", request);
    assert.deepEqual([error.status, error.errors.map(({ field }) => field)], [422, ["idempotencyKey"]]);
  });

  it("is told of a field that there is not, and of those that there are", async (t) => {
    await connect(t);
    const { error } = await socket.ask("sendMessage", { roomId: "lobby", content: "hello", colour: "blue" });
    assert.deepEqual([error.status, error.errors.map(({ field }) => field)], [422, ["colour"]]);
    const fields = ["roomId", "userId", "content", "file", "idempotencyKey"];
    for (const field of fields) assert.match(error.detail, RegExp(field));
  });

  it("is told of a room that cannot be, each field of it", async (t) => {
    await connect(t);
    const detail = "must be 1 to 64 of A-Z a-z 0-9 _ . : @ -";
    const error = {
      type: "urn:rowcast:problem:invalid",
      title: "A field is not valid",
      status: 422,
      detail: `roomId: ${detail}`,
      errors: [{ field: "roomId", detail }],
    };
    for (const event of ["joinRoom", "leaveRoom"]) {
      assert.deepEqual(await socket.ask(event, { roomId: "no room" }), { ok: false, error });
    }
    assert.deepEqual((await socket.ask("sendMessage", { roomId: "no room", content: "hello" })).error, error);
  });

  it("is told of what is no request at all", async (t) => {
    await connect(t);
    for (const request of [[], [null], ["lobby"], [["lobby"]], [7]]) {
      for (const event of ["joinRoom", "leaveRoom", "sendMessage"]) {
        const { ok, error } = await socket.ask(event, ...request);
        assert.equal(ok, false, `${event} ${JSON.stringify(request)}`);
        assert.ok(error.status >= 400 && error.status < 500, error.detail);
      }
    }
    await socket.join("lobby");
  });

  it("is told of an event that there is not", async (t) => {
    await connect(t);
    const { ok, error } = await socket.ask("shout", { roomId: "lobby" });
    assert.deepEqual([ok, error.status, error.type], [false, 404, "urn:rowcast:problem:not-found"]);
    assert.equal(typeof error.title + typeof error.detail, "stringstring");
  });

  it("is told by an event where it asks for no answer", async (t) => {
    await connect(t);
    const answers = [];
    for (const [event, request] of [["sendMessage", { roomId: "" }], ["joinRoom", { roomId: "" }], ["shout", {}]]) {
      answers.push({ event, ...(await socket.ask(event, request)).error });
      socket.emit(event, request);
    }
    assert.deepEqual(await socket.have(3, "problem"), answers);
  });

  it("may not send as somebody else", async (t) => {
    await connect(t);
    const { ok, error } = await socket.ask("sendMessage", { roomId: "lobby", userId: randomUUID(), content: "hello" });
    assert.equal(ok, false);
    assert.deepEqual([error.status < 500, /userId/.test(JSON.stringify(error))], [true, true]);
  });

  it("goes on as if nothing had been", async (t) => {
    await connect(t);
    const roomId = randomUUID();
    const asked = [
      socket.ask("sendMessage", { roomId, userId: USER, content: "" }),
      socket.say(roomId, "one"),
      socket.ask("joinRoom", { roomId: "no room" }),
      socket.ask("shout"),
      socket.say(roomId, "two"),
    ];
    assert.deepEqual((await Promise.all(asked)).map(({ ok }) => ok), [false, true, false, false, true]);
    assert.deepEqual((await node.history(roomId)).map(({ content }) => content), ["one", "two"]);
    assert.deepEqual(socket.of("disconnect"), []);
  });

  /** The problem that HTTP answers. */
  async function overHttp({ roomId, userId, ...rest }) {
    const body = JSON.stringify({ room: roomId, sender_id: userId, ...rest });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${node.url}/message`, { method: "POST", headers, body });
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    return answer.json();
  }
});

function inOurNames(problem) {
  const ours = (text) => Object.entries(NAMES).reduce((text, [there, here]) => text.replaceAll(there, here), text);
  const errors = problem.errors?.map(({ field, detail }) => ({ field: NAMES[field] ?? field, detail }));
  return { ...problem, detail: ours(problem.detail), ...(errors && { errors }) };
}
