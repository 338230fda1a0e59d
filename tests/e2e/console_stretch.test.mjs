// Which messages the console shows, without a browser: its bounds, and what comes in another order than it was written.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

// The page's files have no package that says what they are.
const source = readFileSync(new URL("../../src/api/console/page/room/stretch.js", import.meta.url));
const { MOST, Stretch } = await import(`data:text/javascript;base64,${source.toString("base64")}`);

/** A screen that only knows which rows are on it. */
class Screen {
  rows = [];

  write(change) {
    change();
  }

  put({ id }, next) {
    this.drop(id);
    const at = next === undefined ? this.rows.length : this.rows.indexOf(next);
    assert.notEqual(at, -1, `${next} is there`);
    this.rows.splice(at, 0, id);
  }

  drop(id) {
    this.rows = this.rows.filter((other) => other !== id);
  }
}

/** A message; four of them share an instant, as those of one transaction do. */
function message(id, content = "") {
  const seconds = new Date(Math.floor(id / 4) * 1000).toISOString();
  return { id, content, created_date: seconds.replace("Z", "000Z") };
}

const range = (from, to) => Array.from({ length: to - from }, (_, at) => from + at);

/** A page of these messages, newest first. */
function page(from, to) {
  return { messages: range(from, to).reverse().map((id) => message(id)), next_cursor: from > 0 ? `before ${from}` : null };
}

const written = (id) => ({ type: "new_message", data: message(id) });
const deleted = (id) => ({ type: "deleted_message", data: message(id) });

/** A stretch that begins with these messages. */
function begun(from, to) {
  const screen = new Screen();
  const stretch = new Stretch(screen);
  stretch.begin(page(from, to));
  return { screen, stretch };
}

describe("the stretch of messages that is shown", () => {
  it("is in the order of pages, whatever comes when and how often", () => {
    const { screen, stretch } = begun(100, 103);
    for (const id of [104, 105, 103, 105, 101]) stretch.apply(written(id));
    stretch.apply(deleted(104));
    stretch.apply(deleted(104));
    assert.deepEqual(screen.rows, [100, 101, 102, 103, 105]);
  });

  it("leaves what is older than all of it to the page that has it", async () => {
    const { screen, stretch } = begun(100, 103);
    stretch.apply(written(98));
    assert.deepEqual(screen.rows, [100, 101, 102]);
    await stretch.extend(async () => page(90, 100));
    assert.deepEqual(screen.rows, range(90, 103));
  });

  it("takes a page under way for what it is when all has been deleted meanwhile", async () => {
    const { screen, stretch } = begun(100, 103);
    await stretch.extend(async () => {
      stretch.apply({ type: "truncated", data: {} });
      stretch.apply(written(200));
      return page(90, 100);
    });
    assert.deepEqual(screen.rows, [200]);
    assert.equal(stretch.cursor, null);
  });

  it("begins anew with what came while the newest page was under way", async () => {
    const { screen, stretch } = begun(100, 103);
    await stretch.renew(async () => {
      stretch.apply(deleted(109));
      stretch.apply(written(111));
      return page(105, 111);
    });
    assert.deepEqual(screen.rows, [105, 106, 107, 108, 110, 111]);
  });

  it("has a bound: scrolled back further it ends before the newest, and those that come are told apart", async () => {
    const { screen, stretch } = begun(MOST + 150, MOST + 200);
    let from = MOST + 150;
    while (from > 100) {
      await stretch.extend(async () => page(from - 100, from));
      from -= 100;
    }
    assert.deepEqual(screen.rows, range(from, from + MOST));
    assert.equal(stretch.atHead, false);
    assert.equal(stretch.apply(written(MOST + 200)), true);
    assert.deepEqual(screen.rows, range(from, from + MOST));
    await stretch.renew(async () => page(MOST + 151, MOST + 201));
    assert.deepEqual([screen.rows, stretch.atHead], [range(MOST + 151, MOST + 201), true]);
  });

  it("is short where nobody looks further up, and goes on above with the first that is left", () => {
    const { screen, stretch } = begun(0, 50);
    for (let id = 50; id < 3_000; id++) {
      stretch.apply(written(id));
      stretch.trim({ following: true, above: false });
    }
    assert.ok(screen.rows.length <= 1_500);
    assert.deepEqual(screen.rows, range(screen.rows[0], 3_000));
    const { id, created_date } = message(screen.rows[0]);
    assert.equal(stretch.cursor, `${created_date}_${id}`);
  });

  for (const above of [true, false]) {
    it(`drops what is far from the reader when too much comes: ${above ? "the newest" : "the oldest"}`, () => {
      const { screen, stretch } = begun(0, 50);
      for (let id = 50; id < MOST + 100; id++) stretch.apply(written(id));
      stretch.trim({ following: false, above });
      assert.deepEqual(screen.rows, above ? range(0, MOST) : range(100, MOST + 100));
      assert.equal(stretch.atHead, !above);
    });
  }
});
