// A cluster of its own: a database beside the others', where a test may do what others must not notice.

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";

import { Node } from "./node.mjs";
import { soon } from "./watched.mjs";

const run = promisify(execFile);

export class Cluster {
  #database;

  /** A new database, and a node on it with these settings. */
  static async start(settings) {
    const cluster = new Cluster();
    const name = `cluster_${randomUUID().replaceAll("-", "")}`;
    await psql(process.env.DATABASE_URL, `create database ${name}`);
    cluster.#database = Object.assign(new URL(process.env.DATABASE_URL), { pathname: name }).href;
    // Its log would tell of what the test does to it.
    const own = { DATABASE_URL: cluster.#database, REDIS_PREFIX: `${name}:`, LOG: "error" };
    cluster.node = await Node.start({ ...own, ...settings });
    return cluster;
  }

  sql(statements) {
    return psql(this.#database, statements);
  }

  /** Where its database is. */
  get database() {
    return this.#database;
  }

  /** Waits until this condition holds in the database, which can only be asked. */
  async until(condition) {
    let late = false;
    const ask = async () => {
      while (!late && (await this.sql(`select ${condition}`)) !== "t") await setTimeout(20);
    };
    await soon(condition, ask()).finally(() => (late = true));
  }

  kill() {
    this.node.kill();
  }
}

/** Runs statements, and returns what they give. */
export async function psql(database, statements) {
  const { stdout } = await run("psql", [database, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statements]);
  return stdout.trim();
}
