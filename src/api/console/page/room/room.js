// The live room: a page of messages, then its changes as they come; what is written here is shown at once.
//
// What the feed brings is written once a frame, however much it is.

import { Problem, address, ask } from "../api.js";
import { openSettings } from "../settings.js";
import { compose } from "./composer.js";
import { Editing } from "./editing.js";
import { Feed } from "./feed.js";
import { enterable, rove } from "./keys.js";
import { List } from "./list.js";
import { Older } from "./older.js";
import { outboxOf } from "./outbox.js";
import { Presence } from "./presence.js";
import { Rooms, reveal } from "./rooms.js";
import { mark, spoken } from "./row.js";
import { Sending } from "./sending.js";
import { State } from "./state.js";
import { Stretch } from "./stretch.js";

/** The room where the address names none: that of messages that name none. */
const LOBBY = "lobby";

/** Opens the room that the address names, and returns what leaves it. */
export function open(section, rest) {
  const leaving = new AbortController();
  const inside = section.contains(document.activeElement);
  section.replaceChildren(document.getElementById("room-view").content.cloneNode(true));
  new Room(section, rest || LOBBY, leaving.signal);
  // What had the focus is gone: who came by keyboard is told where they are, and goes on from there.
  if (inside) section.querySelector("h2").focus();
  return () => leaving.abort();
}

class Room {
  #name;
  #section;
  #leaving;
  #outbox;
  #list;
  #stretch;
  #older;
  #sending;
  #editing;
  #state;
  #feed;
  #presence;
  /** Events that are not written yet. */
  #coming = [];
  /** New messages that nobody has looked at. */
  #unread = 0;
  #loud = 0;

  constructor(section, name, leaving) {
    [this.#section, this.#name, this.#leaving] = [section, name, leaving];
    document.title = `${name} · Rowcast`;
    this.#at("h2").textContent = name;
    this.#outbox = outboxOf(name);
    this.#list = new List(this.#at(".scroller"), this.#at(".messages"));
    this.#stretch = new Stretch(this.#view());
    this.#older = new Older(name, { stretch: this.#stretch, list: this.#list }, this.#at(".older"), leaving);
    this.#editing = new Editing(this.#list, leaving);
    this.#presence = new Presence(this.#at(".presence"), leaving);
    this.#state = new State(this.#at(".state-line"), { again: () => this.#feed.again(), settings: openSettings });
    this.#sending = new Sending(this.#outbox, this.#list, leaving);
    this.#feed = new Feed(name, this.#listener(), leaving);
    new Rooms(this.#at(".rooms"), name, leaving);
    compose(this.#at(".composer"), this.#outbox, (text) => this.#send(text));
    rove(this.#list.list);
    this.#drawer();
    this.#at(".unread").addEventListener("click", () => this.#toEnd());
    this.#at(".unread").addEventListener("wheel", (turned) => this.#list.turn(turned), { passive: true });
    this.#list.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#feed.begin();
  }

  #at(selector) {
    return this.#section.querySelector(selector);
  }

  #view() {
    const list = this.#list;
    return {
      write: (change) => list.write(change),
      drop: (id, deleted) => {
        this.#keep(this.#editing.gone(id));
        list.drop(id, deleted);
      },
      put: (message, next) => {
        list.put(message, next);
        if (message.content_omitted) this.#complete(message);
      },
    };
  }

  #listener() {
    return {
      begin: (page) => this.#begin(page),
      change: (event, position) => {
        this.#state.position(position);
        if (this.#coming.push(event) === 1) soon(() => this.#write());
      },
      renew: () => this.#renew(this.#list.following ? null : this.#list.first()),
      present: (event) => this.#presence.take(event),
      state: (state) => this.#show(state),
    };
  }

  #show(state) {
    this.#section.dataset.state = state.name;
    this.#state.show(state);
  }

  #begin(page) {
    this.#take(page);
    this.#list.write(() => this.#stretch.begin(page));
    this.#filled();
    this.#list.end();
  }

  #take({ messages }) {
    for (const message of messages.toReversed()) this.#sending.take(message);
  }

  #filled() {
    this.#list.settle();
    this.#older.show();
    enterable(this.#list);
    this.#scrolled();
  }

  /** The newest messages again, back to this one, so that its reader keeps the place. */
  async #renew(back) {
    const asked = performance.now();
    await this.#stretch.renew(async () => {
      const page = await this.#feed.newest(back);
      this.#take(page);
      return page;
    });
    this.#outbox.read(asked);
    this.#filled();
    if (!this.#stretch.has(back?.id)) this.#list.end();
  }

  /** Writes what has come. */
  #write() {
    if (this.#leaving.aborted) return;
    const events = this.#coming.splice(0);
    const following = this.#list.following;
    this.#list.write(() => events.forEach((event) => this.#apply(event)));
    this.#list.write(() => this.#stretch.trim({ following, above: this.#list.above }));
    this.#older.show();
    enterable(this.#list);
    this.#tellUnread();
  }

  #apply(event) {
    const { type, data } = event;
    if (type === "new_message") this.#sending.take(data);
    const known = type === "new_message" && this.#stretch.has(data.id);
    const below = this.#stretch.apply(event);
    this.#list.settle();
    if (type === "updated_message") this.#editing.brought(data);
    if (type !== "new_message" || known) return;
    const own = this.#list.row(data.id)?.classList.contains("own");
    if (!own && (below || !this.#list.following)) this.#unread++;
    if (!own) this.#announce(data);
  }

  #send(text) {
    this.#outbox.send(text);
    this.#toEnd();
  }

  /** What was being written into a message that is gone. */
  #keep(text) {
    const field = this.#at(".composer").elements.content;
    if (text === null || field.value !== "") return;
    field.value = this.#outbox.draft = text;
    this.#say("The message that you were changing is gone. Your text is where messages are written.");
  }

  /** Reads the text that an event left out. */
  async #complete({ id }) {
    try {
      const { data } = await ask(address(`message/${id}`), { signal: this.#leaving });
      this.#list.write(() => this.#stretch.complete(data));
    } catch (problem) {
      if (!(problem instanceof Problem)) return;
      const row = this.#list.row(id);
      const again = ["Try again", () => this.#complete({ id })];
      if (row && problem.status !== 404) mark(row, `The text could not be read: ${problem.message} `, [again], "bad");
    }
  }

  /** Goes to the newest message, which may have to be read first. */
  async #toEnd() {
    const button = this.#at(".unread");
    button.disabled = true;
    try {
      if (!this.#stretch.atHead) await this.#renew(null);
      this.#list.end();
      this.#scrolled();
    } catch (problem) {
      if (problem instanceof Problem) button.textContent = `Not read: ${problem.message}. Try again`;
      else if (!this.#leaving.aborted) throw problem;
    } finally {
      button.disabled = false;
    }
  }

  #scrolled() {
    if (this.#list.following && this.#stretch.atHead) this.#unread = 0;
    this.#tellUnread();
  }

  #tellUnread() {
    const button = this.#at(".unread");
    const many = this.#unread.toLocaleString();
    button.textContent = this.#unread > 0 ? `${many} new message${this.#unread > 1 ? "s" : ""}` : "Newest";
    button.hidden = this.#list.following && this.#stretch.atHead;
  }

  /** For those who hear the page: what others write, one by one as long as it is not too much. */
  #announce(message) {
    this.#loud++;
    if (this.#loud > 1) return;
    this.#say(spoken(message));
    setTimeout(() => {
      if (this.#loud > 1) this.#say(`${this.#loud - 1} more messages`);
      this.#loud = 0;
    }, 3_000);
  }

  #say(words) {
    this.#at(".heard").textContent = words;
  }

  /** On a narrow screen the rooms are in a dialog. */
  #drawer() {
    const [drawer, rooms] = [this.#at(".drawer"), this.#at(".rooms")];
    this.#at(".open-rooms").addEventListener("click", () => {
      drawer.prepend(rooms);
      drawer.showModal();
      reveal(rooms);
    });
    drawer.addEventListener("close", () => this.#at(".room").prepend(rooms));
    drawer.addEventListener("click", ({ target }) => (target === drawer || target.closest("a, .close")) && drawer.close());
    this.#leaving.addEventListener("abort", () => drawer.close());
  }
}

/** In the next frame; a page that nobody sees has none. */
function soon(act) {
  const late = setTimeout(() => (cancelAnimationFrame(frame), act()), 200);
  const frame = requestAnimationFrame(() => (clearTimeout(late), act()));
}
