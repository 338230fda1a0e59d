// Who is in the room. Where they are too many to be told, only how many. It is not read out one by one: who wants to
// know opens the list.

import { sender } from "../identity.js";
import { person } from "./names.js";

/** How many are shown as pictures; the list has all. */
const FACES = 5;

export class Presence {
  #place;
  #users = null;
  #count = null;

  /** `place` is a `details` with `.faces`, `.count` and `.people`. */
  constructor(place, leaving) {
    this.#place = place;
    const outside = ({ target }) => place.contains(target) || (place.open = false);
    addEventListener("pointerdown", outside, { signal: leaving });
    place.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      place.open = false;
      place.querySelector("summary").focus();
    });
  }

  take({ type, data: { count, users, user_id: user } }) {
    this.#count = count;
    if (type === "presence") this.#users = users && new Set(users);
    else if (type === "user_joined") this.#users?.add(user);
    else this.#users?.delete(user);
    this.#show();
  }

  #show() {
    const users = [...(this.#users ?? [])].sort((one, other) => (other === sender()) - (one === sender()));
    this.#place.hidden = this.#count === null;
    this.#place.querySelector(".count").textContent = `${this.#count?.toLocaleString()} here`;
    this.#place.querySelector(".faces").replaceChildren(...users.slice(0, FACES).map(face));
    this.#place.querySelector(".people").replaceChildren(...users.map(entry));
    this.#place.querySelector(".many").hidden = this.#users !== null;
  }
}

function face(user) {
  const made = document.createElement("span");
  const { initials, hue } = person(user);
  made.className = "avatar";
  made.style.setProperty("--hue", hue);
  made.textContent = initials;
  return made;
}

function entry(user) {
  const made = document.createElement("li");
  const { name, end } = person(user);
  const label = document.createElement("span");
  label.textContent = user === sender() ? "You" : `${name} ${end}`;
  label.title = user;
  made.append(face(user), label);
  made.firstChild.ariaHidden = "true";
  return made;
}
