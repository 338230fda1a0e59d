// Changes and deletes messages in place. What was done is shown when the feed brings it, as to everybody.

import { Problem, address, ask } from "../api.js";
import { sender, token } from "../identity.js";
import { isSend } from "./composer.js";
import { button, mark, messageOf, part } from "./row.js";

export class Editing {
  #list;
  #tools;
  #leaving;
  /** The one that is being changed: `{ row, form, sent }`. */
  #open = null;

  constructor(list, leaving) {
    this.#list = list;
    this.#leaving = leaving;
    this.#tools = this.#makeTools();
    const show = ({ target }) => this.#show(target.closest?.("li"));
    list.list.addEventListener("pointerover", show);
    list.list.addEventListener("focusin", show);
    list.list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The feed has brought a message: if it is what was saved, it is done. */
  brought({ id, content, content_omitted: omitted }) {
    const row = this.#list.row(id);
    if (!row) return;
    if (row.dataset.state === "deleting") return;
    if (this.#open?.row === row) {
      if (this.#open.sent === content || (omitted && this.#open.sent !== null)) this.#close();
      else this.#say(row, "It was changed meanwhile; saving replaces that.");
    } else if (row.dataset.state === "saving") {
      this.#settle(row);
    }
  }

  /** The feed says that a message is gone; returns what was being written into it. */
  gone(id) {
    const row = this.#list.row(id);
    if (!row || this.#open?.row !== row) return null;
    const text = this.#open.form.elements.content.value;
    const lost = text === messageOf(row).content ? null : text;
    this.#close();
    return lost;
  }

  #makeTools() {
    const tools = document.createElement("div");
    tools.className = "tools";
    const row = () => tools.closest("li");
    const [edit, remove] = [button("Edit", () => this.#edit(row())), button("Delete", () => this.#ask(row()))];
    tools.append(edit, remove);
    return tools;
  }

  /** The buttons go with the pointer and the focus: thousands of rows would each have their own. */
  #show(row) {
    if (!row || row.contains(this.#tools) || this.#tools.contains(document.activeElement)) return;
    if (this.#mayChange(row)) row.append(this.#tools);
    else this.#tools.remove();
  }

  /** Messages of one's own; any, where the server does not ask who one is. */
  #mayChange(row) {
    if (!row.dataset.id || row.classList.contains("gone") || this.#open?.row === row) return false;
    return token() === "" || messageOf(row).sender_id === sender();
  }

  #key(event) {
    const row = event.target;
    if (event.key === "Escape" && row.closest(".mark")) return this.#keep(row.closest("li"));
    if (event.ctrlKey || event.metaKey || event.altKey || !row.matches("li") || !this.#mayChange(row)) return;
    const act = { e: () => this.#edit(row), E: () => this.#edit(row), Delete: () => this.#ask(row) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #edit(row) {
    if (this.#open) this.#close();
    this.#tools.remove();
    const form = document.getElementById("editor").content.firstElementChild.cloneNode(true);
    const field = form.elements.content;
    field.value = messageOf(row).content ?? "";
    this.#open = { row, form, sent: null };
    this.#list.write(() => {
      part(row, "text").hidden = true;
      part(row, "text").after(form);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save(row, field.value);
    });
    form.querySelector(".cancel").addEventListener("click", () => this.#close());
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#close();
      else if (isSend(event) && event.target === field) form.requestSubmit();
      else return;
      event.preventDefault();
    });
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  async #save(row, content) {
    const open = this.#open;
    if (content === messageOf(row).content) return this.#close();
    open.sent = content;
    open.form.elements.content.readOnly = true;
    this.#say(row, "Saving…");
    row.dataset.state = "saving";
    try {
      await this.#change(row, "PATCH", { content });
      // It may have come meanwhile.
      if (this.#open === open) this.#list.write(() => this.#close("Saved"));
    } catch (problem) {
      this.#failed(row, problem, "The change was not saved");
      open.sent = null;
      open.form.elements.content.readOnly = false;
    }
  }

  #close(words = "") {
    const { row, form } = this.#open;
    const focused = form.contains(document.activeElement);
    this.#open = null;
    form.remove();
    part(row, "text").hidden = false;
    mark(row, words);
    if (words === "") this.#settle(row);
    if (focused) row.focus();
  }

  #settle(row) {
    delete row.dataset.state;
    mark(row);
  }

  #ask(row) {
    const sure = button("Delete", () => this.#delete(row));
    const keep = button("Keep", () => this.#keep(row));
    this.#list.write(() => {
      mark(row, "Delete this message? ");
      part(row, "mark").append(sure, keep);
    });
    sure.focus();
  }

  #keep(row) {
    this.#list.write(() => mark(row));
    row.focus();
  }

  async #delete(row) {
    this.#say(row, "Deleting…");
    row.dataset.state = "deleting";
    row.focus();
    try {
      await this.#change(row, "DELETE");
    } catch (problem) {
      this.#failed(row, problem, "The message was not deleted");
    }
  }

  #change(row, method, body) {
    return ask(address(`message/${row.dataset.id}`), { method, body, signal: this.#leaving });
  }

  #failed(row, problem, words) {
    if (this.#leaving.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    delete row.dataset.state;
    const why = problem.status === 404 ? "it has been deleted meanwhile" : problem.message;
    this.#say(row, `${words}: ${why}.`, "bad");
  }

  #say(row, words, kind) {
    this.#list.write(() => mark(row, words, [], kind));
  }
}
