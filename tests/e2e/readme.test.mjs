// The README says of each client what the tests hold it to.
//
// Run with UPDATE_GOLDEN=1 to write the table.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { it } from "node:test";

import { CLIENTS } from "./support/readers.mjs";

const README = file("../../README.md");
const PLACE = /(<!-- readers -->\n)[^]*(<!-- \/readers -->)/;

/** Of each row who does it, or that all of them do. Each row is a test with each client, or several. */
const ROWS = {
  "is told all, once, in order; a megabyte in one event, and bytes that come one by one": "all",
  "is told `bye`, `reset`, and what comes after it": "all",
  "is kept open by keep-alives, and takes none for an event": "all",
  "comes back with its last id: on any node, after a cut anywhere in an event": "returns",
  "keeps that id through a connection that brought none (sessions)": "remembers",
  "takes an `id:` that comes without an event (other rooms have moved on)": "moves",
  "waits as long as `retry:` says": "waits",
  "gives up at 204, 401, 403, 422 and 429": "stops",
  "shows comments": "shows",
};

/** The versions that are fixed, and where. */
const VERSIONS = {
  "npm's `eventsource`": [file("package.json"), /"eventsource": "(.*)"/],
  "Python's `httpx-sse`": [file("../../Makefile"), /httpx-sse==(\S+)/],
  "Rust's `eventsource-client`": [file("readers/rust/Cargo.toml"), /^eventsource-client = "=(.*)"/m],
};

it("the README says which client does what", () => {
  const text = readFileSync(README, "utf8");
  const right = text.replace(PLACE, (_, begin, end) => begin + table() + end);
  if (process.env.UPDATE_GOLDEN) writeFileSync(README, right);
  else assert.equal(text.match(PLACE)?.[0], right.match(PLACE)?.[0], "write it with UPDATE_GOLDEN=1");
  assert.match(text, PLACE);
});

function table() {
  const head = ["", ...CLIENTS.map(({ name }) => [name, version(name)].join(" ").trim())];
  const rows = Object.entries(ROWS).map(([what, key]) => [what, ...CLIENTS.map(({ does }) => cell(does, key))]);
  return [head, head.map((_, at) => (at === 0 ? "---" : ":---:")), ...rows].map(line).join("");
}

function cell(does, key) {
  if (key === "all") return "yes";
  return { itself: "yes", loop: "your loop" }[does[key]] ?? "no";
}

function line(cells) {
  return `| ${cells.join(" | ")} |\n`.replace("|  |", "| |");
}

function version(name) {
  if (!(name in VERSIONS)) return "";
  const [path, pattern] = VERSIONS[name];
  return readFileSync(path, "utf8").match(pattern)[1];
}

function file(path) {
  return new URL(path, import.meta.url);
}
