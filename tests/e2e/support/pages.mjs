// Pages in Chromium.

import { after, before } from "node:test";

import { chromium } from "playwright-core";

/** Our pages come from no address, and so a browser would keep them from those of this machine. */
const ARGS = ["--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"];

/** A browser for the tests of this suite; what is returned opens a page in it, of another kind with Playwright's options. */
export function inBrowser() {
  let browser;
  before(async () => (browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGS })));
  after(() => browser.close());
  return (options) => browser.newPage(options);
}

/** Loads an empty page of the server at this address: one that may call it, and that does not trouble it. */
export async function empty(page, url, load = (place) => page.goto(place)) {
  const place = new URL("/empty", url).href;
  await page.route(place, (asked) => asked.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
  await load(place);
  await page.unroute(place);
}
