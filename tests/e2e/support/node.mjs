// The program as a process, and what a writer asks of it.

import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { soon } from "./watched.mjs";

const { ROWCAST, DATABASE_URL, REDIS_URL } = process.env;

/** What is wrong, but not that no token is asked for, nor what this machine might do better. */
const QUIET = "warn,rowcast::app=error,rowcast::edge::descriptors=error";

/** Clients come back at once, and nobody waits long for a node to go. */
const QUICK = { RETRY: "100ms", DRAIN: "100ms" };

/** A running `rowcast serve`; all of them are one cluster. */
export class Node {
  #process;

  static async start(settings = {}) {
    const node = new Node();
    const fixed = { DATABASE_URL, REDIS_URL, HOST: "127.0.0.1", PORT: "0", LOG: QUIET };
    const env = { ...fixed, ...QUICK, ...settings };
    node.#process = spawn(ROWCAST, ["serve"], { env, stdio: ["ignore", "pipe", "inherit"] });
    const killed = () => node.#process.kill("SIGKILL");
    process.once("exit", killed);
    node.#process.once("exit", () => process.off("exit", killed));
    const [line] = await soon("the node listens", once(createInterface(node.#process.stdout), "line"));
    node.url = line.replace("listening on ", "");
    node.port = Number(new URL(node.url).port);
    return node;
  }

  /** Tells it to go, and waits until it has. */
  async stop() {
    if (this.#process.exitCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await soon("the node ends", gone);
  }

  /** Sends JSON, and returns what is answered, which must be a success. */
  async send(method, path, body, headers = {}) {
    const all = { "content-type": "application/json", ...headers };
    const answer = await soon(`${method} ${path}`, fetch(this.url + path, { method, headers: all, body: JSON.stringify(body) }));
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** Posts a message. */
  say(room, content) {
    return this.send("POST", "/message", { room, content, sender_id: randomUUID() });
  }
}

/** A token for all rooms, signed with this secret. */
export function token(secret, lifetime) {
  const rights = ["--sub", randomUUID(), "--read", "*", "--write", "*", "--for", lifetime];
  return execFileSync(ROWCAST, ["token", ...rights], { env: { JWT_SECRET: secret }, encoding: "utf8" }).trim();
}
