// The console's room, as people have it open in a browser.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";

const POSTED = (url) => url.pathname === "/message";

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

  it("shows a message once when its answer is lost", async (t) => {
    const one = await open(t);
    one.expects("net::ERR_FAILED");
    await one.page.route(POSTED, async (route) => {
      await route.fetch();
      await route.abort();
    });
    const lost = one.page.waitForEvent("requestfailed");
    await one.write("written, but who knows?");
    await lost;
    await one.until(() => document.querySelector("#room li.message[data-id] .mark[hidden]"));
    // What would be done about it is done now.
    await one.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    await one.shows(["written, but who knows?"]);
  });

  it("sends what was perhaps not sent again under the same key", async (t) => {
    const one = await open(t);
    one.expects("net::ERR_FAILED");
    const keys = [];
    await one.page.route(POSTED, async (route) => {
      keys.push(route.request().headers()["idempotency-key"]);
      await (keys.length === 1 ? route.abort() : route.continue());
    });
    await one.write("again");
    const row = one.row("again");
    await row.getByText("Perhaps not sent: the server cannot be reached").waitFor();
    await row.getByRole("button", { name: "Try again" }).click();
    await one.until(() => document.querySelector("#room li.message[data-id] .mark[hidden]"));
    await one.shows(["again"]);
    assert.deepEqual(keys, [keys[0], keys[0]]);
  });

  it("says why a message was refused, and forgets it when told so", async (t) => {
    const one = await open(t);
    one.expects("422");
    await one.write("with a \0");
    const row = one.page.locator("#room li.message");
    await row.getByText(/^Not sent: content: must not contain the character U\+0000/).waitFor();
    await row.getByRole("button", { name: "Discard" }).click();
    await one.shows([]);
  });

  for (const [outcome, refused] of [["is written", false], ["is refused", true]]) {
    it(`tells its own message from another of the same words, when it ${outcome} at last`, async (t) => {
      const one = await open(t);
      let letThrough;
      const gate = new Promise((resolve) => (letThrough = resolve));
      await one.page.route(POSTED, async (route) => {
        await gate;
        await (refused ? route.fulfill({ status: 403, json: { detail: "no more" } }) : route.continue());
      });
      await one.write("Yes.");
      await one.row("Yes.").waitFor();
      const sender_id = await one.page.evaluate(() => localStorage.getItem("sender"));
      const elsewhere = await node.send("POST", "/message", { room: one.room, content: "Yes.", sender_id });
      await one.page.locator(`#room li.message[data-id="${elsewhere.id}"]`).waitFor();
      await one.shows(["Yes."]);
      if (refused) one.expects("403");
      letThrough();
      await one.shows(["Yes.", "Yes."]);
      if (refused) await one.page.getByText(/^Not sent: no more/).waitFor();
      else await one.until(() => document.querySelectorAll("#room li.message[data-id]").length === 2);
    });
  }

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
    const witness = await open(t, room);
    let page;
    const one = await Console.open(t, browser, node.url, room, async (at) => {
      page = await hold(at, (request) => request.method() === "GET");
    });
    await page.answered;
    await node.say(room, "between");
    // So the feed has it too: a stream from now on would not.
    await witness.row("between").waitFor();
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

  it("reads anew what cannot be told, and keeps its reader's place", async (t) => {
    const room = randomUUID();
    const said = [];
    for (let at = 0; at < 120; at++) said.push(await node.say(room, `number ${at}`));
    let letThrough;
    const gate = new Promise((resolve) => (letThrough = resolve));
    const one = await Console.open(t, browser, node.url, room, (page) => {
      // The stream begins at a place that the server does not know.
      return page.route((url) => url.pathname === "/stream", async (route) => {
        await gate;
        await route.continue({ url: route.request().url().replace(/last_event_id=[^&]*/, "last_event_id=0-1") });
      });
    });
    await one.row("number 119").waitFor();
    await one.page.locator(".scroller").evaluate((scroller) => (scroller.scrollTop = -3000));
    await one.row("number 60").scrollIntoViewIfNeeded();
    const place = () => one.row("number 60").evaluate((row) => row.getBoundingClientRect().top);
    const before = await place();
    await node.send("PATCH", `/message/${said[61].id}`, { content: "changed" });
    await fetch(`${node.url}/message/${said[100].id}`, { method: "DELETE" });
    await node.say(room, "last");
    letThrough();
    await one.is("live");
    await one.page.getByText("read anew: the server has begun a new feed").waitFor();
    const texts = [...said.map(({ content }) => content), "last"].toSpliced(100, 1);
    texts[61] = "changed";
    await one.until((last) => [...document.querySelectorAll("#room .text")].at(-1).textContent === last, "last");
    const shown = await one.texts();
    assert.deepEqual(shown, texts.slice(-shown.length));
    assert.ok(Math.abs((await place()) - before) < 2);
  });

  it("leaves who reads further up where they are, and says how many messages are new", async (t) => {
    const room = randomUUID();
    for (let at = 0; at < 60; at++) await node.say(room, `number ${at}`);
    const one = await open(t, room);
    await one.page.locator(".scroller").evaluate((scroller) => (scroller.scrollTop = -1000));
    const place = () => one.row("number 35").evaluate((row) => row.getBoundingClientRect().top);
    const before = await place();
    await node.say(room, "one more");
    await node.say(room, "and another");
    await one.page.getByRole("button", { name: "2 new messages" }).waitFor();
    assert.ok(Math.abs((await place()) - before) < 2);
    await one.page.getByRole("button", { name: "2 new messages" }).click();
    await one.row("and another").waitFor();
    await one.until(() => document.querySelector(".scroller").scrollTop === 0);
    await one.write("so I see");
    await one.until(() => document.querySelector(".unread").hidden);
  });

  it("is used with the keyboard alone, and never loses the focus", async (t) => {
    const one = await open(t);
    for (const text of ["one", "two", "three"]) await one.write(text);
    await one.until(() => document.querySelectorAll("#room li.message[data-id] .mark[hidden]").length === 3);
    const focused = () => one.page.evaluate(() => document.activeElement.closest("li")?.querySelector(".text").textContent);
    const { keyboard } = one.page;
    await keyboard.press("Shift+Tab");
    assert.equal(await focused(), "three");
    await keyboard.press("ArrowUp");
    assert.equal(await focused(), "two");
    await keyboard.press("Home");
    assert.equal(await focused(), "one");
    await keyboard.press("ArrowDown");
    await keyboard.press("e");
    await keyboard.press("Control+A");
    await keyboard.type("2");
    await keyboard.press("Escape");
    assert.equal(await focused(), "two");
    await keyboard.press("e");
    await keyboard.press("Control+A");
    await keyboard.type("2");
    await keyboard.press("Enter");
    await one.shows(["one", "2", "three"]);
    assert.equal(await focused(), "2");
    await keyboard.press("Delete");
    await keyboard.press("Enter");
    await one.shows(["one", "three"]);
    // The mark that it leaves has the focus, and then what comes after it.
    await one.until(() => document.querySelectorAll("#room li.message").length === 2);
    assert.equal(await focused(), "three");
  });

  it("sends a line with Enter, but not while it is composed, and breaks it with Shift+Enter", async (t) => {
    const one = await open(t);
    const field = one.page.getByLabel("Message", { exact: true });
    await field.fill("に");
    const composing = { key: "Enter", bubbles: true, cancelable: true, isComposing: true };
    await field.evaluate((element, init) => element.dispatchEvent(new KeyboardEvent("keydown", init)), composing);
    assert.equal(await field.inputValue(), "に");
    await field.press("Shift+Enter");
    await field.pressSequentially("second line");
    await field.press("Enter");
    await one.shows(["に\nsecond line"]);
    assert.equal(await field.inputValue(), "");
  });

  it("keeps what is being written in each room, and closes the stream of the one that is left", async (t) => {
    const one = await open(t);
    const stream = one.page.waitForEvent("requestfailed", (request) => request.url().includes("/stream"));
    const field = () => one.page.getByLabel("Message", { exact: true });
    await field().fill("half a");
    await one.page.evaluate((room) => (location.hash = `#/room/${room}`), randomUUID());
    await stream;
    await one.until(() => document.querySelector(".composer textarea").value === "");
    await one.page.goBack();
    await one.until(() => document.querySelector(".composer textarea").value === "half a");
    await one.is("live");
  });

  it("says that a message was deleted meanwhile, and keeps what was written into it", async (t) => {
    const one = await open(t);
    const { id } = await node.say(one.room, "short-lived");
    await one.row("short-lived").focus();
    await one.page.keyboard.press("e");
    await one.page.getByLabel("New text of the message").fill("longer-lived");
    await fetch(`${node.url}/message/${id}`, { method: "DELETE" });
    await one.shows([]);
    await one.until(() => document.querySelector(".composer textarea").value === "longer-lived");
  });

  it("tells who is there", async (t) => {
    const one = await open(t);
    await one.page.getByText("1 here").waitFor();
    const other = await open(t, one.room);
    await one.page.getByText("2 here").waitFor();
    await other.page.evaluate(() => (location.hash = "#/room/elsewhere"));
    await one.page.getByText("1 here").waitFor();
  });

  it("shows all of a text that is too long for the stream, folded, and whole when asked", async (t) => {
    const far = await Node.start({ MAX_EVENT_CONTENT: "1KiB" });
    t.after(() => far.kill());
    const [room, text] = [randomUUID(), "many words ".repeat(2_000)];
    const one = await Console.open(t, browser, far.url, room);
    await one.is("live");
    await far.say(room, text);
    await one.page.getByRole("button", { name: "Show all 22,000 characters" }).click();
    await one.shows([text]);
  });
});
