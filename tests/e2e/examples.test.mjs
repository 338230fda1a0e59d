// The examples, started by the commands of their README, and pushed where it hurts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";

import { BLOCKS, Program, freePort, names, run } from "./support/examples.mjs";
import { Losing } from "./support/losing.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { Proxy } from "./support/proxy.mjs";
import { follow } from "./support/readers.mjs";
import { hold, isLive, shows, write } from "./support/rooms.mjs";
import { soon } from "./support/watched.mjs";

const HOSTILE = "<img src=x onerror=alert(1)> þree, ひらがな, 🌊";

/** Longer than what a pipe and its reader hold: who writes it waits until it is read. */
const LONG = "long ".repeat(160_000);

describe("an example", () => {
  let dev, node, ports;
  before(async () => {
    ports = [await freePort(), await freePort()];
    const origins = ports.map((port) => `http://localhost:${port}`);
    dev = await run(origins);
    const { DATABASE_URL, REDIS_URL } = dev;
    node = await Node.start({ DATABASE_URL, REDIS_URL, CORS_ORIGINS: origins.join(",") });
  });
  after(async () => {
    node.kill();
    await dev.stop();
  });

  /** What is written in SQL. */
  const sql = (text) => execFileSync("psql", [dev.DATABASE_URL, "-qAt", "-c", text], { encoding: "utf8" });

  /** A reader who knows when our node has something. */
  async function witness(t, room) {
    const reader = await follow(t, `${node.url}/stream?room=${room}`);
    await reader.have(1, "message");
    return { told: (type, count = 1) => reader.until(`${count} ${type}`, () => of(reader, type).length >= count) };
  }

  const of = (reader, type) => reader.of("message").filter(({ data }) => data.type === type);

  it("has what it needs", async (t) => {
    await Program.start("install", {}, {}, t).succeeded();
  });

  describe("in a page", () => {
    const browser = inBrowser();
    const programs = [];
    after(() => programs.map((program) => program.kill()));

    /** The page at this port of a program, in a room and by a way to the server. */
    async function open(t, port, room, server) {
      const page = await browser();
      t.after(() => page.close());
      const failed = [];
      page.on("pageerror", (error) => failed.push(error));
      t.after(() => assert.deepEqual(failed, []));
      const at = `http://localhost:${port}/?${new URLSearchParams({ room, server })}`;
      return { page, load: () => page.goto(at), items: page.locator("li") };
    }

    /** The same, live. */
    async function live(t, port, room, server = node.url) {
      const opened = await open(t, port, room, server);
      await opened.load();
      await isLive(opened.page);
      return opened;
    }

    for (const [name, index] of [["react", 0], ["page", 1]]) {
      describe(`of ${name}`, () => {
        const port = () => ports[index];
        before(async () => {
          const program = Program.start(name, { 8080: port() }, { PYTHONUNBUFFERED: "1" });
          programs.push(program);
          const said = () => [...program.out, ...program.err];
          await program.until("the page is served", () => said().some((line) => /^Serving HTTP /.test(line)));
        });

        it("shows two people the same, and edits and deletions in place", async (t) => {
          const room = randomUUID();
          const { id } = await node.say(room, "one");
          const [ours, theirs] = [await live(t, port(), room), await live(t, port(), room)];
          await write(ours.page, HOSTILE);
          await Promise.all([ours, theirs].map((one) => shows(one, ["one", HOSTILE])));
          await node.send("PATCH", `/message/${id}`, { content: "one, changed" });
          await Promise.all([ours, theirs].map((one) => shows(one, ["one, changed", HOSTILE])));
          await fetch(`${node.url}/message/${id}`, { method: "DELETE" });
          await Promise.all([ours, theirs].map((one) => shows(one, [HOSTILE])));
          await write(theirs.page, "two");
          await Promise.all([ours, theirs].map((one) => shows(one, [HOSTILE, "two"])));
        });

        it("misses nothing that is written between the page and the stream", async (t) => {
          const room = randomUUID();
          const [seen] = [await witness(t, room), await node.say(room, "before")];
          const opened = await open(t, port(), room, node.url);
          const { held, release } = await hold(opened.page, "**/message?*");
          await opened.load();
          await held();
          await node.say(room, "between");
          await seen.told("new_message", 2);
          release();
          await shows(opened, ["before", "between"]);
        });

        it("shows nothing twice and misses nothing when its node is another one", async (t) => {
          const room = randomUUID();
          const proxy = await Proxy.to(node, t);
          const opened = await live(t, port(), room, proxy.url);
          await node.say(room, "one");
          await shows(opened, ["one"]);
          const pages = proxy.asked("/message").length;
          proxy.down();
          await opened.page.locator("[role=status]", { hasText: "reconnecting" }).waitFor();
          await node.say(room, "two");
          proxy.node = dev;
          proxy.up();
          await node.say(room, "three");
          await shows(opened, ["one", "two", "three"]);
          assert.equal(proxy.asked("/message").length, pages);
        });

        it("comes back when a proxy has answered in the place of its node", async (t) => {
          const room = randomUUID();
          const opened = await open(t, port(), room, node.url);
          await opened.page.route("**/stream?*", (route) => route.fulfill({ status: 502 }), { times: 1 });
          await opened.load();
          await isLive(opened.page);
          await node.say(room, "one");
          await shows(opened, ["one"]);
        });

        it("reads anew when it is told to", async (t) => {
          const room = randomUUID();
          await node.say(room, "one");
          const opened = await open(t, port(), room, node.url);
          // A position that the feed has not come to: it is of another one.
          let streamed = false;
          opened.page.on("request", (request) => (streamed ||= request.url().includes("/stream?")));
          const ahead = async (route) => {
            const response = await route.fetch();
            const headers = { ...response.headers(), "feed-position": "1-999999" };
            const nothing = { headers, json: { messages: [], next_cursor: null, has_more: false } };
            await route.fulfill({ response, ...(streamed ? {} : nothing) });
          };
          await opened.page.route("**/message?*", ahead);
          await opened.load();
          await shows(opened, ["one"]);
          await node.say(room, "two");
          await shows(opened, ["one", "two"]);
        });

        it("is empty when the table is", async (t) => {
          const room = randomUUID();
          const opened = await live(t, port(), room);
          await node.say(room, "one");
          await shows(opened, ["one"]);
          sql("truncate messages");
          await shows(opened, []);
          await node.say(room, "two");
          await shows(opened, ["two"]);
        });
      });
    }

    describe("of react alone", () => {
      it("reads older messages, as they are by then", async (t) => {
        const room = randomUUID();
        const text = (n) => `message ${n}`;
        sql(`insert into messages (room, content, sender_id)
             select '${room}', 'message ' || n, gen_random_uuid() from generate_series(1, 60) n order by n`);
        const id = (n) => Number(sql(`select id from messages where room = '${room}' and content = '${text(n)}'`));
        const seen = await witness(t, room);
        const opened = await live(t, ports[0], room);
        const newest = Array.from({ length: 50 }, (_, n) => text(n + 11));
        await shows(opened, newest);
        const { held, release } = await hold(opened.page, "**/message?*cursor*");
        await opened.page.getByRole("button", { name: "Older" }).click();
        await held();
        const [gone, changed] = [id(3), id(5)];
        sql(`delete from messages where id = ${gone}`);
        sql(`update messages set content = 'changed' where id = ${changed}`);
        await Promise.all([seen.told("deleted_message"), seen.told("updated_message")]);
        // What it is told after them, it has after them.
        await node.say(room, "last");
        await shows(opened, [...newest, "last"]);
        release();
        const oldest = [1, 2, 4].map(text).concat("changed", [6, 7, 8, 9, 10].map(text));
        await shows(opened, [...oldest, ...newest, "last"]);
        assert.equal(await opened.page.getByRole("button", { name: "Older" }).count(), 0);
      });

      it("reads a text that is too large for the stream", async (t) => {
        const room = randomUUID();
        const opened = await live(t, ports[0], room);
        sql(`insert into messages (room, content, sender_id) values ('${room}', repeat('x', 1100000), gen_random_uuid())`);
        await opened.page.waitForFunction(() => document.querySelector("li")?.textContent.length === 1_100_000);
      });

      it("has one stream, and none when it is gone", async (t) => {
        const { DATABASE_URL, REDIS_URL } = dev;
        const alone = await Node.start({ DATABASE_URL, REDIS_URL, CORS_ORIGINS: "*" });
        t.after(() => alone.kill());
        const proxy = await Proxy.to(alone, t);
        const subscribers = async () => (await alone.send("GET", "/health")).hub.subscribers;
        const { page } = await live(t, ports[0], randomUUID(), proxy.url);
        assert.equal(await subscribers(), 1);
        assert.equal(proxy.asked("/stream").length, 1);
        await page.getByRole("button", { name: "Leave" }).click();
        await soon("the stream ends", (async () => { while ((await subscribers()) > 0); })());
        await page.getByRole("button", { name: "Enter" }).click();
        await isLive(page);
        assert.equal(await subscribers(), 1);
      });
    });
  });

  describe("in Python", () => {
    const start = (t, room, file, url = node.url) =>
      Program.start("python", {
        "target/venv/bin/python": process.env.PYTHON,
        "http://localhost:8000": url,
        " lobby ": ` ${room} `,
        "lobby.position": file,
      }, {}, t);
    const contents = (program) => program.told().flatMap(({ messages, content }) => messages?.map((one) => one.content) ?? content);

    it("goes on where it was when it is killed in the middle of its work", async (t) => {
      const room = randomUUID();
      const file = `${dev.place}/${room}`;
      await node.say(room, "one");
      const first = start(t, room, file);
      await first.until("all messages", () => first.out.length === 1);
      await node.say(room, "two");
      await first.until("a change", () => first.out.length === 2);
      first.hold();
      await node.say(room, LONG);
      first.release();
      await first.until("it is at work", () => first.begun !== "");
      await first.kill();
      for (const text of ["four", HOSTILE]) await node.say(room, text);
      const second = start(t, room, file);
      await second.until("it goes on", () => second.out.length >= 3);
      await node.say(room, "six");
      await second.until("it is live", () => contents(second).includes("six"));
      assert.deepEqual(contents(first), ["one", "two"]);
      const done = contents(second);
      // Whether the one before it is repeated depends on when it was killed.
      assert.deepEqual(done[0] === "two" ? done.slice(1) : done, [LONG, "four", HOSTILE, "six"]);
    });

    it("goes on when its node goes away", async (t) => {
      const room = randomUUID();
      const proxy = await Proxy.to(node, t);
      const program = start(t, room, `${dev.place}/${room}`, proxy.url);
      await program.until("all messages", () => program.out.length === 1);
      proxy.down();
      await node.say(room, "one");
      proxy.node = dev;
      proxy.up();
      await program.until("a change", () => program.out.length === 2);
      assert.deepEqual(contents(program), ["one"]);
    });

    it("reads all messages anew where the server does not know its position", async (t) => {
      const room = randomUUID();
      const file = `${dev.place}/${room}`;
      for (let n = 1; n <= 101; n++) await node.say(room, `message ${n}`);
      writeFileSync(file, "1-999999");
      const program = start(t, room, file);
      await program.until("all messages", () => program.out.length === 1);
      await node.say(room, "last");
      await program.until("a change", () => program.out.length === 2);
      assert.deepEqual(contents(program), [...Array.from({ length: 101 }, (_, n) => `message ${n + 1}`), "last"]);
    });
  });

  it("in psql writes what subscribers see, in order", async (t) => {
    const room = `psql.${randomUUID()}`;
    const reader = await follow(t, `${node.url}/stream?room=${room}&room=imported`);
    await reader.have(1, "message");
    const { DATABASE_URL } = dev;
    for (const round of [1, 2]) {
      await Program.start("psql", { "room=lobby": `room=${room}` }, { DATABASE_URL }, t).succeeded();
      await reader.have(1 + WRITTEN.length * round, "message");
    }
    const told = reader.of("message").slice(1).map(({ data: { type, data } }) => `${type} ${data.content}`);
    assert.deepEqual(told, [...WRITTEN, ...WRITTEN]);
    const together = reader.of("message").filter(({ data }) => /of a transaction/.test(data.data?.content)).slice(0, 2);
    assert.equal(new Set(together.map(({ data }) => data.data.transaction)).size, 1);
  });

  describe("at Redis", () => {
    /** The program, which listens by a way that loses what it is told to. */
    async function listen(t, url = node.url) {
      const redis = await Losing.to(dev.REDIS_URL, t);
      const changes = { "target/venv/bin/python": process.env.PYTHON, "http://localhost:8000": url };
      const program = Program.start("redis", changes, { REDIS_URL: redis.url }, t);
      await program.until("it listens", () => program.err.some((line) => line.startsWith("listens")));
      const contents = () => program.told().map(({ content }) => content);
      return { redis, program, contents };
    }

    const fills = ({ err }) => err.filter((line) => line.startsWith("fills")).length;

    it("notices what was lost, and reads it from the stream", async (t) => {
      const room = randomUUID();
      const { redis, program, contents } = await listen(t);
      await node.say(room, "one");
      redis.lose("lost");
      const { id } = await node.say(room, "lost 1");
      // What is on another channel is neither a loss nor handled.
      await node.send("PATCH", `/message/${id}`, { content: "lost, and changed" });
      await node.say(room, "lost 2");
      await node.say(room, "four");
      await program.until("the last", () => contents().includes("four"));
      assert.deepEqual([contents(), redis.lost, fills(program)], [["one", "lost 1", "lost 2", "four"], 2, 1]);
    });

    it("reads what was published while it was away, also if nothing comes after it", async (t) => {
      const room = randomUUID();
      const { redis, program, contents } = await listen(t);
      await node.say(room, "one");
      await program.until("the first", () => contents().includes("one"));
      redis.cut();
      for (const text of ["two", "three"]) await node.say(room, text);
      redis.up();
      await program.until("the last", () => contents().includes("three"));
      await node.say(room, "four");
      await program.until("it listens again", () => contents().includes("four"));
      assert.deepEqual([contents(), fills(program)], [["one", "two", "three", "four"], 1]);
    });

    it("reads all messages where the server does not know what was lost", async (t) => {
      const room = randomUUID();
      const proxy = await Proxy.to(node, t);
      const { redis, program, contents } = await listen(t, proxy.url);
      await node.say(room, "one");
      await program.until("the first", () => contents().includes("one"));
      redis.cut();
      await node.say(room, "two");
      proxy.node = await stranger(t);
      await proxy.node.say(room, "three");
      redis.up();
      await program.until("the last", () => contents().includes("three"));
      assert.deepEqual(contents(), ["one", "three"]);
    });

    /** A node of another feed, to which little has happened. */
    async function stranger(t) {
      sql("create database stranger");
      const url = new URL(dev.DATABASE_URL);
      url.pathname = "/stranger";
      const node = await Node.start({ DATABASE_URL: url.href, REDIS_URL: dev.REDIS_URL, REDIS_PREFIX: "stranger:" });
      t.after(() => node.kill());
      return node;
    }
  });

  it("is started by every command of the README", () => {
    const [all, started] = names();
    assert.deepEqual(started.sort(), all.sort());
    assert.equal(all.length, BLOCKS);
  });
});

/** What subscribers are told of `writers.sql`. */
const WRITTEN = [
  "new_message a message",
  "updated_message a message, changed",
  "updated_message a message, put",
  "new_message one of a transaction",
  "new_message two of a transaction",
  "deleted_message a message, put",
  "new_message row 1",
  "new_message row 2",
  "new_message row 3",
  "new_message from a file, with a comma",
  "new_message שלום 🌊",
  "new_message order is new",
  "new_message order is paid",
  "new_message to be moved",
  "deleted_message to be moved",
  "new_message to be moved back",
];
