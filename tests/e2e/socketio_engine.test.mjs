// The transport below Socket.IO, section by section of its protocol: https://github.com/socketio/engine.io-protocol,
// version 4.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Frames, Polling, ask } from "./support/engine.mjs";
import { Node } from "./support/node.mjs";

const SETTINGS = { SOCKETIO_PING_INTERVAL: "20s", SOCKETIO_PING_TIMEOUT: "10s", SOCKETIO_MAX_PAYLOAD: "50000" };

describe("Engine.IO", () => {
  let node;
  before(async () => (node = await Node.start(SETTINGS)));
  after(() => node.kill());

  /** The status of what is asked. */
  const status = async (query, request) => (await ask(node, query, request)).status;

  /** Waits until a session is no more: whoever asks for it then, asks for something unknown. */
  async function isGone(session) {
    assert.deepEqual([(await session.get()).status, (await session.post("3")).status], [400, 400]);
  }

  /** The session does what sessions do. */
  async function works(session) {
    await session.push('421["leaveRoom",{"roomId":"a"}]');
    assert.deepEqual(await session.poll(), ['431[{"ok":true,"roomId":"a"}]']);
  }

  describe("Transports, HTTP long-polling, Request path", () => {
    it("is that of Socket.IO, and no other", async () => {
      assert.equal(await status("EIO=4&transport=polling"), 200);
      for (const path of ["/socket.io-admin/", "/engine.io/", "/xsocket.io/"]) {
        const answer = await fetch(`${node.url}${path}?EIO=4&transport=polling`);
        assert.deepEqual([path, answer.status], [path, 404]);
      }
    });
  });

  describe("Transports, HTTP long-polling, Query parameters", () => {
    const missing = { "no EIO": "transport=polling", "no transport": "EIO=4", nothing: "" };
    const wrong = { "another EIO": "EIO=3&transport=polling", "no version as EIO": "EIO=abc&transport=polling" };
    const unknown = { "another transport": "EIO=4&transport=abc", "an unknown sid": "EIO=4&transport=polling&sid=abc" };
    for (const [what, query] of Object.entries({ ...missing, ...wrong, ...unknown })) {
      it(`${what} gets a 400`, async () => {
        assert.equal(await status(query), 400);
      });
    }
  });

  describe("Transports, HTTP long-polling, Sending data", () => {
    it("is answered `ok`; several packets come in one request", async () => {
      const session = await Polling.connect(node);
      await session.push('421["leaveRoom",{"roomId":"a"}]', '422["leaveRoom",{"roomId":"b"}]');
      const packets = await session.poll();
      if (packets.length < 2) packets.push(...(await session.poll()));
      assert.deepEqual(packets, ['431[{"ok":true,"roomId":"a"}]', '432[{"ok":true,"roomId":"b"}]']);
    });

    it("gets a 400 where the session is not known", async () => {
      const request = { method: "POST", body: "3" };
      assert.equal(await status("EIO=4&transport=polling&sid=AAAAAAAAAAAAAAHs", request), 400);
    });
  });

  describe("Transports, HTTP long-polling, Receiving data", () => {
    it("waits until there is something", async () => {
      const session = await Polling.connect(node);
      const polled = session.poll();
      await session.push('421["leaveRoom",{"roomId":"a"}]');
      assert.deepEqual(await polled, ['431[{"ok":true,"roomId":"a"}]']);
    });

    it("takes it compressed", async () => {
      const session = await Polling.connect(node);
      await session.push('421["joinRoom",{"roomId":"much"}]');
      await session.poll();
      const content = "much ".repeat(6_000);
      await node.say("much", content);
      const answer = await session.get();
      assert.equal(answer.headers.get("content-encoding"), "gzip");
      assert.equal(JSON.parse((await answer.text()).slice(2))[1].content, content);
    });

    it("twice at once gets a 400, and closes the session", async () => {
      const session = await Polling.connect(node);
      await session.post("3");
      const answers = await Promise.all([session.get(), session.get(), session.get()]);
      const statuses = answers.map(({ status }) => status);
      assert.ok(statuses.includes(400), statuses.join());
      await isGone(session);
    });
  });

  describe("Transports, WebSocket", () => {
    for (const query of ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]) {
      it(`with \`${query}\` is closed`, async () => {
        await new Frames(node, query).ends();
      });
    }

    it("of a session that is not known is closed", async () => {
      await new Frames(node, "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAHs").ends();
    });

    it("has each packet in a frame of its own", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send('421["leaveRoom",{"roomId":"a"}]', '422["leaveRoom",{"roomId":"b"}]');
      assert.equal(await frames.next(), '431[{"ok":true,"roomId":"a"}]');
      assert.equal(await frames.next(), '432[{"ok":true,"roomId":"b"}]');
    });
  });

  describe("Protocol, Handshake", () => {
    it("says by each transport what there is to know", async (t) => {
      const known = { pingInterval: 20_000, pingTimeout: 10_000, maxPayload: 50_000 };
      const [polling, frames] = [await Polling.open(node), await Frames.open(t, node)];
      for (const [{ sid, ...rest }, upgrades] of [[polling.handshake, ["websocket"]], [frames.handshake, []]]) {
        assert.deepEqual(rest, { ...known, upgrades });
        assert.match(sid, /^[\w-]{16,}$/);
      }
      assert.notEqual(polling.handshake.sid, frames.handshake.sid);
    });

    for (const method of ["POST", "PUT", "DELETE"]) {
      it(`is not begun by ${method}`, async () => {
        const answer = await status("EIO=4&transport=polling", { method });
        assert.ok([400, 405].includes(answer), answer);
      });
    }
  });

  describe("Protocol, Heartbeat", () => {
    let quick;
    before(async () => (quick = await Node.start({ SOCKETIO_PING_INTERVAL: "300ms", SOCKETIO_PING_TIMEOUT: "200ms" })));
    after(() => quick.kill());

    it("goes on as long as pings are answered", async (t) => {
      const [polling, frames] = [await Polling.connect(quick), await Frames.connect(t, quick)];
      for (let times = 0; times < 3; times++) {
        assert.equal(await (await polling.get()).text(), "2");
        await polling.push("3");
      }
      await works(polling);
      assert.equal(frames.closed, false);
      assert.ok(frames.frames.filter((frame) => frame === "2").length >= 3, frames.frames.join());
    });

    it("that is not answered ends the session", async (t) => {
      const [polling, frames] = [await Polling.connect(quick), await Frames.open(t, quick)];
      frames.alive = false;
      frames.send("40");
      await frames.ends();
      while ((await polling.get()).status === 200);
      await isGone(polling);
    });
  });

  describe("Protocol, Upgrade", () => {
    /** A session, and a websocket that has begun to become its own; what was waiting for packets is told to go. */
    async function probing(t) {
      const session = await Polling.connect(node);
      const waiting = session.poll();
      const frames = await Frames.open(t, node, session);
      frames.send("2probe");
      assert.equal(await frames.next(), "3probe");
      assert.deepEqual(await waiting, ["6"]);
      return { session, frames };
    }

    it("ends with a websocket that has taken the place of polling", async (t) => {
      const { session, frames } = await probing(t);
      frames.send("5", '421["leaveRoom",{"roomId":"a"}]');
      assert.equal(await frames.next(), '431[{"ok":true,"roomId":"a"}]');
      await isGone(session);
      const another = await Frames.open(t, node, session).catch(() => ({ ends() {} }));
      await another.ends();
      frames.send('422["leaveRoom",{"roomId":"a"}]');
      assert.equal(await frames.next(), '432[{"ok":true,"roomId":"a"}]');
    });

    for (const [how, fail] of Object.entries({
      "is not begun": (frames) => frames.drop(),
      "begins with another packet": (frames) => frames.send("4probe"),
      "is broken off": (frames) => (frames.send("2probe"), frames.next().then(() => frames.drop())),
      "ends with another packet": (frames) => frames.send("2probe", "4"),
    })) {
      it(`that ${how} leaves no session that neither lives nor dies`, async (t) => {
        const session = await Polling.connect(node);
        const frames = await Frames.open(t, node, session);
        await fail(frames);
        await frames.ends();
        // It works on, or it is gone: its reader is not told for ever that there is nothing.
        const outcomes = [];
        for (;;) {
          const answer = await session.get();
          const text = await answer.text();
          outcomes.push(`${answer.status} ${text}`);
          if (answer.status === 400 || (text !== "6" && text !== "")) break;
          assert.ok(outcomes.length < 200, outcomes.slice(-3).join());
        }
      });
    }

    it("loses nothing that was waiting to be polled", async (t) => {
      const session = await Polling.connect(node);
      const other = await Frames.connect(t, node, '40{"userId":"0c544734-1888-4ee1-94a9-a8334a166413"}');
      await session.push('421["joinRoom",{"roomId":"up"}]');
      await session.poll();
      other.send('421["joinRoom",{"roomId":"up"}]');
      await other.next();
      // Each fits into one answer, but no two of them.
      for (const number of [1, 2, 3, 4]) {
        const request = { roomId: "up", content: `${number}`.padEnd(30_000, ".") };
        other.send(`42${number}${JSON.stringify(["sendMessage", request])}`);
      }
      const all = (text) => [...text.matchAll(/"content":"(\d)\./g)].map(([, number]) => number);
      await other.until("all four", () => all(other.frames.join()).length === 4);
      const received = all((await session.poll()).join());
      assert.ok(received.length < 4);
      const frames = await Frames.open(t, node, session).catch(() => null);
      if (frames === null) {
        // It is not let in yet: then all of it is polled.
        while (received.length < 4) received.push(...all((await session.poll()).join()));
      } else {
        frames.send("2probe");
        assert.equal(await frames.next(), "3probe");
        frames.send("5");
        await frames.until("the rest, or an end", () => frames.closed || all(frames.frames.join()).at(-1) === "4");
        received.push(...all(frames.frames.join()));
      }
      // Who is closed knows that there may be more.
      assert.deepEqual(received, ["1", "2", "3", "4"].slice(0, received.length));
    });
  });

  describe("Protocol, Message, and Packet encoding", () => {
    for (const body of ["abc", "9", "", "4\x1e", "b!!!", "\x1e\x1e\x1e"]) {
      it(`${JSON.stringify(body)} is no payload of a poll`, async () => {
        const session = await Polling.connect(node);
        const answer = await session.post(body);
        assert.ok([200, 400].includes(answer.status), answer.status);
        // There may have been nothing in it to object to, or it has ended the session.
        await works(session).catch(() => isGone(session));
      });
    }

    for (const frame of ["abc", "9", "", "6x", "5", "0{}"]) {
      it(`${JSON.stringify(frame)} is no packet of a websocket`, async (t) => {
        const frames = await Frames.connect(t, node);
        frames.send(frame);
        await frames.ends();
      });
    }

    it("goes on for all others", async () => {
      await works(await Polling.connect(node));
    });
  });

  describe("Protocol, Close", () => {
    it("ends a session by polling, and lets go who waits", async () => {
      const session = await Polling.connect(node);
      await works(session);
      const waiting = session.get();
      await session.push("1");
      // It may have come too late to wait.
      const answer = await waiting;
      assert.ok([200, 400].includes(answer.status), answer.status);
      if (answer.status === 200) assert.equal(await answer.text(), "6");
      await isGone(session);
    });

    it("ends a websocket", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send("1");
      await frames.ends();
    });
  });
});
