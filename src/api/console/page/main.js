// Which view is shown: the address says it, after the `#`, so that each can be linked to, and Back goes back.

import * as monitor from "./monitor/monitor.js";
import * as room from "./room/room.js";
import { prepare } from "./settings.js";

/**
 * Each has `open(section, rest)`, with the element that it fills, and what stands behind its name in the address; it
 * returns what closes it again: streams, timers, listeners.
 */
const VIEWS = { room, monitor };

/** Those that the server has. */
const here = document.documentElement.dataset.views.split(" ").filter((name) => VIEWS[name]);

let close = () => {};

function show() {
  const [asked, ...rest] = location.hash.replace(/^#\//, "").split("/").map(decoded);
  const name = here.includes(asked) ? asked : here[0];
  close();
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== name;
  for (const link of document.querySelectorAll("[data-view]")) {
    link.hidden = !here.includes(link.dataset.view);
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  close = VIEWS[name].open(document.getElementById(name), rest.join("/"));
}

/** A part of the address, as it is where it was escaped in another way than ours. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

addEventListener("hashchange", show);
document.querySelector("[data-docs]").hidden = !here.includes("room");
prepare(show);
show();
document.documentElement.dataset.ready = "";
