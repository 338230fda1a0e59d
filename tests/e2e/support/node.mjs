// The program as a process, and what a writer asks of it.

import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { soon } from "./watched.mjs";

const { ROWCAST, DATABASE_URL, REDIS_URL } = process.env;

/** What all nodes of the cluster are set to. */
const COMMON = Object.fromEntries(process.env.SETTINGS.split(" ").map((setting) => setting.split("=")));

/** What is wrong, but not that no token is asked for, nor what this machine might do better. */
const QUIET = "warn,rowcast::app=error,rowcast::edge::descriptors=error";

/** A running `rowcast serve`; all of them are one cluster. */
export class Node {
  #process;

  static async start(settings = {}) {
    const node = new Node();
    const fixed = { DATABASE_URL, REDIS_URL, HOST: "127.0.0.1", PORT: "0", LOG: QUIET };
    const env = { ...fixed, ...COMMON, ...settings };
    node.#process = spawn(ROWCAST, ["serve"], { env, stdio: ["ignore", "pipe", "inherit"] });
    // When a test that failed leaves it behind, it neither keeps this process nor outlives it.
    const left = () => node.kill();
    process.once("exit", left);
    node.#process.once("exit", () => process.off("exit", left));
    node.#process.unref();
    const [line] = await soon("the node listens", once(createInterface(node.#process.stdout), "line"));
    node.#process.stdout.unref();
    node.url = line.replace("listening on ", "");
    node.port = Number(new URL(node.url).port);
    return node;
  }

  /** Tells it to go, and waits until it has. */
  async stop() {
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await soon("the node ends", gone);
  }

  /** Ends it, when it does not matter how. */
  kill() {
    this.#process.kill("SIGKILL");
  }

  /** Sends JSON, and returns what is answered, which must be a success. */
  async send(method, path, body, headers = {}) {
    const request = { method, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
    const answer = await soon(`${method} ${path}`, fetch(this.url + path, request));
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** Posts a message. */
  say(room, content) {
    return this.send("POST", "/message", { room, content, sender_id: randomUUID() });
  }

  /** All messages of a room, oldest first, asked for as clients of Socket.IO do. */
  async history(room) {
    const messages = [];
    let cursor = "";
    do {
      const page = await this.send("GET", `/api/messages?roomId=${room}&limit=100${cursor}`);
      messages.push(...page.messages);
      cursor = page.next_cursor && `&cursor=${encodeURIComponent(page.next_cursor)}`;
    } while (cursor);
    return messages.reverse();
  }
}

/** A token signed with this secret: for all rooms, where nothing else is said. */
export function token(secret, lifetime, { sub = randomUUID(), read = "*", write = "*" } = {}) {
  const rights = ["--sub", sub, "--read", read, "--write", write, "--for", lifetime];
  return execFileSync(ROWCAST, ["token", ...rights], { env: { JWT_SECRET: secret }, encoding: "utf8" }).trim();
}
