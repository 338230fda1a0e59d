// Who is in a room: sockets and streams see each other come and go, at whichever node they are.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { Node } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { follow } from "./support/readers.mjs";
import { POLLING, WEBSOCKET, open } from "./support/sockets.mjs";

describe("a room", () => {
  let first, second;
  before(async () => ([first, second] = await Promise.all([Node.start(), Node.start()])));
  after(() => [first, second].forEach((node) => node.kill()));

  /** A socket of a user, in a room. */
  async function socket(t, roomId, userId = randomUUID(), where = first, transports = WEBSOCKET) {
    const socket = await open(t, where.url, { ...transports, auth: { userId } });
    socket.userId = userId;
    await socket.join(roomId);
    return socket;
  }

  /** A stream of a user, in a room, that is told who is there. */
  async function stream(t, roomId, userId = randomUUID(), where = second) {
    const stream = await follow(t, `${where.url}/stream?room=${roomId}&presence=true&user_id=${userId}`);
    stream.userId = userId;
    await stream.until("who is there", () => presence(stream).length > 0);
    return stream;
  }

  /** Another user comes and goes, which is told after all that was to be told of those who went before. */
  async function comesAndGoes(t, roomId, watcher) {
    const user = await socket(t, roomId);
    await sees(watcher, "userJoined", user);
    await user.stop();
    return [["user_joined", user.userId], ["user_left", user.userId]];
  }

  it("shows sockets and streams to each other, as they come and as they go", async (t) => {
    const roomId = randomUUID();
    const one = await socket(t, roomId);
    const two = await stream(t, roomId);
    await knows(two, one, two);
    await one.knows(one.userId, two.userId);
    const three = await socket(t, roomId, undefined, second, POLLING);
    await three.knows(one.userId, two.userId, three.userId);
    // What comes at once is told in any order: so one after the other.
    await sees(one, "userJoined", three);
    await knows(two, one, two, three);
    const four = await stream(t, roomId, undefined, first);
    for (const stream of [two, four]) await knows(stream, one, two, three, four);
    const joined = [three, four].map(({ userId }, at) => ({ roomId, userId, count: at + 3 }));
    assert.deepEqual((await one.have(3, "userJoined")).slice(1), joined);
    assert.deepEqual((await told(two, 2)).slice(-2), joined.map((one) => ["user_joined", one]));
    await three.stop();
    await one.have(1, "userLeft");
    for (const stream of [two, four]) await knows(stream, one, two, four);
    await four.stop();
    const left = [three, four].map(({ userId }, at) => ({ roomId, userId, count: 3 - at }));
    assert.deepEqual(await one.have(2, "userLeft"), left);
    await knows(two, one, two);
    assert.deepEqual((await told(two, 4)).slice(-2), left.map((one) => ["user_left", one]));
    assert.equal(one.of("userJoined").length, 3, "it is not told of itself");
  });

  it("is told over HTTP as it is", async (t) => {
    const roomId = randomUUID();
    const one = await socket(t, roomId);
    const again = await socket(t, roomId, one.userId, second);
    const two = await stream(t, roomId);
    const users = [{ user_id: one.userId, connections: 2 }, { user_id: two.userId, connections: 1 }];
    users.sort((one, other) => (one.user_id < other.user_id ? -1 : 1));
    await lists(second, roomId, users);
    await again.ask("leaveRoom", { roomId });
    await lists(first, roomId, users.map(({ user_id }) => ({ user_id, connections: 1 })));
  });

  it("takes the tabs and the devices of a user for one", async (t) => {
    const roomId = randomUUID();
    const watchers = [await socket(t, roomId), await stream(t, roomId, undefined, first)];
    const user = randomUUID();
    const tabs = [await socket(t, roomId, user), await stream(t, roomId, user), await socket(t, roomId, user, second)];
    await tabs[2].knows(user, ...watchers.map(({ userId }) => userId));
    await sees(watchers[0], "userJoined", tabs[0]);
    await tabs[0].stop();
    await tabs[1].stop();
    const comings = [["user_joined", user], ...(await comesAndGoes(t, roomId, watchers[0]))];
    assert.deepEqual(await set(watchers, comings), comings.map(String).sort());
    await tabs[2].stop();
    const end = [...comings, ["user_left", user]];
    assert.deepEqual(await set(watchers, end), end.map(String).sort());
  });

  it("does not notice a user who comes back at once, or at another node", async (t) => {
    const roomId = randomUUID();
    const watchers = [await socket(t, roomId), await stream(t, roomId)];
    const user = randomUUID();
    const proxy = await Proxy.to(first, t);
    const restless = await socket(t, roomId, user, proxy);
    await sees(watchers[0], "userJoined", restless);
    for (const node of [second, first]) {
      proxy.node = node;
      const times = restless.of("connect").length;
      proxy.cut();
      await restless.have(times + 1, "connect");
      await restless.join(roomId);
    }
    const comings = [["user_joined", user], ...(await comesAndGoes(t, roomId, watchers[0]))];
    assert.deepEqual(await set(watchers, comings), comings.map(String).sort());
  });

  it("loses those who were at a node that is killed, each once", async (t) => {
    const roomId = randomUUID();
    const watchers = [await socket(t, roomId), await stream(t, roomId)];
    const victim = await Node.start();
    const both = await socket(t, roomId, undefined, victim);
    await socket(t, roomId, both.userId, second);
    const lost = [
      await socket(t, roomId, undefined, victim),
      await stream(t, roomId, undefined, victim),
      await socket(t, roomId, undefined, victim, POLLING),
    ];
    for (const one of lost) await sees(watchers[0], "userJoined", one);
    victim.kill();
    for (const one of lost) await sees(watchers[0], "userLeft", one);
    const gone = lost.map(({ userId }) => ["user_left", userId]);
    const came = [both, ...lost].map(({ userId }) => ["user_joined", userId]);
    const comings = [...came, ...gone, ...(await comesAndGoes(t, roomId, watchers[0]))];
    assert.deepEqual(await set(watchers, comings), comings.map(String).sort());
    const there = [...watchers, both].map(({ userId }) => userId).sort();
    await lists(second, roomId, there.map((user_id) => ({ user_id, connections: 1 })));
  });

  it("tells a user who has left what goes on no more", async (t) => {
    const roomId = randomUUID();
    const watcher = await socket(t, roomId);
    const leaving = await socket(t, roomId);
    await sees(watcher, "userJoined", leaving);
    await leaving.ask("leaveRoom", { roomId });
    await sees(watcher, "userLeft", leaving);
    const later = await socket(t, roomId);
    await sees(watcher, "userJoined", later);
    assert.deepEqual([leaving.of("userJoined"), leaving.of("userLeft")], [[], []]);
    await leaving.join(roomId);
    await leaving.knows(watcher.userId, later.userId, leaving.userId);
  });
});

/** Waits until this socket is told that the other one's user has come or gone: who comes and goes at once is not. */
function sees(socket, event, { userId: user }) {
  return socket.until(`${event} ${user}`, () => socket.of(event).some(({ userId }) => userId === user));
}

/** What a stream was told of the room. */
function presence(stream) {
  const types = ["presence", "user_joined", "user_left"];
  return stream.of("message").map(({ data }) => data).filter(({ type }) => types.includes(type));
}

/** Waits until a stream knows that just these are there: by what it was told first, and what came since. */
function knows(stream, ...them) {
  const all = them.map(({ userId }) => userId).sort().join();
  return stream.until(`that ${all} are there`, () => {
    const users = new Set();
    for (const { type, data } of presence(stream)) {
      if (type === "presence") data.users.forEach((user) => users.add(user));
      else users[type === "user_joined" ? "add" : "delete"](data.user_id);
    }
    return [...users].sort().join() === all;
  });
}

/** Waits until HTTP lists just these users: what has come about at one node, another one knows a moment later. */
async function lists(node, roomId, users) {
  const started = performance.now();
  for (;;) {
    const { count, users: listed } = await node.send("GET", `/room/${roomId}/presence`);
    assert.equal(count, listed.length);
    if (isDeepStrictEqual(listed, users)) return;
    assert.ok(performance.now() - started < 10_000, JSON.stringify(listed));
  }
}

/** The comings and goings that a stream was told of, in the words of sockets. */
async function told(stream, count) {
  const all = () => presence(stream).filter(({ type }) => type !== "presence");
  await stream.until(`${count} comings and goings`, () => all().length >= count);
  return all().map(({ type, data: { room: roomId, user_id: userId, count } }) => [type, { roomId, userId, count }]);
}

/** The comings and goings, each once, that all of these were told, beside those of themselves. */
async function set(watchers, comings) {
  const own = watchers.map(({ userId }) => userId);
  const [socket, stream] = watchers;
  const bySocket = () => [
    ...socket.of("userJoined").map(({ userId }) => ["user_joined", userId]),
    ...socket.of("userLeft").map(({ userId }) => ["user_left", userId]),
  ];
  const byStream = () => presence(stream).slice(1).map(({ type, data }) => [type, data.user_id]);
  const others = (all) => all.filter(([, userId]) => !own.includes(userId)).map(String).sort();
  await socket.until("all comings and goings", () => others(bySocket()).length >= comings.length);
  await stream.until("all comings and goings", () => others(byStream()).length >= comings.length);
  assert.deepEqual(others(byStream()), others(bySocket()));
  return others(bySocket());
}
