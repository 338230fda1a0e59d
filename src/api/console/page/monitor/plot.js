// A small plot of the last two minutes that moves: lines over time, the newest at the right end.
//
// It is drawn in coordinates of its own, which are stretched to the place it has. Whoever points at it, or comes to it by
// keyboard, is told what was then. To a screen reader it is a slider through time: a picture could not be asked, and a
// live region would never be silent.

import { drawn, element, say } from "./elements.js";
import { SPAN } from "./history.js";

const [WIDTH, HEIGHT, STEP] = [1200, 100, 1000];
const ARROWS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
const KEYS = { ...ARROWS, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** The next round number: where a scale may end. */
function ceiling(most, least) {
  const value = Math.max(most, least);
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value) * power;
}

export class Plot {
  #history;
  #tell;
  #least;
  #lines = drawn("g");
  #mark = drawn("line", { class: "mark", y1: 0, y2: HEIGHT });
  #top = element("span", { class: "top", "aria-hidden": "true" });
  #note = element("span", { class: "note", "aria-hidden": "true", hidden: "" });
  /** The point that is looked at; the newest, if none is chosen. */
  #chosen = null;
  #looked = false;
  #now = 0;

  /** `tell(values)` says them in words; `least` is the smallest scale. */
  constructor(name, history, tell, least) {
    [this.#history, this.#tell, this.#least] = [history, tell, least];
    this.#mark.style.display = "none";
    const stretched = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" };
    const picture = drawn("svg", { ...stretched, "aria-hidden": "true" }, this.#lines, this.#mark);
    const range = { "aria-valuemin": -SPAN / STEP, "aria-valuemax": 0, "aria-valuenow": 0 };
    const role = { role: "slider", tabindex: 0, "aria-label": `${name} in the last two minutes`, ...range };
    this.element = element("div", { class: "plot", ...role }, picture, this.#top, this.#note);
    const listen = (event, react) => this.element.addEventListener(event, react);
    listen("pointermove", (event) => this.#point(event));
    listen("pointerleave", () => this.#leave());
    listen("focus", () => this.#look());
    listen("blur", () => this.#leave());
    listen("keydown", (event) => this.#press(event));
  }

  /** Draws what there is now. */
  draw(now) {
    this.#now = now;
    const [, most] = this.#history.extent() ?? [0, 0];
    const top = ceiling(most, this.#least);
    say(this.#top, this.#tell([top], true));
    const place = ([at, value]) => `${this.#x(at).toFixed(1)} ${(HEIGHT * (1 - (0.94 * value) / top)).toFixed(1)}`;
    const lines = this.#history.points.at(-1)?.values.length ?? 0;
    const paths = Array.from({ length: lines }, (_, line) => {
      const drawing = (points) => ({ points, d: `M${points.map(place).join("L")}` });
      const stretches = this.#history.stretches(line).map(drawing);
      const close = ({ points, d }) => `${d}V${HEIGHT}H${this.#x(points[0][0]).toFixed(1)}Z`;
      const area = drawn("path", { class: `area line-${line}`, d: stretches.map(close).join("") });
      return [area, drawn("path", { class: `line line-${line}`, d: stretches.map(({ d }) => d).join("") })];
    });
    this.#lines.replaceChildren(...paths.flat());
    // The next figure comes in a second: until then all of it goes on to the left.
    if (!still.matches) {
      const way = [0, (-WIDTH * STEP) / SPAN].map((x) => ({ transform: `translateX(${x}px)` }));
      for (const animation of this.#lines.getAnimations()) animation.cancel();
      this.#lines.animate(way, { duration: STEP, fill: "forwards" });
    }
    if (this.#looked) this.#show();
  }

  #x(at) {
    return WIDTH * (1 - (this.#now - at) / SPAN);
  }

  #point(event) {
    const { left, width } = this.element.getBoundingClientRect();
    const at = this.#now - SPAN * (1 - (event.clientX - left) / width);
    const away = (point) => Math.abs(point.at - at);
    this.#look(this.#history.points.reduce((best, point) => (best && away(best) <= away(point) ? best : point), null));
  }

  #press(event) {
    const step = KEYS[event.key];
    const { points } = this.#history;
    if (step === undefined || !points.length) return;
    event.preventDefault();
    const at = this.#chosen ? points.indexOf(this.#chosen) : points.length - 1;
    const to = Math.min(points.length - 1, Math.max(0, at + step));
    this.#look(to === points.length - 1 ? null : points[to]);
  }

  #look(point = null) {
    [this.#chosen, this.#looked] = [point, true];
    this.#show();
    this.#speak();
  }

  #leave() {
    if (this.element.matches(":focus-visible")) return this.#look();
    [this.#chosen, this.#looked] = [null, false];
    this.#mark.style.display = "none";
    this.#note.hidden = true;
  }

  #seen() {
    if (!this.#history.points.includes(this.#chosen)) this.#chosen = null;
    const point = this.#chosen ?? this.#history.points.at(-1);
    return point && { point, ago: Math.round((this.#now - point.at) / 1000) };
  }

  #show() {
    const seen = this.#seen();
    if (!seen) return;
    const x = Math.max(0, this.#x(seen.point.at));
    for (const end of ["x1", "x2"]) this.#mark.setAttribute(end, x);
    this.#mark.style.display = "";
    say(this.#note, `${this.#tell(seen.point.values)} · ${seen.ago ? `${seen.ago} s ago` : "now"}`);
    this.#note.classList.toggle("left", x < WIDTH / 2);
    this.#note.hidden = false;
  }

  /** Only when somebody comes or moves: what changes by itself is not said. */
  #speak() {
    const [seen, extent] = [this.#seen(), this.#history.extent()];
    if (!seen || !extent) return;
    const between = extent.map((value) => this.#tell([value], true)).join(" and ");
    const when = seen.ago ? `${seen.ago} seconds ago` : `now; in two minutes between ${between}`;
    this.element.setAttribute("aria-valuenow", -Math.min(seen.ago, SPAN / STEP));
    this.element.setAttribute("aria-valuetext", `${this.#tell(seen.point.values)}, ${when}`);
  }
}
