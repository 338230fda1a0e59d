// How it stands with the connection, in words.
//
// The line is read out when it changes (role=status), so it changes with the state alone; the position, which goes on
// with each event, stands beside it.

import { button } from "./row.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

const NAMES = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  reset: "Reading anew",
  moving: "Moving on",
  refused: "Not connected",
  offline: "Offline",
};

const RESETS = {
  expired: "what happened meanwhile is older than what the server keeps",
  generation: "the server has begun a new feed",
};

/** Shows states in `place`, an element with `.state`, `.detail` and `.position`. */
export class State {
  #place;
  #acts;

  /** `acts` has `again()` and `settings()`. */
  constructor(place, acts) {
    this.#place = place;
    this.#acts = acts;
  }

  show(state) {
    const [name, detail, buttons] = [NAMES[state.name], this.#detail(state), this.#buttons(state)];
    this.#place.dataset.state = state.name;
    this.#set("state", name);
    this.#set("detail", detail);
    this.#place.querySelector(".acts").replaceChildren(...buttons);
    this.position(state.position);
  }

  position(position) {
    this.#set("position", position ?? "");
  }

  #set(part, text) {
    const place = this.#place.querySelector(`.${part}`);
    if (place.textContent !== text) place.textContent = text;
  }

  #detail({ name, since, position, problem, seconds, resumed, reread, reason, detail }) {
    switch (name) {
      case "live":
        if (reread) return `read anew: ${RESETS[reread] ?? reread}`;
        return resumed ? `resumed at ${position}, nothing missed` : "";
      case "reconnecting":
        return `since ${CLOCK.format(since)}; goes on after ${position}`;
      case "offline":
        return `since ${CLOCK.format(since)}`;
      case "reset":
        return RESETS[reason] ?? reason;
      case "moving":
        return detail;
      case "refused":
        return seconds ? `${problem.message}; trying again in ${Math.ceil(seconds)} s` : problem.message;
      default:
        return "";
    }
  }

  #buttons({ name, problem }) {
    if (name !== "refused" && name !== "offline") return [];
    const settings = problem?.status === 401 || problem?.status === 403;
    return [button("Try again", this.#acts.again), ...(settings ? [button("Settings", this.#acts.settings)] : [])];
  }
}
