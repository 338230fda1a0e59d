// The console's room, as people have it open in a browser.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";

describe("the console's room", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  /** A page with a room of its own open, live. */
  async function open(t, room = randomUUID(), prepare) {
    const one = await Console.open(t, browser, node.url, room, prepare);
    one.room = room;
    await one.is("live");
    return one;
  }

  /** Holds back what the server answers to this, until it is let through; `asked` comes true when it has answered. */
  async function hold(page, matches) {
    let let_through;
    const gate = new Promise((resolve) => (let_through = resolve));
    let tell;
    const answered = new Promise((resolve) => (tell = resolve));
    await page.route((url) => url.pathname === "/message", async (route) => {
      if (!matches(route.request())) return route.fallback();
      const answer = await route.fetch();
      tell(answer);
      await gate;
      await route.fulfill({ response: answer });
    });
    return { answered, letThrough: let_through };
  }

  it("shows two pages each other's messages, once and in order", async (t) => {
    const one = await open(t);
    const other = await open(t, one.room);
    await one.write("Is anybody here?");
    await other.shows(["Is anybody here?"]);
    await other.write("שלום 🌊");
    await one.shows(["Is anybody here?", "שלום 🌊"]);
    await other.shows(["Is anybody here?", "שלום 🌊"]);
    assert.deepEqual(await one.ids(), await other.ids());
  });

  it("shows a message at once, and settles it in its place when the feed has brought it", async (t) => {
    const one = await open(t);
    const post = await hold(one.page, (request) => request.method() === "POST");
    await one.write("first");
    await one.row("first").waitFor();
    await post.answered;
    // The feed was faster than the answer.
    await one.until(() => document.querySelector("#room li.message[data-id]"));
    await one.shows(["first"]);
    post.letThrough();
    await one.write("second");
    await one.shows(["first", "second"]);
    await one.until(() => document.querySelectorAll("#room li.message[data-id]:not(.sending)").length === 2);
    assert.equal(new Set(await one.ids()).size, 2);
  });

  it("says what was not sent and why, and sends it again once", async (t) => {
    const one = await open(t);
    let keys = [];
    await one.page.route("**/message", async (route) => {
      keys.push(route.request().headers()["idempotency-key"]);
      if (keys.length === 1) {
        // It is written, but nobody is told so.
        await route.abort();
      } else await route.fallback();
    });
    await one.write("again");
    const row = one.row("again");
    await row.getByText("Perhaps not sent").waitFor();
    await row.getByRole("button", { name: "Try again" }).click();
    await one.until(() => document.querySelector("#room li.message[data-id]:not(.sending)"));
    await one.shows(["again"]);
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
    one.complaints = one.complaints.filter((line) => !line.includes("net::ERR_FAILED"));
  });

  it("changes and deletes in place, on every page", async (t) => {
    const one = await open(t);
    const other = await open(t, one.room);
    await one.write("colour");
    await one.write("next");
    await other.shows(["colour", "next"]);
    await one.until(() => document.querySelectorAll("#room li.message[data-id]").length === 2);
    const row = one.row("colour");
    await row.hover();
    await row.getByRole("button", { name: "Edit" }).click();
    await one.page.getByLabel("New text of the message").fill("color");
    await one.page.keyboard.press("Enter");
    for (const page of [one, other]) {
      await page.shows(["color", "next"]);
      await page.row("color").getByText(/^edited/).waitFor();
    }
    await one.row("color").focus();
    await one.page.keyboard.press("Delete");
    await one.page.keyboard.press("Enter");
    for (const page of [one, other]) await page.shows(["next"]);
  });

  it("misses nothing that is written between the page and the stream", async (t) => {
    const room = randomUUID();
    await node.say(room, "before");
    let page;
    const one = await Console.open(t, browser, node.url, room, async (at) => {
      page = await hold(at, (request) => request.method() === "GET");
    });
    await page.answered;
    await node.say(room, "between");
    page.letThrough();
    await one.shows(["before", "between"]);
  });

  it("shows no old text when a page of older messages comes after the change of one", async (t) => {
    const room = randomUUID();
    const said = [];
    for (let at = 0; at < 60; at++) said.push(await node.say(room, `number ${at}`));
    let page;
    const one = await Console.open(t, browser, node.url, room, async (at) => {
      page = await hold(at, (request) => request.url().includes("cursor="));
    });
    await one.is("live");
    await page.answered;
    await node.send("PATCH", `/message/${said[3].id}`, { content: "changed" });
    await fetch(`${node.url}/message/${said[4].id}`, { method: "DELETE" });
    await node.say(room, "last");
    await one.row("last").waitFor();
    page.letThrough();
    const texts = said.map(({ content }) => content).toSpliced(3, 2, "changed");
    await one.shows([...texts, "last"]);
  });
});
