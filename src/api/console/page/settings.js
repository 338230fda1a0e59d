// The dialog of settings: the token, or the sender where none is asked for, and light or dark.

import { claims, isSender, keep as remember, keepSender, keepToken, ownSender, token } from "./identity.js";

const dialog = document.getElementById("settings");
const form = dialog.querySelector("form");
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** What is to be done when it is another who calls. */
let changed = () => {};

/** To be called once; `act` is called when token or sender have changed. */
export function prepare(act) {
  changed = act;
  for (const opener of document.querySelectorAll("[data-settings]")) opener.addEventListener("click", openSettings);
  form.elements.theme.value = document.documentElement.dataset.theme;
  for (const choice of form.elements.theme) choice.addEventListener("change", () => setTheme(choice.value));
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.querySelector(".remove").addEventListener("click", () => keep(""));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
}

export function openSettings() {
  show();
  say("");
  dialog.showModal();
}

function save() {
  const { token: field, sender } = form.elements;
  if (field.value.trim() !== "") return keep(field.value);
  if (token() !== "" || sender.value.trim() === ownSender()) return dialog.close();
  if (!isSender(sender.value)) return say("A sender is a UUID, like 0c544734-1888-5ee1-94a9-a8334a166413.", sender);
  keepSender(sender.value);
  done();
}

function keep(text) {
  const wrong = keepToken(text);
  if (wrong) return say(wrong, form.elements.token);
  done();
}

function done() {
  dialog.close();
  changed();
}

function show() {
  const { sub, until } = claims();
  const there = token() !== "";
  const { token: field, sender } = form.elements;
  field.value = "";
  sender.value = there ? (sub ?? "") : ownSender();
  sender.readOnly = there;
  dialog.querySelector(".remove").hidden = !there;
  const ends = until ? `, until ${FULL.format(until)}` : "";
  const past = until && until < new Date() ? " It has expired." : "";
  dialog.querySelector(".token-words").textContent = there
    ? `There is a token${sub ? ` of ${sub}` : ""}${ends}.${past}`
    : "Without one you are whoever you say, if the server allows that.";
}

function say(words, field) {
  const place = dialog.querySelector(".wrong");
  place.textContent = words;
  place.hidden = words === "";
  for (const other of [form.elements.token, form.elements.sender]) other.ariaInvalid = String(other === field);
  field?.focus();
}

function setTheme(theme) {
  remember("theme", theme);
  document.documentElement.dataset.theme = theme;
}
