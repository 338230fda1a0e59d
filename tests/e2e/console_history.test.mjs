// The past of a room in the console: thousands of messages, read by who scrolls, with a wheel or with keys.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { insert } from "./support/screen.mjs";
import { soon } from "./support/watched.mjs";

const MANY = 5_000;

/** The page's own bound: `MOST` in `stretch.js`. */
const MOST = 6_000;

describe("the past of a room in the console", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  /** A room with so many messages, and its page, which is told of older ones when `older.letThrough()` says so. */
  async function open(t, many) {
    const room = randomUUID();
    await insert(room, 0, many - 1);
    const older = new Held();
    const one = await Console.open(t, browser, node.url, room, (page) => older.hold(page));
    await one.is("live");
    return { room, one, older };
  }

  it("is scrolled back to its first message, each once and in order, while new ones come", async (t) => {
    const { room, one, older } = await open(t, MANY);
    await one.page.locator(".scroller").hover();
    let came = 0;
    for (let pages = 0; (await rowsOf(one)) < MANY + came; pages++) {
      // Real turns of the wheel, and where the messages have the focus, real keys.
      if (pages % 5 < 3) await one.page.mouse.wheel(0, -100_000);
      else await top(one);
      await one.until(() => {
        const [scroller, row] = [".scroller", "#room li.message"].map((part) => document.querySelector(part).getBoundingClientRect());
        return row.top > scroller.top - 1;
      });
      await older.asked();
      if (pages % 10 === 0) {
        await node.say(room, `new ${came}`);
        await one.row(`new ${came++}`).waitFor({ state: "attached" });
      }
      const [rows, place] = [await rowsOf(one), await still(one)];
      older.letThrough();
      await one.until((more) => document.querySelectorAll("#room li.message").length > more, rows);
      const moved = await still(one, place.id);
      assert.ok(Math.abs(moved.top - place.top) < 2, `row ${place.id} went from ${place.top} to ${moved.top}`);
    }
    await one.page.getByText("The room begins here.").waitFor();
    const texts = Array.from({ length: MANY }, (_, n) => `number ${n}`);
    assert.deepEqual(await one.texts(), [...texts, ...Array.from({ length: came }, (_, n) => `new ${n}`)]);
    await top(one);
    await one.until(() => document.activeElement.textContent.includes("number 0"));
    await bounded({ room, one });
  });

  it("is scrolled by a wheel that turns over the button to the newest, too", async (t) => {
    const { one } = await open(t, 50);
    await one.page.locator(".scroller").hover();
    await one.page.mouse.wheel(0, -300);
    await one.page.getByRole("button", { name: "Newest" }).hover();
    await one.page.mouse.wheel(0, -300);
    await one.until(() => document.querySelector(".scroller").scrollTop === -600);
  });

  /** More than the page keeps come below who reads at the top; by the button it is back at the newest. */
  async function bounded({ room, one }) {
    const [place, button] = [await still(one), one.page.locator(".unread")];
    // Whoever was at the end meanwhile has seen what was there.
    const before = Number(/^\d+/.exec(await button.textContent()) ?? 0);
    await insert(room, 50_000, 50_000 + MOST - MANY);
    await one.until((most) => document.querySelectorAll("#room li.message").length === most, MOST);
    const words = `${(MOST - MANY + 1 + before).toLocaleString("en")} new messages`;
    const told = one.until((all) => document.querySelector(".unread").textContent === all, words);
    await told.catch(async () => assert.equal(await button.textContent(), words));
    const moved = await still(one, place.id);
    assert.ok(Math.abs(moved.top - place.top) < 2);
    await button.click();
    await one.until(() => document.querySelector(".scroller").scrollTop === 0);
    await one.row(`number ${50_000 + MOST - MANY}`).waitFor();
    const [, shown] = [await one.until(() => document.querySelectorAll("#room li.message").length < 500), await one.texts()];
    const newest = Array.from({ length: shown.length }, (_, n) => `number ${50_000 + MOST - MANY - n}`).reverse();
    assert.deepEqual(shown, newest);
  }
});

function rowsOf(one) {
  return one.page.locator("#room li.message").count();
}

/** The first row that has the focus, by keys alone: the one that was last in it, then the first. */
async function top(one) {
  await one.page.locator('#room li.message[tabindex="0"]').focus();
  await one.page.keyboard.press("Home");
}

/** Where a row is, once nothing moves any more: the one in the middle of the screen, or that with this id. */
async function still(one, id) {
  const handle = await one.page.waitForFunction((wanted) => {
    const { left, right, top, bottom } = document.querySelector(".scroller").getBoundingClientRect();
    const middle = () => document.elementFromPoint((left + right) / 2, (top + bottom) / 2)?.closest("li.message");
    const row = wanted ? document.querySelector(`#room li[data-id="${wanted}"]`) : middle();
    if (!row) return false;
    const now = { id: row.dataset.id, top: row.getBoundingClientRect().top };
    const before = window.place;
    window.place = now;
    window.same = before && before.id === now.id && before.top === now.top ? window.same + 1 : 0;
    return window.same > 2 ? now : false;
  }, id);
  return handle.jsonValue();
}

/** Answers to requests for older messages, which wait until they are let through. */
class Held {
  #waiting = [];
  #told = [];

  async hold(page) {
    await page.route((url) => url.pathname === "/message" && url.searchParams.has("cursor"), async (route) => {
      const response = await route.fetch();
      await new Promise((resolve) => {
        this.#waiting.push(resolve);
        for (const tell of this.#told.splice(0)) tell();
      });
      await route.fulfill({ response });
    });
  }

  /** Waits until there is one. */
  async asked() {
    if (this.#waiting.length > 0) return;
    await soon("older messages are asked for", new Promise((resolve) => this.#told.push(resolve)));
  }

  letThrough() {
    this.#waiting.shift()();
  }
}
