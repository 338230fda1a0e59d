// The cards: a large figure each, what belongs to it in a line below, and how it was in the last two minutes.

import { element, say } from "./elements.js";
import { History } from "./history.js";
import { Plot } from "./plot.js";
import { UNKNOWN, bytes, count, line, milliseconds, number, seconds } from "./words.js";

/** What is looked at every second or more often is not said to be so new: the figure would flicker. */
const SOON = 3;

const perSecond = (value) => [number(value), "/s"];
const plain = (value) => [number(value), ""];

/**
 * Of each card: its name; `of`, the values of its plot, the first of which is the large figure; `as`, how they are said;
 * `lines`, what they are called, where there are several; `more`, the line below; `least`, the smallest scale.
 */
const CARDS = {
  changes: {
    title: "Changes",
    of: ({ changes }) => [changes],
    as: perSecond,
    more: ({ posts }) => `${number(posts)}/s posted over HTTP and sockets`,
    least: 5,
  },
  subscribers: {
    title: "Subscribers",
    of: ({ streams, sockets }) => [streams + sockets],
    as: plain,
    more: ({ streams, sockets }) => `${count(streams, "stream")} · ${count(sockets, "socket")}`,
    least: 5,
  },
  deliveries: {
    title: "Deliveries",
    of: ({ deliveries }) => [deliveries],
    as: perSecond,
    more: ({ connections }) => `over ${count(connections, "connection")}`,
    least: 5,
  },
  latency: {
    title: "Commit → socket",
    of: ({ latency }) => [latency?.p50_ms ?? null, latency?.p99_ms ?? null],
    as: milliseconds,
    lines: ["p50", "p99"],
    more: ({ latency }) => {
      if (!latency) return "no change in the last ten seconds";
      const where = latency.stage === "node" ? "up to the node: no stream is timed" : count(latency.samples, "sample");
      return `p99 ${line(milliseconds(latency.p99_ms))} · ${where}`;
    },
    least: 5,
  },
  lag: {
    title: "Relay lag",
    of: ({ relay }) => [relay.lag_changes],
    as: (value) => [number(value), value === 1 ? "change" : "changes"],
    more: ({ relay: { lag_seconds: ago } }) => {
      if (ago === null) return "the leader has not told";
      return ago < SOON ? "Redis has all, or is about to" : `Redis last had all ${line(seconds(ago))} ago`;
    },
    least: 5,
  },
  ring: {
    title: "Ring span",
    of: ({ ring }) => [ring?.seconds ?? null],
    as: seconds,
    more: ({ ring }) => (ring ? `${count(ring.changes, "change")} · ${line(bytes(ring.bytes))} in memory` : "no node tells"),
    least: 10,
  },
  log: {
    title: "Log span",
    of: ({ log }) => [log?.oldest_seconds ?? null],
    as: seconds,
    more: ({ log }) => {
      if (!log) return "PostgreSQL does not answer";
      return `${count(log.changes, "change")} · ${line(bytes(log.bytes))} in PostgreSQL`;
    },
    least: 10,
  },
};

class Card {
  #card;
  #history = new History();
  #plot;
  #figure = element("p", { class: "figure" });
  #more = element("p", { class: "more" });

  constructor(name, card) {
    this.#card = card;
    const heading = element("h3", { id: `monitor-${name}` }, card.title);
    const tell = (values, scale) => this.#tell(values, scale);
    this.#plot = new Plot(card.title, this.#history, tell, card.least);
    const parts = [heading, this.#figure, this.#more, this.#plot.element];
    this.element = element("article", { class: "gauge", "data-card": name, "aria-labelledby": heading.id }, ...parts);
  }

  /** Values in words; of a scale the number alone. */
  #tell(values, scale = false) {
    const { as, lines = [] } = this.#card;
    const told = values.map((value, at) => line([...(scale || !lines.length ? [] : [lines[at]]), ...as(value)]));
    return told.join(", ").replaceAll(" /s", "/s");
  }

  show(now, summary) {
    const { of, as, more, lines = [] } = this.#card;
    const values = of(summary);
    this.#history.add(now, values);
    say(this.#more, more(summary));
    const parts = [...as(values[0])];
    if (lines.length && parts[0] !== UNKNOWN) parts.push(parts.pop() + ` ${lines[0]}`);
    const spans = parts.map((part, at) => element("span", { class: at % 2 ? "unit" : "number" }, part));
    const figure = spans.flatMap((span) => [span, " "]).slice(0, -1);
    if (line(parts) !== this.#figure.textContent) this.#figure.replaceChildren(...figure);
    this.#figure.classList.toggle("unknown", parts[0] === UNKNOWN);
    this.#plot.draw(now);
  }
}

/** Who leads, for how long, and when it was heard: a card without a plot. */
class Leader {
  #name = element("bdi", { class: "leader" });
  #since = element("p", { class: "more" });
  #sign = element("p", { class: "more" });
  #given = element("span", { class: "place" });
  #published = element("span", { class: "place" });
  #head = element("p", { class: "more" }, "gave position ", this.#given, ", and Redis has ", this.#published);

  constructor() {
    const heading = element("h3", { id: "monitor-leader" }, "Leader");
    const parts = [heading, element("p", { class: "figure" }, this.#name), this.#since, this.#sign, this.#head];
    this.element = element("article", { class: "gauge", "data-card": "leader", "aria-labelledby": heading.id }, ...parts);
  }

  show(_, { relay }) {
    say(this.#name, relay.leader ?? "nobody");
    const { leading_seconds: since, leader_seconds: sign } = relay;
    say(this.#since, since === null ? "has not said since when" : `for ${line(seconds(since))}`);
    say(this.#sign, sign < SOON ? "gives signs of life" : `no sign of life for ${line(seconds(sign))}`);
    this.#sign.hidden = sign === null;
    this.#sign.classList.toggle("bad", sign >= SOON);
    say(this.#given, relay.head ?? "");
    say(this.#published, relay.published ?? "none");
    this.#head.hidden = relay.head === null;
  }
}

/** All cards. */
export class Cards {
  #cards = [...Object.entries(CARDS).map(([name, card]) => new Card(name, card)), new Leader()];
  element = element("div", { class: "gauges" }, ...this.#cards.map((card) => card.element));

  show(now, summary) {
    for (const card of this.#cards) card.show(now, summary);
  }
}
