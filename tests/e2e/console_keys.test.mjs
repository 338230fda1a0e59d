// The console for who has no mouse, and for who hears it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";

/** More steps than it takes from one end of the page to the other. */
const STEPS = 40;

describe("the console without a mouse", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  const open = (t, room) => Console.live(t, browser, node.url, room);

  /** Presses keys one after the other; the focus is somewhere after each. */
  async function press(one, ...keys) {
    for (const key of keys) {
      await one.page.keyboard.press(key);
      await one.until(() => document.hasFocus() && document.activeElement !== document.body);
    }
  }

  /** Goes on with Tab, or back, until this has the focus. */
  async function tabTo(one, target, key = "Tab") {
    for (let step = 0; step < STEPS; step++) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await press(one, key);
    }
    assert.fail(`${target} cannot be reached with ${key}`);
  }

  const focused = (row) => row.evaluate((element) => element === document.activeElement);

  it("can do all there is to do in a room", async (t) => {
    const [here, there] = [randomUUID(), randomUUID()];
    await node.say(there, "from somebody else");
    const one = await open(t, here);
    const { page } = one;

    await tabTo(one, page.getByRole("searchbox"));
    await page.keyboard.type(there.slice(0, 8));
    const link = page.getByRole("link", { name: there });
    await link.waitFor();
    await tabTo(one, link);
    await press(one, "Enter");
    await page.getByRole("heading", { name: there }).waitFor();
    await one.is("live");
    await one.until(() => document.activeElement !== document.body);

    const field = page.getByLabel("Message", { exact: true });
    await tabTo(one, field);
    await page.keyboard.type("first");
    await press(one, "Enter");
    await page.keyboard.type("secnd");
    await press(one, "Enter");
    assert.ok(await focused(field));
    await one.until(() => document.querySelectorAll("#room li.message[data-id]").length === 3);

    await tabTo(one, one.row("secnd"), "Shift+Tab");
    await press(one, "Home");
    assert.ok(await focused(one.row("from somebody else")));
    await press(one, "ArrowDown");
    assert.ok(await focused(one.row("first")));
    await press(one, "End", "e");
    await page.keyboard.type(" thoughts");
    await press(one, "Escape");
    assert.ok(await focused(one.row("secnd")));
    await press(one, "e", "Control+a");
    await page.keyboard.type("second");
    await press(one, "Enter");
    await one.shows(["from somebody else", "first", "second"]);
    assert.ok(await focused(one.row("second")));

    await press(one, "ArrowUp", "Delete", "Escape");
    assert.ok(await focused(one.row("first")));
    await press(one, "Delete", "Enter");
    await one.shows(["from somebody else", "second"]);
    await one.until(() => document.querySelector("#room li.gone") === null);
    await one.until(() => document.activeElement.matches("li.message"));

    const settings = page.getByRole("button", { name: "Settings" }).first();
    await tabTo(one, settings, "Shift+Tab");
    await press(one, "Enter");
    const dialog = page.getByRole("dialog", { name: "Settings" });
    await tabTo(one, dialog.getByLabel("Sender"));
    await press(one, "Escape");
    assert.ok(await focused(settings));
    await press(one, "Enter");
    await tabTo(one, dialog.getByLabel("Sender"));
    await press(one, "Control+a");
    await page.keyboard.type(randomUUID());
    await press(one, "Enter");
    await dialog.waitFor({ state: "hidden" });
    await one.is("live");
    assert.ok(await focused(settings));
  });

  it("can open a room that there is not yet, and the rooms on a narrow screen", async (t) => {
    const one = await open(t);
    const name = `new-${randomUUID()}`;
    await tabTo(one, one.page.getByRole("searchbox"));
    await one.page.keyboard.type(name);
    await press(one, "Enter");
    await one.page.getByRole("heading", { name }).waitFor();
    await one.page.setViewportSize({ width: 390, height: 844 });
    const opener = one.page.getByRole("button", { name: "Rooms" });
    await opener.focus();
    await press(one, "Enter");
    await tabTo(one, one.page.getByRole("dialog", { name: "Rooms" }).getByRole("button", { name: "Close" }));
    await press(one, "Enter");
    assert.ok(await focused(opener));
  });

  it("is told what is where, and what others write", async (t) => {
    const one = await open(t);
    const room = new URL(one.page.url()).hash.split("/").at(-1);
    await one.page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    await node.say(room, "a message to be heard");
    await one.row("a message to be heard").waitFor();
    await one.page.locator("[aria-live=polite]").getByText(/: a message to be heard$/).waitFor({ state: "attached" });
    const tree = await one.page.locator("body").ariaSnapshot();
    const parts = [
      /- banner:/, /- navigation "Views":/, /- button "Settings"/, /- region "Room":/, /- navigation "Rooms":/,
      /- searchbox "Find or open a room"/, /- status: Live/, /- log "Messages":\n\s+- list:\n\s+- listitem/,
      /- textbox "Message"/, /- button "Send"/, new RegExp(`- heading "${room}" \\[level=2\\]`),
    ];
    for (const part of parts) assert.match(tree, part);
    const row = await one.row("a message to be heard").ariaSnapshot();
    assert.match(row, /strong: \w+ \w+[\s\S]*time: [\s\S]*a message to be heard/);
  });
});
