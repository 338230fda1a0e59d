// What is on the screen of a console's room, beside what the server says of it.

import { randomUUID } from "node:crypto";

import { psql } from "./cluster.mjs";

/** Notes the states that the room's connection passes through; to be given to `Console.open` as `prepare`. */
export async function noteStates(page) {
  await page.addInitScript(() => {
    window.states = [];
    const note = () => {
      const state = document.getElementById("room")?.dataset.state;
      if (state && state !== window.states.at(-1)) window.states.push(state);
    };
    new MutationObserver(note).observe(document, { subtree: true, attributeFilter: ["data-state"] });
  });
}

/** Those states. */
export function states(one) {
  return one.page.evaluate(() => window.states);
}

/** Waits until the screen has exactly the messages that the server has, once each, in its order. */
export async function agrees(one, node, room) {
  await settled(one);
  const messages = await all(node, room);
  await one.shows(messages.map(({ content }) => content));
  await one.until((ids) => {
    const rows = [...document.querySelectorAll("#room li.message:not(.gone)")];
    return rows.map((row) => row.dataset.id).join() === ids;
  }, messages.map(({ id }) => id).join());
  return messages;
}

/** Waits until nothing is on its way, and sends again what may not have arrived, as a person does. */
export async function settled(one) {
  const again = one.page.locator("#room li.message").getByRole("button", { name: "Try again" });
  for (;;) {
    await one.until(() => {
      const rows = [...document.querySelectorAll("#room li.message:not(.gone)")];
      return rows.every((row) => row.dataset.id) || rows.some((row) => /bad/.test(row.querySelector(".mark").dataset.kind));
    });
    if ((await again.count()) === 0) return;
    await again.first().click();
  }
}

/** All messages of a room, oldest first, as `GET /message` has them. */
export async function all(node, room, headers = {}) {
  const messages = [];
  let cursor = "";
  do {
    const page = await node.send("GET", `/message?room=${room}&limit=100${cursor}`, undefined, headers);
    messages.push(...page.messages);
    cursor = page.next_cursor && `&cursor=${encodeURIComponent(page.next_cursor)}`;
  } while (cursor);
  return messages.reverse();
}

/** Writes messages with these numbers by SQL, in one transaction, as who needs no node; a minute lies between two. */
export function insert(room, from, to, database = process.env.DATABASE_URL) {
  const statement = `insert into messages (room, content, sender_id, created_date)
    select '${room}', 'number ' || n, '${randomUUID()}', now() - interval '30 days' + n * interval '1 minute'
    from generate_series(${from}, ${to}) n`;
  return psql(database, statement);
}
