// The console, as a person has it open. Whatever its page complains of fails the test: errors, and what its policy
// forbids.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

/** Longer than anything takes here on a busy machine. */
const DEADLINE = 30_000;

export class Console {
  #complaints = [];
  #expected = [];

  /** Opens a room in a page of this browser (`inBrowser()`), for the test `t`; `prepare(page)` comes before all else. */
  static async open(t, browser, url, room, prepare = () => {}) {
    const one = new Console();
    one.page = await browser();
    one.page.setDefaultTimeout(DEADLINE);
    t.after(() => one.#close());
    one.page.on("pageerror", (error) => one.#complaints.push(error.stack || error.message));
    one.page.on("console", (line) => line.type() === "error" && one.#complaints.push(line.text()));
    await prepare(one.page);
    one.room = room;
    await one.page.goto(`${url}/#/room/${room}`);
    return one;
  }

  /** The same, of a room of its own where none is named, when it is live. */
  static async live(t, browser, url, room = randomUUID()) {
    const one = await Console.open(t, browser, url, room);
    await one.is("live");
    return one;
  }

  async #close() {
    await this.page.close();
    const unexpected = this.#complaints.filter((line) => !this.#expected.some((part) => line.includes(part)));
    assert.deepEqual(unexpected, []);
  }

  /** The test makes the page complain of this. */
  expects(part) {
    this.#expected.push(part);
  }

  /** Waits until the state of the connection is this one. */
  async is(state) {
    await this.page.locator(`#room[data-state="${state}"]`).waitFor();
  }

  /** The row with exactly this text. */
  row(text) {
    return this.page.locator("#room li.message").filter({ has: this.page.getByText(text, { exact: true }) });
  }

  /** The texts of all rows, from the top, without those that have been deleted. */
  texts() {
    return this.page.locator("#room li.message:not(.gone) .text").allTextContents();
  }

  /** The ids of all rows, from the top, null for those that have none yet. */
  ids() {
    return this.page.locator("#room li.message:not(.gone)").evaluateAll((rows) => rows.map((row) => row.dataset.id ?? null));
  }

  /** Waits until these are the texts of all rows. */
  async shows(texts) {
    await this.until((wanted) => {
      const rows = [...document.querySelectorAll("#room li.message:not(.gone) .text")];
      return rows.map((row) => row.textContent).join("\u0000") === wanted.join("\u0000");
    }, texts).catch(async (error) => assert.deepEqual(await this.texts(), texts, error.message));
  }

  /** Waits until this holds in the page. */
  until(holds, argument) {
    return this.page.waitForFunction(holds, argument);
  }

  /** Writes a message, as a person does. */
  async write(text) {
    const field = this.page.getByLabel("Message", { exact: true });
    await field.fill(text);
    await field.press("Enter");
  }
}

/** Holds back what the server answers to such a request for messages, from when it has, until it is let through. */
export async function hold(page, matches) {
  let letThrough, tell;
  const gate = new Promise((resolve) => (letThrough = resolve));
  const answered = new Promise((resolve) => (tell = resolve));
  await page.route((url) => url.pathname === "/message", async (route) => {
    if (!matches(route.request())) return route.fallback();
    const answer = await route.fetch();
    tell();
    await gate;
    await route.fulfill({ response: answer });
  });
  return { answered, letThrough };
}
