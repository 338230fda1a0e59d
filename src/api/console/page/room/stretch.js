// Which messages are shown: a stretch of the room without a hole, in the order of pages.
//
// Pages and events may tell of the same message in any order, so all is by id, and telling twice changes nothing. A page
// may have been read before a change and come after its event; so while one is under way, what events say is remembered,
// and told to it again when it comes. The end of the feed is always right: whatever an old event says of a message, a
// later one is still to come.
//
// The stretch is bounded. What is dropped above is read again when it is scrolled to. What is dropped below is not:
// there are only pages of older messages, so from then on new ones are counted, until the newest are read anew.
//
// It knows no element: `view` puts and drops rows, and `write` makes many of that one.

/** The most rows, so that a browser stays fluid however far somebody scrolls. */
export const MOST = 6_000;

/** How many are left of those that nobody looks at, above the newest. */
const KEPT = 500;

/** Half of the way to `MOST`: with fewer there is nothing to gain. */
const MANY = 1_500;

export class Stretch {
  /** Oldest first. */
  #rows = [];
  #byId = new Map();
  #view;
  /** Where older messages go on; null at the beginning of the room. */
  cursor = null;
  /** Whether the newest message is shown. */
  atHead = true;
  /** What events said since the first of the pages that are under way was asked for. */
  #told = null;
  #underWay = 0;
  /** What is read before the stretch begins anew does not fit it any more. */
  #age = 0;

  constructor(view) {
    this.#view = view;
  }

  get length() {
    return this.#rows.length;
  }

  has(id) {
    return this.#byId.has(id);
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** The newest rows, in place of all, by `read`; what is still there stays the same row. */
  async renew(read) {
    this.#age++;
    const [page, told] = await this.#during(read);
    this.#view.write(() => {
      this.begin(page);
      for (const event of told) this.apply(event);
    });
  }

  /** Begins with the newest page. */
  begin({ messages, next_cursor: cursor }) {
    this.#age++;
    const still = new Set(messages.map(({ id }) => id));
    for (const { id } of [...this.#rows]) if (!still.has(id)) this.#drop(id);
    this.atHead = true;
    this.cursor = cursor;
    for (const message of [...messages].reverse()) this.#put(message);
  }

  /** More rows above, by `read`, which is given the cursor. */
  async extend(read) {
    const age = this.#age;
    const [page, told] = await this.#during(() => read(this.cursor));
    if (age !== this.#age) return;
    const last = new Map(told.filter(({ data }) => data?.id).map((event) => [event.data.id, event]));
    this.cursor = page.next_cursor;
    const rows = page.messages.filter(({ id }) => last.get(id)?.type !== "deleted_message" && !this.has(id));
    this.#view.write(() => {
      for (const message of rows) this.#put(last.get(message.id)?.data ?? message);
      this.#cutBelow();
    });
  }

  /** What an event says. Returns whether it was a new message that is below what is shown. */
  apply(event) {
    const { type, data } = event;
    this.#told?.push(event);
    if (type === "truncated") return this.clear();
    if (type === "deleted_message") return this.#drop(data.id, true);
    if (this.has(data.id)) return this.#put(data);
    if (type === "new_message") return this.#add(data);
  }

  /** All are gone. */
  clear() {
    this.#age++;
    for (const { id } of [...this.#rows]) this.#drop(id);
    this.cursor = null;
    this.atHead = true;
  }

  /** The text that an event left out. */
  complete(message) {
    if (this.get(message.id)?.content_omitted) this.#put(message);
  }

  /** Keeps the stretch within its bound: what is far from what is looked at goes. */
  trim({ following, above }) {
    if (following && this.atHead && this.length > MANY) this.#cutAbove(KEPT);
    else if (this.length > MOST && above) this.#cutBelow();
    else if (this.length > MOST) this.#cutAbove(MOST);
  }

  async #during(read) {
    this.#underWay++;
    this.#told ??= [];
    const from = this.#told.length;
    try {
      const page = await read();
      return [page, this.#told.slice(from)];
    } finally {
      if (--this.#underWay === 0) this.#told = null;
    }
  }

  /** A new message, if its place is in the stretch. */
  #add(message) {
    const [first, last] = [this.#rows[0], this.#rows.at(-1)];
    if (!this.atHead && (!last || compare(message, last) > 0)) return true;
    if (this.cursor !== null && first && compare(message, first) < 0) return false;
    this.#put(message);
  }

  #put(message) {
    const before = this.#byId.get(message.id);
    if (before && compare(before, message) !== 0) this.#rows.splice(this.#place(before), 1);
    const at = this.#place(message);
    this.#rows.splice(at, before && compare(before, message) === 0 ? 1 : 0, message);
    this.#byId.set(message.id, message);
    this.#view.put(message, this.#rows[at + 1]?.id);
  }

  #drop(id, deleted = false) {
    const message = this.#byId.get(id);
    if (!message) return;
    this.#rows.splice(this.#place(message), 1);
    this.#byId.delete(id);
    this.#view.drop(id, deleted);
  }

  /** The place of a message among the rows: its own, or where it were to come. */
  #place(message) {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#rows[middle], message) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #cutAbove(keep) {
    for (const { id } of this.#rows.slice(0, -keep)) this.#drop(id);
    const [first] = this.#rows;
    // As the server makes them: a page that begins there has what was dropped.
    this.cursor = `${first.created_date}_${first.id}`;
    this.#age++;
  }

  #cutBelow() {
    if (this.length <= MOST) return;
    this.atHead = false;
    for (const { id } of this.#rows.slice(MOST)) this.#drop(id);
  }
}

/** The order of pages. Instants are texts of one form, so that their order is that of time. */
function compare(one, other) {
  if (one.created_date !== other.created_date) return one.created_date < other.created_date ? -1 : 1;
  return one.id - other.id;
}
