// The examples as programs: they are started by the very commands of their README, with other addresses.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

import { Watched, soon } from "./watched.mjs";

/** Where the commands are to be run. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const BLOCK = /<!-- test: (.+) -->\n```sh\n([\s\S]*?)```/g;

const README = readFileSync(`${ROOT}examples/README.md`, "utf8");

const COMMANDS = new Map([...README.matchAll(BLOCK)].map(([, name, command]) => [name, command]));

/** How many blocks there are that anyone would take for commands. */
export const BLOCKS = README.match(/^```sh$/gm).length;

const started = new Set();

/** The names of all commands, and of those that were started. */
export const names = () => [[...COMMANDS.keys()], [...started]];

/** A program that was started by a command of the README; it ends with the test or suite `t`. */
export class Program extends Watched {
  /** The lines that it has written so far, of both outputs. */
  out = [];
  err = [];
  /** The line of its output that is not whole yet. */
  begun = "";
  #child;

  /** Starts a command, with this text in the place of that. */
  static start(name, changes, env = {}, t) {
    const program = new Program();
    started.add(name);
    const command = Object.entries(changes).reduce((text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`the command has no ${from}: ${text}`);
      return text.replaceAll(from, to);
    }, COMMANDS.get(name));
    // A group of its own, since a shell may stand before it; and some end when nobody could type any more.
    const options = { cwd: ROOT, env: { ...process.env, ...env }, stdio: "pipe", detached: true };
    program.#child = spawn("bash", ["-ec", command], options);
    program.#read("stdout", (text) => (program.begun = lines(program.begun + text, program.out)));
    let begun = "";
    program.#read("stderr", (text) => (begun = lines(begun + text, program.err)));
    program.ended = once(program.#child, "close").then(([status]) => (program.status = status));
    t?.after(() => program.kill());
    return program;
  }

  #read(output, take) {
    this.#child[output].setEncoding("utf8").on("data", (text) => {
      take(text);
      this.changed();
    });
  }

  seen() {
    return { out: this.out.slice(-20), err: this.err.slice(-20) };
  }

  /** Reads nothing more of its output: when the pipe is full, it waits. */
  hold() {
    this.#child.stdout.pause();
  }

  /** Reads on. */
  release() {
    this.#child.stdout.resume();
  }

  /** Its output, a JSON a line. */
  told() {
    return this.out.map((line) => JSON.parse(line));
  }

  /** Ends it, in the middle of what it does. */
  async kill(signal = "SIGKILL") {
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(-this.#child.pid, signal);
    await soon("the program ends", this.ended, () => this.seen());
  }

  /** Waits until it has ended well. */
  async succeeded() {
    await soon("the program ends", this.ended, () => this.seen());
    if (this.status !== 0) throw new Error(`it ended with ${this.status}: ${this.err.join("\n")}`);
  }
}

/** Adds what is whole of the text, and returns the rest. */
function lines(text, whole) {
  const parts = text.split("\n");
  const rest = parts.pop();
  whole.push(...parts);
  return rest;
}

/** What `make run` starts, with servers of its own: its addresses, and how it is ended. */
export async function run(origins) {
  const place = await mkdtemp(`${tmpdir()}/rowcast-examples-`);
  const changes = {
    "http://localhost:8080": origins.join(","),
    "make run": `exec "$ROWCAST" dev --dir "${place}/dev" --port 0`,
  };
  const program = Program.start("run", changes, { LOG: "error", RETRY: "100ms", DRAIN: "100ms" });
  await program.until("the server listens", () => program.out.some((line) => line.startsWith("Ctrl-C")));
  const after = (begin) => program.out.find((line) => line.startsWith(begin)).slice(begin.length);
  return {
    place,
    port: Number(new URL(after("listening on ")).port),
    DATABASE_URL: after("  database  psql "),
    REDIS_URL: after("  redis     redis-cli -u "),
    async stop() {
      await program.kill("SIGTERM");
      await rm(place, { recursive: true });
    },
  };
}

/** A port that nobody listens at. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}
