// Who one is to the server, in the console: tokens that are missing, too narrow or over, and senders where none is asked.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node, token } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";

const SECRET = "a secret for these tests only, of 32 bytes and more";

describe("the console and who one is", () => {
  const browser = inBrowser();
  let guarded, free;
  before(async () => {
    const settings = { JWT_SECRET: SECRET, JWT_LEEWAY: "0s" };
    [guarded, free] = await Promise.all([Node.start(settings), Node.start()]);
  });
  after(() => [guarded, free].forEach((node) => node.kill()));

  /** A page of a room of its own; it is not allowed all that it asks for. */
  async function open(t, node = guarded, room = randomUUID()) {
    const one = await Console.open(t, browser, node.url, room);
    one.expects("status of 401");
    one.expects("status of 403");
    return one;
  }

  /** Gives the page a token, as a person does. */
  async function give(one, value) {
    await one.page.getByRole("button", { name: "Settings" }).first().click();
    const dialog = one.page.getByRole("dialog", { name: "Settings" });
    await dialog.getByLabel("Token", { exact: true }).fill(value);
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "hidden" });
  }

  /** Somebody else writes. */
  function say(room, content) {
    const sub = randomUUID();
    const headers = { authorization: `Bearer ${token(SECRET, "1h", { sub })}` };
    return guarded.send("POST", "/message", { room, content, sender_id: sub }, headers);
  }

  const status = (one, words) => one.page.getByRole("status").filter({ hasText: words }).waitFor();

  it("says that a token is needed, and with one follows and writes in its name", async (t) => {
    const one = await open(t);
    await one.is("refused");
    await status(one, /token/i);
    const sub = randomUUID();
    await give(one, token(SECRET, "1h", { sub }));
    await one.is("live");
    await say(one.room, "hello");
    await one.shows(["hello"]);
    await one.write("in whose name?");
    await one.until(() => document.querySelectorAll("#room li.message[data-id]").length === 2);
    const { messages } = await guarded.send("GET", `/message?room=${one.room}`, undefined, {
      authorization: `Bearer ${token(SECRET, "1h")}`,
    });
    assert.equal(messages[0].sender_id, sub);
    await one.row("in whose name?").getByText("You", { exact: true }).waitFor();
    await one.page.getByRole("button", { name: "Settings" }).first().click();
    await one.page.getByText(`There is a token of ${sub}`).waitFor();
    await one.page.getByRole("button", { name: "Remove the token" }).click();
    await one.is("refused");
  });

  it("says in words what a token that may only read is refused", async (t) => {
    const one = await open(t);
    await give(one, token(SECRET, "1h", { write: "elsewhere" }));
    await one.is("live");
    await one.write("may I?");
    await one.row("may I?").getByText(/^Not sent: .*(write|allow)/i).waitFor();
    assert.deepEqual(await one.ids(), [null]);
  });

  it("says in words that a token is of another room", async (t) => {
    const one = await open(t);
    await give(one, token(SECRET, "1h", { read: "another", write: "another" }));
    await one.is("refused");
    await status(one, /(allow|may|read|room)/i);
    await one.page.getByRole("button", { name: "Settings" }).nth(1).waitFor();
  });

  it("says when the token has expired, and goes on with another from where it was", async (t) => {
    const one = await open(t);
    await give(one, token(SECRET, "4s"));
    await one.is("live");
    await say(one.room, "before");
    await one.shows(["before"]);
    await one.is("refused");
    await status(one, /expired/);
    await say(one.room, "meanwhile");
    await give(one, token(SECRET, "1h"));
    await one.is("live");
    await say(one.room, "afterwards");
    await one.shows(["before", "meanwhile", "afterwards"]);
  });

  it("writes in the name that it is told, where no token is asked for", async (t) => {
    const one = await open(t, free);
    await one.is("live");
    await one.page.getByRole("button", { name: "Settings" }).click();
    const dialog = one.page.getByRole("dialog", { name: "Settings" });
    await dialog.getByLabel("Sender").fill("nobody");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByRole("alert").getByText("A sender is a UUID").waitFor();
    const sender = randomUUID();
    await dialog.getByLabel("Sender").fill(sender);
    await dialog.getByRole("button", { name: "Save" }).click();
    await one.is("live");
    await one.write("it is me");
    await one.until(() => document.querySelector("#room li.message[data-id]"));
    const { messages } = await free.send("GET", `/message?room=${one.room}`);
    assert.equal(messages[0].sender_id, sender);
    await one.page.reload();
    await one.row("it is me").getByText("You", { exact: true }).waitFor();
  });
});
