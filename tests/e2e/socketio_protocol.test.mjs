// Socket.IO packet by packet, section by section of its protocol: https://github.com/socketio/socket.io-protocol,
// version 5.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Frames } from "./support/engine.mjs";
import { Node } from "./support/node.mjs";

describe("Socket.IO", () => {
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  describe("Connection to a namespace", () => {
    it("is answered with an id, which is not that of the session", async (t) => {
      const frames = await Frames.open(t, node);
      frames.send("40");
      const packet = await frames.next();
      const { sid, ...rest } = JSON.parse(packet.slice(2));
      assert.deepEqual([packet.slice(0, 2), typeof sid, rest], ["40", "string", {}]);
      assert.notEqual(sid, frames.handshake.sid);
    });

    it("may have something with it", async (t) => {
      await Frames.connect(t, node, '40{"userId":"0c544734-1888-4ee1-94a9-a8334a166413","more":[1,{"of":"it"}]}');
    });

    it("is refused with words, and the problem", async (t) => {
      const frames = await Frames.open(t, node);
      frames.send('40{"userId":"me"}');
      const packet = await frames.next();
      const { message, data } = JSON.parse(packet.slice(2));
      assert.deepEqual([packet.slice(0, 2), typeof message, data.status], ["44", "string", 422]);
    });

    it("is refused where there is no such namespace, and the connection lives on", async (t) => {
      const frames = await Frames.open(t, node);
      frames.send("40/random,");
      assert.equal(await frames.next(), '44/random,{"message":"Invalid namespace"}');
      frames.send("40");
      assert.match(await frames.next(), /^40\{"sid":/);
    });

    it("that does not come in time ends the connection", async (t) => {
      const impatient = await Node.start({ SOCKETIO_CONNECT_TIMEOUT: "100ms" });
      t.after(() => impatient.kill());
      await (await Frames.open(t, impatient)).ends();
    });

    for (const first of ['42["leaveRoom",{"roomId":"a"}]', '421["leaveRoom",{"roomId":"a"}]', "41", "4abc"]) {
      it(`has to come before \`${first}\`, which ends the connection`, async (t) => {
        const frames = await Frames.open(t, node);
        frames.send(first, "40");
        await frames.ends();
        assert.deepEqual(frames.frames.filter((frame) => frame.startsWith("4")), []);
      });
    }
  });

  describe("Sending and receiving data", () => {
    for (const packet of ["42", "42[]", "42{}", "42null", '42"joinRoom"', "42[", "42[1,2]extra", "4abc", "47", "4"]) {
      it(`\`${packet}\` is no event: the connection is closed`, async (t) => {
        const frames = await Frames.connect(t, node);
        frames.send(packet);
        await frames.ends();
      });
    }

    it("an event without a name of its own is told of, or closes the connection", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send("421[7]");
      const answered = () => frames.frames.some((frame) => frame.startsWith("431["));
      await frames.until("an answer, or the end", () => frames.closed || answered());
    });

    it("to a namespace that it is not in does nothing", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send('42/admin,1["leaveRoom",{"roomId":"a"}]', '422["leaveRoom",{"roomId":"a"}]');
      const next = frames.next().catch(() => "the end");
      assert.equal(await Promise.race([next, frames.ends().then(() => "the end")]), '432[{"ok":true,"roomId":"a"}]');
    });
  });

  describe("Acknowledgement", () => {
    for (const id of ["0", "7", "456", "2147483648", "9007199254740991"]) {
      it(`has the id of what it acknowledges: ${id}`, async (t) => {
        const frames = await Frames.connect(t, node);
        frames.send(`42${id}["leaveRoom",{"roomId":"a"}]`);
        assert.equal(await frames.next(), `43${id}[{"ok":true,"roomId":"a"}]`);
      });
    }

    it("is not sent where none is asked for", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send('42["leaveRoom",{"roomId":"a"}]', '421["leaveRoom",{"roomId":"b"}]');
      assert.equal(await frames.next(), '431[{"ok":true,"roomId":"b"}]');
    });

    it("of an event with binary data is one", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send('451-9["sendMessage",{"roomId":"a","content":{"_placeholder":true,"num":0}}]', Buffer.from("hello"));
      const packet = await frames.next();
      const [{ ok, error }] = JSON.parse(packet.slice(3));
      assert.deepEqual([packet.slice(0, 3), ok, error.status < 500], ["439", false, true]);
    });

    it("that nobody has asked for is not minded", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send("4312[1]", '421["leaveRoom",{"roomId":"a"}]');
      assert.equal(await frames.next(), '431[{"ok":true,"roomId":"a"}]');
    });
  });

  describe("Disconnection from a namespace", () => {
    it("ends what there is in it, and the way is free to come again", async (t) => {
      const watcher = await Frames.connect(t, node);
      watcher.send('421["joinRoom",{"roomId":"gone"}]');
      await watcher.next();
      const frames = await Frames.connect(t, node);
      frames.send('421["joinRoom",{"roomId":"gone"}]');
      assert.match(await frames.next(), /^431/);
      assert.match(await watcher.next(), /^42\["userJoined"/);
      frames.send("41");
      assert.match(await watcher.next(), /^42\["userLeft"/);
      await node.say("gone", "not for who has left");
      await watcher.next();
      assert.deepEqual(frames.frames.filter((frame) => frame.includes("receiveMessage")), []);
      frames.send("40");
      const again = () => frames.closed || frames.frames.filter((frame) => frame.startsWith("40{")).length === 2;
      await frames.until("a connection, or the end of it all", again);
    });
  });

  describe("Packet encoding", () => {
    for (const packet of [
      '42abc["leaveRoom",{"roomId":"a"}]',
      '42-1["leaveRoom",{"roomId":"a"}]',
      '4299999999999999999999["leaveRoom",{"roomId":"a"}]',
      '45-["leaveRoom"]',
      '4599999999999-["leaveRoom",{"_placeholder":true,"num":0}]',
      `42${"[".repeat(40_000)}`,
      `42["leaveRoom",${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}]`,
    ]) {
      it(`\`${packet.slice(0, 40)}\` is no packet: the connection is closed, or it is told of`, async (t) => {
        const frames = await Frames.connect(t, node);
        frames.send(packet);
        const told = () => frames.frames.some((frame) => frame.startsWith('42["problem"'));
        await frames.until("the end, or a problem", () => frames.closed || told());
      });
    }

    for (const [what, wrong] of [
      ["a packet between an event and its binary data", '451-["leaveRoom",{"_placeholder":true,"num":0}]'],
      ["binary data that belongs to nothing", Buffer.from("hello")],
    ]) {
      it(`${what} closes the connection, or belongs to nothing`, async (t) => {
        const frames = await Frames.connect(t, node);
        frames.send(wrong, '421["leaveRoom",{"roomId":"a"}]');
        const answered = () => frames.frames.includes('431[{"ok":true,"roomId":"a"}]');
        await frames.until("the end, or an answer", () => frames.closed || answered());
      });
    }

    it("goes on for all others", async (t) => {
      const frames = await Frames.connect(t, node);
      frames.send('421["leaveRoom",{"roomId":"a"}]');
      assert.equal(await frames.next(), '431[{"ok":true,"roomId":"a"}]');
    });
  });
});
