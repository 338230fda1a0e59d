// What is written to hurt the console stays what it is: text, in its own row.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { texts } from "./support/texts.mjs";

/** Each would call `run()` if it were not text. */
const HOSTILE = [
  `<img src=x onerror="run()">`,
  "<script>run()</script>",
  `</script></li></ol></template><svg onload="run()"><iframe srcdoc="<script>parent.run()</script>">`,
  "javascript:run() [a link](javascript:run()) <a href=\"javascript:run()\">press</a> data:text/html,<script>run()</script>",
  `https://example.com/"onmouseover="run()" http://example.com/'><img/src=x/onerror=run()> https://[::1 http://`,
  "{{constructor.constructor('run()')()}} ${run()} {{cookie}} {{views}} <%= run() %> #{run()}",
  "\\u0000 &#0; %00 \\x00 \u0001\u0008\u001b[2J\u007f \ufffd \ufeff",
  "\u202Egnp.exe esrever \u2066\u2067\u202D\u202B never closed",
  "a\u200B\u200C\u200D\u2060\u00ADb\u034F\u061C\u180E",
  "\uD83D\uDE00\u{E0001}\u{E0041} \u0300alone",
  "javascript://example.com/%0Arun() vbscript://run",
  "__proto__ constructor toString",
  "W".repeat(1_500),
];

/** Ten thousand marks above and below one letter. */
const MARKED = `Z${"\u0301\u0323".repeat(5_000)}`;

const PLAIN = "What stands beside it";

/** All that a room's name may be made of. */
const NAME = `@..:-__proto__.${"W".repeat(49)}`;

describe("a hostile message in the console", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  async function open(t, room = randomUUID()) {
    const one = await Console.open(t, browser, node.url, room, async (page) => {
      await page.exposeFunction("run", () => assert.fail("a message was run"));
      await page.addInitScript(() => {
        const { run } = window;
        window.run = () => ((window.ran = true), run());
      });
      await page.addInitScript(`window.harm = ${harm}`);
      page.on("dialog", () => assert.fail("a dialog was opened"));
    });
    one.room = room;
    await one.is("live");
    return one;
  }

  const write = (room, content, file) => node.send("POST", "/message", { room, content, file, sender_id: randomUUID() });

  /** Nothing of this page ran, became an element that it should not, or lies outside of its row, once all has its place. */
  async function isHarmless(one) {
    const harmless = { ran: false, out: [], foreign: 0, links: 0, wide: 0 };
    const is = (wanted) => JSON.stringify(window.harm()) === wanted;
    await one.until(is, JSON.stringify(harmless)).catch(async () => {
      assert.deepEqual(await one.page.evaluate(() => window.harm()), harmless);
    });
  }

  it("is text, in rows, files and the list of rooms", async (t) => {
    const one = await open(t);
    for (const content of HOSTILE) await write(one.room, content, content.slice(0, 50));
    await one.shows(HOSTILE);
    const files = await one.page.locator("#room .file bdi").allTextContents();
    assert.deepEqual(files, HOSTILE.map((content) => content.slice(0, 50)));
    await isHarmless(one);
    const group = randomUUID();
    for (const [at, content] of HOSTILE.entries()) await write(`${group}.${at}`, content);
    await one.page.getByRole("searchbox").fill(group);
    await one.until((many) => document.querySelectorAll("#room .rooms li").length === many, HOSTILE.length);
    const last = await one.page.locator(".rooms .last").allTextContents();
    assert.deepEqual(new Set(last), new Set(HOSTILE.map((content) => content.slice(0, 120))));
    await isHarmless(one);
  });

  it("is text in a room of any name, and a name that is none is refused in words", async (t) => {
    const room = `${randomUUID().slice(0, 8)}${NAME}`.slice(0, 64);
    const one = await open(t, encodeURIComponent(room));
    await one.write("here");
    await one.page.getByRole("heading", { name: room }).waitFor();
    await one.until(() => document.querySelector("#room li.message[data-id]"));
    await isHarmless(one);
    one.expects("status of 422");
    for (const name of ["<img src=x onerror=run()>", "50%", "a/b#c?d", `"'\u202E`, "%00"]) {
      await one.page.goto(`${node.url}/#/room/${encodeURIComponent(name)}`);
      await one.is("refused");
      assert.equal(await one.page.locator("#room h2").textContent(), name);
      await one.page.getByRole("status").filter({ hasText: /room: / }).waitFor();
      await isHarmless(one);
    }
    // Not escaped as it should be.
    await one.page.goto(`${node.url}/#/room/%E0%A4%A`);
    await one.is("refused");
  });

  it("paints nothing on its neighbours, whatever is piled up in it", async (t) => {
    const one = await open(t);
    const above = await node.say(one.room, `${PLAIN}, above`);
    const { id } = await node.say(one.room, "harmless");
    const below = await node.say(one.room, `${PLAIN}, below`);
    const picture = async ({ content }) => (await one.row(content).screenshot({ animations: "disabled" })).toString("base64");
    await one.row(below.content).waitFor();
    const before = [await picture(above), await picture(below)];
    await node.send("PATCH", `/message/${id}`, { content: MARKED });
    await one.until(() => /\u0301\u0323/.test(document.querySelectorAll("#room .text")[1].textContent));
    assert.deepEqual([await picture(above), await picture(below)], before);
    await isHarmless(one);
  });

  it("is folded when it is a mebibyte in one line, and whole when somebody wants it", async (t) => {
    const one = await open(t);
    const long = "<b>x</b>".repeat(131_072);
    await node.say(one.room, long);
    const shown = () => one.page.locator("#room .text").evaluate((text) => text.textContent.length);
    const button = one.page.getByRole("button", { name: "Show all 1,048,576 characters" });
    await button.waitFor();
    assert.ok((await shown()) < 2_100);
    await isHarmless(one);
    await button.click();
    await one.until((all) => document.querySelector("#room .text").textContent.length >= all, long.length);
    await isHarmless(one);
    await node.say(one.room, "and on");
    await one.row("and on").waitFor({ state: "attached" });
  });

  it("is what was written, in every script", async (t) => {
    const one = await open(t);
    const all = texts();
    for (let from = 0; from < all.length; from += 40) {
      const some = all.slice(from, from + 40);
      for (const content of some) await node.say(one.room, content);
      await one.until((last) => [...document.querySelectorAll("#room li.message .text")].at(-1).textContent === last, some.at(-1));
      assert.deepEqual((await one.texts()).slice(-some.length), some);
    }
    await isHarmless(one);
  });
});

/** What harm has been done in a page. */
function harm() {
  const inside = (outer, { left, right, top, bottom }) =>
    left >= outer.left - 1 && right <= outer.right + 1 && top >= outer.top - 1 && bottom <= outer.bottom + 1;
  const isOut = (row) => {
    const parts = [...row.querySelectorAll(".text, .head, .file, .room-name, .number, .last, a")];
    const shown = parts.map((part) => part.getBoundingClientRect()).filter(({ width, height }) => width > 1 && height > 1);
    return row.scrollWidth > row.clientWidth || shown.some((part) => !inside(row.getBoundingClientRect(), part));
  };
  const rows = [...document.querySelectorAll("#room li.message, #room .rooms li")];
  const foreign = ":is(img, script, iframe, object, embed, [onerror], [onload], [onmouseover])";
  const isBad = ({ protocol, rel }) => !/^https?:$/.test(protocol) || !/noopener/.test(rel);
  const scroller = document.querySelector(".scroller");
  return {
    ran: window.ran ?? false,
    out: rows.filter(isOut).map((row) => row.textContent.slice(0, 100)),
    foreign: document.querySelectorAll(`#room ${foreign}`).length,
    links: [...document.querySelectorAll("#room .text a")].filter(isBad).length,
    wide: scroller.scrollWidth - scroller.clientWidth,
  };
}
