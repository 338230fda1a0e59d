// The page at /docs: every call can be tried there, with nothing but the server, and streams are seen as they come.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Docs } from "./support/docs.mjs";
import { Node, token } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { behind } from "./support/prefix.mjs";
import { Session } from "./support/session.mjs";

const SECRET = "a secret of this test, which is long enough";

describe("the page of all calls", () => {
  const browser = inBrowser();
  let node, guarded;
  before(async () => {
    node = await Node.start();
    guarded = await Node.start({ JWT_SECRET: SECRET, CONSOLE: "false" });
  });
  after(() => [node, guarded].forEach((one) => one.kill()));

  const open = async (t, at = node, fragment) => Docs.open(t, await browser(), at.url, fragment);

  it("shows an answer that the document names to every call, and asks nobody else", async (t) => {
    const document = await (await fetch(`${node.url}/openapi.json`)).json();
    const docs = await open(t);
    const created = {};
    for (const { path, method, operation } of calls(document)) {
      await t.test(`${method} ${path}`, async () => {
        const call = await docs.call(method, path);
        for (const parameter of operation.parameters?.filter((parameter) => parameter.in === "path") ?? []) {
          await call.fill(parameter.name, value(path, parameter, created));
        }
        await call.execute();
        await call.answer.waitFor();
        if (path.endsWith("/stream") && (await call.stop.count())) await call.stop.click();
        const status = await call.status();
        assert.ok(status in operation.responses, status);
        assert.match(await call.link.getAttribute("href"), new RegExp(`^#/\\w+/${operation.operationId}$`));
        if (status === "201") created[path] = JSON.parse(await call.text.innerText()).id;
        await call.fold();
      });
    }
    assert.deepEqual(docs.wrong, []);
  });

  it("shows what comes by the stream as it comes, until it is told to stop", async (t) => {
    const [docs, room] = [await open(t, node, "#/Stream/streamMessages"), randomUUID()];
    const call = await docs.unfolded();
    await call.fill("room", room);
    await call.execute();
    await call.shows('"connected"');
    for (const content of ["þe first", "the second"]) {
      await node.say(room, content);
      await call.shows(content);
    }
    assert.match(await call.curl.innerText(), /^curl -N /m);
    await call.stop.click();
    await docs.until("the request has ended", () => docs.ended.some((url) => url.includes(room)));
    assert.equal(await call.status(), "200");
    await call.duration.waitFor();
    assert.match(await call.text.innerText(), /"connected"[^]*þe first[^]*the second[^\n]*\s*$/);
    assert.deepEqual(docs.wrong, []);
  });

  it("follows a stream no longer when its answer is cleared, or asked for again", async (t) => {
    const docs = await open(t);
    const call = await docs.call("get", "/stream");
    for (const end of [() => call.clear(), () => call.again()]) {
      const ended = docs.ended.length;
      await call.execute();
      await call.shows('"connected"');
      await end();
      await docs.until("the request has ended", () => docs.ended.length > ended);
    }
    await call.shows('"connected"');
    await call.clear();
    assert.deepEqual(docs.wrong, []);
  });

  it("shows the end of a stream that is too long", async (t) => {
    const [docs, room] = [await open(t), randomUUID()];
    const call = await docs.call("get", "/stream");
    await call.fill("room", room);
    await call.execute();
    await call.shows('"connected"');
    for (const content of ["first", "x".repeat(30_000), "last"]) await node.say(room, content);
    await call.shows('"content":"last"');
    const text = await call.text.innerText();
    assert.ok(text.length < 21_000 && !text.includes('"connected"'), `${text.length} characters`);
    assert.match(text, /^: what came before is not shown/);
  });

  it("says that a stream has ended, under what had come by it", async (t) => {
    const dying = await Node.start();
    const call = await (await open(t, dying)).call("get", "/stream");
    await call.execute();
    await call.shows('"connected"');
    dying.kill();
    assert.equal(await call.status(), "200");
    assert.match(await call.text.innerText(), /"connected"[^]*: the stream has ended/);
  });

  it("shows a reply as it is written, to its end", async (t) => {
    const [docs, session] = [await open(t), await Session.open(node)];
    await session.append("Once upon");
    const call = await docs.call("get", "/session/{id}/stream");
    await call.fill("id", session.id);
    await call.execute();
    await call.shows('"Once upon"');
    await session.append(" a time");
    await call.shows('" a time"');
    await session.finish(".");
    await call.shows("message_complete");
    assert.equal(await call.status(), "200");
    assert.deepEqual(docs.wrong, []);
  });

  it("shows what a model replies as a stream, if that is asked for", async (t) => {
    const docs = await open(t);
    const call = await docs.call("post", "/chat");
    await call.write({ user_id: randomUUID(), message: "Say it again." });
    await call.accept("text/event-stream");
    await call.execute();
    await call.shows("event: connected");
    await call.shows("message_complete");
    assert.equal(await call.status(), "200");
    assert.deepEqual(docs.wrong, []);
  });

  it("follows a stream with a token that it is given, and keeps no token", async (t) => {
    const docs = await open(t, guarded);
    const call = await docs.call("get", "/stream");
    await call.execute();
    assert.equal(await call.status(), "401");
    await docs.authorize("bearer", token(SECRET, "1h"));
    await call.execute();
    await call.shows('"connected"');
    await docs.page.reload();
    await docs.unfolded();
    assert.equal(await docs.page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    await call.execute();
    assert.equal(await call.status(), "401");
    assert.deepEqual(docs.wrong, []);
  });

  it("asks for no cookie, and leads to the console where there is one", async (t) => {
    for (const [at, places] of [[node, ["/"]], [guarded, []]]) {
      const { page, wrong } = await open(t, at);
      const links = await page.getByRole("link", { name: "Console" }).all();
      assert.deepEqual(await Promise.all(links.map((link) => link.getAttribute("href"))), places);
      await page.locator(".scheme-container .authorize").click();
      const cookie = page.locator(".auth-container").filter({ hasText: "it cannot be given here" });
      await cookie.waitFor();
      assert.equal(await cookie.getByRole("textbox").count(), 0);
      assert.equal(await cookie.getByRole("button").count(), 0);
      assert.deepEqual(wrong, []);
    }
  });

  it("fills in nothing that leaves out what there is", async (t) => {
    const docs = await open(t);
    for (const path of ["/room", "/message"]) {
      const call = await docs.call("get", path);
      await call.execute();
      assert.equal(await call.status(), "200");
      assert.ok((await call.curl.innerText()).includes(`'${node.url}${path}?limit=20'`), await call.curl.innerText());
    }
    assert.deepEqual(docs.wrong, []);
  });

  it("tries calls and streams behind a proxy's prefix, and leads to the console there", async (t) => {
    const url = await behind(t, "/rowcast", node);
    for (const end of ["", "/"]) {
      const docs = await Docs.open(t, await browser(), url, end);
      const stream = await docs.call("get", "/stream");
      await stream.execute();
      await stream.shows('"connected"');
      const rooms = await docs.call("get", "/room");
      await rooms.execute();
      assert.equal(await rooms.status(), "200");
      await docs.page.getByRole("link", { name: "Console" }).click();
      await docs.page.locator('#room[data-state="live"]').waitFor();
      assert.deepEqual(docs.wrong, []);
    }
  });

  it("appends to a reply with the token of its producer", async (t) => {
    const docs = await open(t);
    const opened = await node.send("POST", "/session", { sender_id: randomUUID() });
    await docs.authorize("producer", opened.producer_token);
    const call = await docs.call("post", "/session/{id}/chunk");
    await call.fill("id", opened.id);
    await call.write({ chunks: [{ chunk_id: 0, chunk: "Once upon a time" }] });
    await call.execute();
    assert.equal(await call.status(), "200");
    assert.deepEqual(docs.wrong, []);
  });
});

/** All calls: first those that make something, last those that end it. */
function calls({ paths }) {
  const all = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
  const rank = ({ path, method }) => (method === "delete" ? 2 : path.includes("{") ? 1 : 0);
  return all.sort((one, other) => rank(one) - rank(other));
}

/** What stands in a path: what was made under it before, or anything of the parameter's type. */
function value(path, { name, schema }, created) {
  const made = created[path.slice(0, path.indexOf(`/{${name}}`))];
  return String(made ?? { integer: 1, uuid: randomUUID() }[schema.format ?? schema.type] ?? "docs");
}
