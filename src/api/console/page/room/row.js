// One message as an element. Whatever it holds is text: nothing is ever read as HTML.

import { sender } from "../identity.js";
import { person } from "./names.js";
import { FOLDED, showText } from "./text.js";

/** Messages of one sender so close to each other stand under one name. */
const TOGETHER = 5 * 60_000;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

/** Which message an element shows. */
const shown = new WeakMap();

export const messageOf = (row) => shown.get(row);

/** A row without a message. */
export function makeRow() {
  return document.getElementById("row").content.firstElementChild.cloneNode(true);
}

/** Shows a message in a row, which keeps its focus, and what else is in it. */
export function fill(row, message) {
  const before = shown.get(row);
  shown.set(row, message);
  const { name, initials, end, hue } = person(message.sender_id);
  const own = message.sender_id === sender();
  row.classList.toggle("own", own);
  row.style.setProperty("--hue", hue);
  part(row, "avatar").textContent = initials;
  part(row, "name").textContent = own ? "You" : name;
  part(row, "name").title = message.sender_id;
  part(row, "end").textContent = own ? "" : end;
  tell(part(row, "at"), message.created_date);
  const edited = part(row, "edited");
  edited.hidden = !message.updated_date;
  if (message.updated_date) tell(edited, message.updated_date, "edited ");
  part(row, "file").hidden = !message.file;
  part(row, "file").firstElementChild.textContent = message.file ?? "";
  row.style.setProperty("--chars", Math.min(message.content?.length ?? 0, FOLDED));
  if (before?.content !== message.content || !before) showText(part(row, "text"), message.content ?? "…");
}

/** The element of a row with this class. */
export function part(row, name) {
  return row.querySelector(`.${name}`);
}

/** Says below a row how it stands with it, with buttons; nothing takes that away. */
export function mark(row, text = "", buttons = [], kind = "") {
  const place = part(row, "mark");
  place.hidden = text === "";
  place.dataset.kind = kind;
  place.replaceChildren(text, ...buttons.map(([label, act]) => button(label, act)));
}

/** What depends on the row before: whether a day or a sender begins. */
export function dress(row) {
  const [message, before] = [shown.get(row), shown.get(row.previousElementSibling)];
  if (!message) return;
  const [at, last] = [new Date(message.created_date), before && new Date(before.created_date)];
  const day = part(row, "day");
  const begins = !last || at.toDateString() !== last.toDateString();
  if (begins && day.hidden) day.textContent = DAY.format(at);
  day.hidden = !begins;
  const same = before?.sender_id === message.sender_id && at - last < TOGETHER;
  row.classList.toggle("joined", same && !begins);
}

/** A message as it is read out. */
export function spoken({ sender_id: id, content }) {
  return `${person(id).name}: ${(content ?? "a long message").slice(0, 200)}`;
}

export function button(label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", act);
  return made;
}

function tell(time, instant, before = "") {
  const at = new Date(instant);
  time.dateTime = instant;
  time.textContent = before + CLOCK.format(at);
  time.title = FULL.format(at);
}
