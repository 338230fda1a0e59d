// The table of nodes. On a phone each row is a card; since the boxes then are no table to the browser, the roles say
// that they are.

import { element, say } from "./elements.js";
import { isLate } from "./summary.js";
import { UNKNOWN, bytes, line, milliseconds, number, seconds } from "./words.js";

const latency = (node) =>
  node.latency ? `${line(milliseconds(node.latency.p50_ms))} / ${line(milliseconds(node.latency.p99_ms))}` : UNKNOWN;

/** The columns after the name: their heads, and what is in them. */
const COLUMNS = [
  ["State", (node) => state(node)[1]],
  ["Up", (node) => line(seconds(node.uptime_seconds + node.silent_seconds))],
  ["Head", (node) => node.head],
  ["Streams", (node) => number(node.streams)],
  ["Sockets", (node) => number(node.sockets)],
  ["Changes/s", (node) => number(node.changes_per_second)],
  ["Deliveries/s", (node) => number(node.deliveries_per_second)],
  ["p50 / p99", latency],
  ["Ring", (node) => line(seconds(node.ring.seconds))],
  ["Memory", (node) => line(bytes(node.resident_bytes))],
  ["Version", (node) => node.version],
];

/** How a node is: how bad that is, and in words. */
function state(node) {
  if (isLate(node)) return ["bad", `silent for ${line(seconds(node.silent_seconds))}`];
  if (node.behind) return ["warn", "may lack changes"];
  if (!node.bus_up) return ["warn", "reads from the log"];
  return ["good", "well"];
}

class Row {
  #name = element("bdi");
  #address = element("span", { class: "address" });
  #leads = element("span", { class: "badge leads", hidden: "" }, "leads");
  #answers = element("span", { class: "badge", hidden: "" }, "answers");
  #cells = COLUMNS.map(([head]) => element("td", { role: "cell", "data-head": head }));

  constructor() {
    const badges = element("span", { class: "badges" }, this.#leads, " ", this.#answers);
    const name = element("th", { scope: "row", role: "rowheader" }, this.#name, " ", badges, " ", this.#address);
    this.element = element("tr", { role: "row" }, name, ...this.#cells);
  }

  show(node, answering) {
    say(this.#name, node.node);
    say(this.#address, node.address);
    this.#leads.hidden = node.leads === null || isLate(node);
    this.#answers.hidden = node.node !== answering;
    COLUMNS.forEach(([, tell], at) => say(this.#cells[at], tell(node)));
    this.#cells[0].className = `state ${state(node)[0]}`;
  }
}

export class Nodes {
  #rows = new Map();
  #body = element("tbody", { role: "rowgroup" });
  #caption = element("caption", {}, "Nodes");

  constructor() {
    const heads = ["Node", ...COLUMNS.map(([head]) => head)];
    const column = (text) => element("th", { scope: "col", role: "columnheader" }, text);
    const head = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads.map(column)));
    const table = element("table", { role: "table" }, this.#caption, head, this.#body);
    const frame = { class: "nodes", role: "region", "aria-label": "Nodes", tabindex: 0 };
    this.element = element("div", frame, table);
  }

  show({ node: answering, nodes }) {
    say(this.#caption, nodes.length === 1 ? "1 node" : `${nodes.length} nodes`);
    const rows = new Map(nodes.map((node) => [node.node, this.#rows.get(node.node) ?? new Row()]));
    for (const node of nodes) rows.get(node.node).show(node, answering);
    const there = [...rows.values()].map((row) => row.element);
    // Rows that stay are left where they are: whoever reads one is not thrown out.
    const shown = this.#body.children;
    const same = there.length === shown.length && there.every((row, at) => row === shown[at]);
    if (!same) this.#body.replaceChildren(...there);
    this.#rows = rows;
  }
}
