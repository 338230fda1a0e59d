// A client that is a program of its own: it is given the address, prints a JSON object a line for all that it is told,
// and ends without a fault when it has given up.

import { spawn } from "node:child_process";

import { Reader } from "./reader.mjs";

export class ProgramReader extends Reader {
  #command;
  #env;
  #process;

  constructor(url, command, env = {}) {
    super(url);
    this.#command = command;
    this.#env = env;
  }

  async start() {
    const [program, ...args] = this.#command;
    const env = { PATH: process.env.PATH, ...this.#env };
    // What it has started itself ends with it: they are a group.
    const child = spawn(program, [...args, this.url], { env, detached: true, stdio: ["ignore", "pipe", "inherit"] });
    this.#process = child;
    const left = () => this.#kill();
    process.once("exit", left);
    child.once("exit", () => process.off("exit", left));
    child.once("error", (error) => this.tell({ type: "error", why: error.message }));
    child.once("close", (code) => this.#process === child && this.tell({ type: "error", code, closed: code === 0 }));
    this.#listen(child.stdout.setEncoding("utf8"));
  }

  async stop() {
    this.#kill();
    this.#process = null;
  }

  /** Not with `readline`, to which U+2028 ends a line. */
  #listen(stdout) {
    const told = this.tell;
    const child = this.#process;
    let rest = "";
    stdout.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      if (this.#process === child) lines.map((line) => JSON.parse(line)).forEach(told);
    });
  }

  #kill() {
    const { pid, exitCode, signalCode } = this.#process ?? {};
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
  }
}
