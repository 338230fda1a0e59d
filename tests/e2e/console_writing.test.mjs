// What is written, changed and deleted in the console, as people do it: with the keyboard, over a network that fails.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Console, hold } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";

const POSTED = (url) => url.pathname === "/message";

describe("writing in the console", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  const open = (t, room) => Console.live(t, browser, node.url, room);

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
      await one.page.locator("#room li.message[data-id]").waitFor();
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
});
