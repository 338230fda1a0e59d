// The page at /docs, as somebody uses it who tries the calls.

import { Watched } from "./watched.mjs";

/** What Chromium says of every answer that is no success. */
const REFUSED = "Failed to load resource: the server responded with a status of";

export class Docs extends Watched {
  /** What went wrong: calls to other servers, errors on the console (so breaches of the policy), exceptions. */
  wrong = [];
  /** What was asked for and was ended before its answer. */
  ended = [];

  static async open(t, page, url, fragment = "") {
    t.after(() => page.close());
    const docs = new Docs();
    Object.assign(docs, { page, url });
    await page.route("**", (route) => docs.#let(route));
    page.on("console", (said) => said.type() === "error" && docs.#log(said.text()));
    page.on("pageerror", (error) => docs.wrong.push(`${error}`));
    page.on("requestfailed", (request) => docs.#end(request));
    await page.goto(`${url}/docs${fragment}`);
    await page.locator(".opblock").first().waitFor();
    return docs;
  }

  seen() {
    return this.wrong;
  }

  #let(route) {
    const asked = route.request().url();
    if (asked.startsWith(`${this.url}/`)) return route.continue();
    this.wrong.push(`asks for ${asked}`);
    return route.abort();
  }

  #log(text) {
    if (!text.startsWith(REFUSED)) this.wrong.push(text);
  }

  #end(request) {
    this.ended.push(request.url());
    this.changed();
  }

  /** Gives a token, under the name that the document has for the kind of it. */
  async authorize(kind, token) {
    await this.page.locator(".scheme-container .authorize").click();
    const form = this.page.locator(".auth-container", { hasText: kind, has: this.page.locator("input") }).first();
    await form.locator("input").fill(token);
    await form.locator("button.authorize").click();
    await this.page.locator(".btn-done").first().click();
  }

  /** The call that the page was opened at. */
  async unfolded() {
    const block = this.page.locator(".opblock.is-open");
    await block.locator(".execute").waitFor();
    return new Call(block);
  }

  /** One of the calls, unfolded. */
  async call(method, path) {
    const place = this.page.locator(`[data-path="${path}"]`);
    const block = this.page.locator(`.opblock-${method}`).filter({ has: place });
    await block.locator(".opblock-summary-control").click();
    await block.locator(".execute").waitFor();
    return new Call(block);
  }
}

class Call {
  #block;

  constructor(block) {
    this.#block = block;
    this.answer = block.locator(".live-responses-table .response");
    this.text = this.answer.locator(".highlight-code .microlight").first();
    this.curl = block.locator(".curl-command");
    this.duration = this.answer.getByText("Request duration");
    this.link = block.locator(".opblock-summary-path a");
    this.stop = block.getByRole("button", { name: "Stop", exact: true });
  }

  async fill(name, value) {
    const row = this.#block.locator(`tr[data-param-name="${name}"]`).first();
    const add = row.locator(".json-schema-form-item-add");
    if (await add.count()) await add.click();
    await row.locator("input").first().fill(value);
  }

  fold() {
    return this.#block.locator(".opblock-summary-control").click();
  }

  /** Asks for this type of answer. */
  accept(type) {
    return this.#block.locator(".responses-wrapper select.content-type").first().selectOption(type);
  }

  /** Fills in the body. */
  write(body) {
    return this.#block.locator("textarea").fill(JSON.stringify(body));
  }

  /** Clears what is there, and executes. */
  async execute() {
    await this.clear();
    await this.again();
  }

  again() {
    return this.#block.locator(".execute").click();
  }

  async clear() {
    const clear = this.#block.locator(".btn-clear");
    if (await clear.count()) await clear.click();
    await this.answer.waitFor({ state: "detached" });
  }

  /** The status of the answer, when it is whole. */
  async status() {
    await this.answer.waitFor();
    await this.stop.waitFor({ state: "detached" });
    return (await this.answer.locator(".response-col_status").innerText()).trim();
  }

  /** Waits until this stands in the answer. */
  shows(text) {
    return this.text.getByText(text).first().waitFor();
  }
}
