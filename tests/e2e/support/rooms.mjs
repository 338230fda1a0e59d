// The pages of the examples: what a person sees in them, and does.

import assert from "node:assert/strict";

import { soon } from "./watched.mjs";

/** Waits until the page is told of changes. */
export const isLive = (page) => page.locator("[role=status]", { hasText: /^live$/ }).waitFor();

/** Waits until the page shows these, and nothing else. */
export async function shows({ page }, texts) {
  const same = (texts) => {
    const there = [...document.querySelectorAll("li")].map((item) => item.textContent);
    return JSON.stringify(there) === JSON.stringify(texts);
  };
  const shown = page.waitForFunction(same, texts);
  await shown.catch(async () => assert.deepEqual(await page.locator("li").allTextContents(), texts));
}

/** What a person does. */
export async function write(page, text) {
  await page.getByLabel("Message").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

/**
 * Answers such requests of a page with what the server says to the first one (React's StrictMode asks twice), but
 * not before `release`. Waiting for `held` is waiting for the server.
 */
export async function hold(page, pattern) {
  let answered, release, answer;
  const held = new Promise((resolve) => (answered = resolve));
  const free = new Promise((resolve) => (release = resolve));
  await page.route(pattern, async (route) => {
    answer ??= route.fetch();
    const response = await answer;
    answered();
    await free;
    await route.fulfill({ response });
  });
  return { held: () => soon("the page asks", held), release };
}
