// The rooms there are, with their last messages: by name, as the server has them, a page at a time. Any other name is a
// room too, which begins when somebody writes into it.

import { Problem, address, ask } from "../api.js";

/** Rooms in a page. */
const PAGE = 30;

/** How often the list is read again while it is looked at. */
const EVERY = 20_000;

/** How long after the last key a search is asked for. */
const PAUSE = 250;

const NAME = /^[A-Za-z0-9_.:@-]{1,64}$/;

/** What was shown last, and how far it was scrolled: to be there at once when another room is opened. */
const last = { prefix: "", rooms: [], cursor: null, top: 0 };

export class Rooms {
  #place;
  #room;
  #leaving;
  #asked = null;

  /** `place` is a `nav` with a form, a list and `.more`. */
  constructor(place, room, leaving) {
    [this.#place, this.#room, this.#leaving] = [place, room, leaving];
    const [form, more] = [place.querySelector("form"), place.querySelector(".more")];
    form.elements.name.value = last.prefix;
    let timer;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#read(), PAUSE);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = form.elements.name.value.trim();
      if (NAME.test(name)) location.hash = hash(name);
    });
    more.addEventListener("click", () => this.#read(last.cursor));
    const again = setInterval(() => document.hidden || last.rooms.length > PAGE || this.#read(), EVERY);
    leaving.addEventListener("abort", () => {
      clearInterval(again);
      last.top = place.scrollTop;
    });
    this.#show();
    place.scrollTop = last.top;
    reveal(place);
    // After this, the list is its reader's own to scroll.
    this.#read().then(() => reveal(place));
  }

  async #read(cursor = null) {
    this.#asked?.abort();
    this.#asked = new AbortController();
    const signal = AbortSignal.any([this.#asked.signal, this.#leaving]);
    const prefix = this.#place.querySelector("form").elements.name.value.trim();
    if (prefix !== "" && !NAME.test(prefix)) return this.#say("Names are made of A–Z a–z 0–9 _ . : @ -");
    try {
      const { data } = await ask(address("room", { limit: PAGE, prefix, cursor }), { signal });
      const before = cursor ? last.rooms : [];
      Object.assign(last, { prefix, rooms: [...before, ...data.rooms], cursor: data.next_cursor });
      this.#show();
    } catch (problem) {
      if (problem instanceof Problem) this.#say(`The rooms could not be read: ${problem.message}.`);
      else if (!signal.aborted) throw problem;
    }
  }

  #show() {
    const focused = this.#place.querySelector("ul").contains(document.activeElement) && document.activeElement.hash;
    this.#place.querySelector("ul").replaceChildren(...last.rooms.map((room) => this.#entry(room)));
    if (focused) this.#place.querySelector(`ul a[href="${CSS.escape(focused)}"]`)?.focus();
    this.#place.querySelector(".more").hidden = last.cursor === null;
    const { prefix, rooms } = last;
    const fresh = NAME.test(prefix) && !rooms.some(({ room }) => room === prefix);
    this.#say(fresh ? `Enter opens the new room “${prefix}”.` : "");
  }

  #entry({ room, messages, last_message: { content } }) {
    const entry = document.getElementById("room-entry").content.firstElementChild.cloneNode(true);
    const link = entry.querySelector("a");
    link.href = hash(room);
    if (room === this.#room) link.setAttribute("aria-current", "page");
    entry.querySelector(".room-name").textContent = room;
    entry.querySelector(".number").textContent = messages.toLocaleString();
    entry.querySelector(".number").title = `${messages.toLocaleString()} messages`;
    entry.querySelector(".last").textContent = content.slice(0, 120);
    return entry;
  }

  #say(words) {
    this.#place.querySelector(".words").textContent = words;
  }
}

/** Scrolls the list to the room that is open. */
export function reveal(place) {
  place.querySelector("a[aria-current]")?.scrollIntoView({ block: "nearest" });
}

export function hash(room) {
  return `#/room/${encodeURIComponent(room)}`;
}
