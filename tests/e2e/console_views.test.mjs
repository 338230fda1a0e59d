// Each view of the console by day, by night and on a phone: axe-core finds nothing wrong in it, nothing runs out of it at
// the side, and a picture of it is left in target/screenshots, to be looked at.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";

import { Cluster } from "./support/cluster.mjs";
import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { TALK } from "./support/talk.mjs";

const SECRET = "a secret for these tests only, of 32 bytes and more";

const SHOTS = new URL("../../target/screenshots/", import.meta.url).pathname;

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** With what a page is looked at. */
const LOOKS = {
  light: { ...DESK, colorScheme: "light" },
  dark: { ...DESK, colorScheme: "dark" },
  "phone-light": { ...PHONE, colorScheme: "light" },
  "phone-dark": { ...PHONE, colorScheme: "dark" },
};

describe("the console's views", { concurrency: 2 }, () => {
  const browser = inBrowser();
  const room = `talk-${randomUUID().slice(0, 8)}`;
  let cluster, node, guarded;
  before(async () => {
    mkdirSync(SHOTS, { recursive: true });
    [cluster, guarded] = await Promise.all([Cluster.start(), Node.start({ JWT_SECRET: SECRET })]);
    ({ node } = cluster);
    const people = [randomUUID(), randomUUID(), randomUUID()];
    for (const [at, { content, by, file }] of TALK.entries()) {
      await node.send("POST", "/message", { room, content, file, sender_id: people[by ?? at % 3] });
    }
  });
  after(() => [cluster, guarded].forEach((one) => one.kill()));

  /** A page of this look, which has no message of its own. */
  async function open(t, look, name = room, { url } = node) {
    const one = await Console.open(t, () => browser({ ...LOOKS[look], reducedMotion: "reduce" }), url, name);
    await one.is(url === node.url ? "live" : "refused");
    return one;
  }

  /** Looks at what is there. */
  async function look(one, name) {
    await one.page.screenshot({ path: `${SHOTS}${name}.png`, animations: "disabled" });
    const found = await one.page.evaluate(async () => {
      const { violations } = await window.axe.run({ resultTypes: ["violations"] });
      return violations.map(({ id, impact, help, nodes }) => `${impact} ${id} ${help}: ${nodes.map((one) => one.html.slice(0, 200)).join(" | ")}`);
    });
    assert.deepEqual(found, [], name);
    const wide = await one.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name}: ${wide} pixels are beside the screen`);
  }

  /** How far the words of a row are from its right side. */
  function fromRight(row) {
    return row.evaluate((element) => {
      const words = document.createRange();
      words.selectNodeContents(element.querySelector(".text"));
      return element.getBoundingClientRect().right - words.getBoundingClientRect().right;
    });
  }

  async function ready(one) {
    await one.page.evaluate(AXE);
    return one;
  }

  for (const how of Object.keys(LOOKS)) {
    const phone = how.startsWith("phone");

    it(`are in order: the room, ${how}`, async (t) => {
      const one = await ready(await open(t, how));
      await one.row(TALK.at(-1).content).waitFor();
      for (const short of ["שלום!", "مرحبا"]) assert.ok((await fromRight(one.row(short))) < 20, `${short} is not at the right`);
      await look(one, `room-${how}`);
      await one.page.locator(".presence summary").click();
      await look(one, `presence-${how}`);
      await one.page.keyboard.press("Escape");
      if (phone) {
        await one.page.getByRole("button", { name: "Rooms" }).click();
        await one.page.getByRole("dialog", { name: "Rooms" }).getByText(room).waitFor();
        await look(one, `rooms-${how}`);
        await one.page.getByRole("button", { name: "Close" }).click();
      }
      await one.page.getByRole("button", { name: "Settings" }).first().click();
      await look(one, `settings-${how}`);
    });

    it(`are in order: what is written, ${how}`, async (t) => {
      const one = await ready(await open(t, how, `notes-${randomUUID().slice(0, 8)}`));
      await one.page.getByText("Nobody has written here yet.").waitFor();
      await look(one, `empty-${how}`);
      await one.write("A message that may be changed");
      await one.until(() => document.querySelector("#room li.message[data-id]"));
      await one.row("A message that may be changed").focus();
      const [day, tools] = await Promise.all([".day", ".tools"].map((part) => one.page.locator(`#room li ${part}`).boundingBox()));
      assert.ok(tools.y >= day.y + day.height, "the buttons lie on the day");
      await one.page.keyboard.press("e");
      await one.page.getByLabel("New text of the message").fill("A message that is being changed");
      await look(one, `edit-${how}`);
      await one.page.keyboard.press("Escape");
      await one.page.keyboard.press("Delete");
      await look(one, `delete-${how}`);
      await one.page.keyboard.press("Escape");
      one.expects("net::ERR_FAILED");
      await one.page.route((url) => url.pathname === "/message", (route) => route.abort());
      await one.write("A message that is not sent");
      await one.page.getByText(/^Perhaps not sent/).waitFor();
      await look(one, `failed-${how}`);
    });

    it(`are in order: a room that is refused, ${how}`, async (t) => {
      const one = await ready(await open(t, how, "lobby", guarded));
      one.expects("status of 401");
      await look(one, `refused-${how}`);
    });

    it(`are in order: the monitor, ${how}`, async (t) => {
      const one = await ready(await open(t, how));
      await one.page.goto(`${node.url}/#/monitor`);
      await one.page.locator(".figures").first().waitFor();
      await look(one, `monitor-${how}`);
    });
  }
});
