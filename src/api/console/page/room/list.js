// The rows on the screen, and the place in them.
//
// The scroller is turned around (`column-reverse`): its origin is its end, so that whatever happens above moves nothing,
// and at the end it stays at the end, also when a phone's keyboard opens. What happens below somebody who reads further
// up is made good after each write. Not every browser does so by itself, and those that do hold on to another row.
//
// Messages that are being sent stand at the end. When the feed brings one, its row becomes the message's own.

import { dress, fill, makeRow, mark, messageOf } from "./row.js";

/** So near the end counts as the end, in pixels. */
const NEAR = 48;

/** What browsers that count a wheel's turns in lines call one, in pixels. */
const LINE = 24;

/** How long a deleted message leaves a mark. */
const GONE = 4_000;

export class List {
  #rows = new Map();
  #sending = new Set();
  #adopted = new Map();

  constructor(scroller, list) {
    this.scroller = scroller;
    this.list = list;
  }

  /** Whether the end is on the screen. */
  get following() {
    return -this.scroller.scrollTop < NEAR;
  }

  /** Whether the upper half of the rows is on the screen. */
  get above() {
    return -this.scroller.scrollTop > this.scroller.scrollHeight / 2;
  }

  row(id) {
    return this.#rows.get(id);
  }

  /** Scrolls by what was turned over something that lies above the rows. */
  turn({ deltaY, deltaMode }) {
    const unit = [1, LINE, this.scroller.clientHeight][deltaMode];
    this.scroller.scrollTop += deltaY * unit;
  }

  /** Scrolls to the newest row. */
  end() {
    this.scroller.scrollTop = 0;
  }

  /**
   * Lets `change` write, and keeps on the screen what was there: all below the first row, whose own top moves when it
   * is no more the first of its day.
   */
  write(change) {
    if (this.following) {
      change();
      return this.end();
    }
    const row = this.#first();
    const bottom = row?.getBoundingClientRect().bottom;
    change();
    if (row?.isConnected) this.scroller.scrollTop += row.getBoundingClientRect().bottom - bottom;
  }

  /** Shows a message before the row of another, or as the last. */
  put(message, nextId) {
    const next = this.#rows.get(nextId) ?? this.#sending.values().next().value ?? null;
    let row = this.#rows.get(message.id);
    if (!row) {
      row = this.#adopt(message.id) ?? makeRow();
      row.dataset.id = message.id;
      this.#rows.set(message.id, row);
    }
    fill(row, message);
    if (row.parentNode !== this.list || row.nextElementSibling !== next) this.#move(row, next);
    dress(row);
    if (row.nextElementSibling) dress(row.nextElementSibling);
  }

  /** Takes a row away; one that was deleted leaves a mark for a while. */
  drop(id, deleted) {
    const row = this.#rows.get(id);
    this.#rows.delete(id);
    if (!deleted) return this.#remove(row);
    row.classList.add("gone");
    delete row.dataset.id;
    const focused = row.contains(document.activeElement);
    mark(row, "Message deleted");
    if (focused) row.focus();
    setTimeout(() => this.write(() => this.#remove(row)), GONE);
  }

  /** A row at the end, for a message that is being sent. */
  add(message) {
    const row = makeRow();
    fill(row, message);
    row.classList.add("sending");
    this.#sending.add(row);
    this.list.append(row);
    dress(row);
    return row;
  }

  /** Takes the row of a message that is not to be sent any more. */
  discard(row) {
    this.#sending.delete(row);
    this.#remove(row);
  }

  /** The row of a message that was being sent is that of the message `id` from now on. */
  adopt(id, row) {
    this.#sending.delete(row);
    this.#adopted.set(id, row);
  }

  /** Takes those rows whose messages are not shown after all. */
  settle() {
    for (const row of this.#adopted.values()) this.#remove(row);
    this.#adopted.clear();
  }

  #adopt(id) {
    const row = this.#adopted.get(id);
    this.#adopted.delete(id);
    if (!row) return undefined;
    row.classList.remove("sending");
    mark(row);
    return row;
  }

  /** Moving takes the focus from a row. */
  #move(row, next) {
    const focused = row.contains(document.activeElement) && document.activeElement;
    this.list.insertBefore(row, next);
    if (focused) focused.focus({ preventScroll: true });
  }

  #remove(row) {
    if (!row.isConnected) return;
    const next = row.nextElementSibling;
    if (row.contains(document.activeElement)) {
      (next ?? row.previousElementSibling ?? this.scroller).focus({ preventScroll: true });
    }
    row.remove();
    if (next && messageOf(next)) dress(next);
  }

  /** The first message on the screen. */
  first() {
    return messageOf(this.#first()) ?? null;
  }

  /** The first row on the screen. */
  #first() {
    const rows = this.list.children;
    const top = this.scroller.getBoundingClientRect().top;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom <= top) low = middle + 1;
      else high = middle;
    }
    return rows[low];
  }
}
