// One message has the focus, and the arrow keys move it: Tab goes past thousands of messages in one step.

const STEPS = { ArrowUp: -1, ArrowDown: 1, PageUp: -8, PageDown: 8, Home: -Infinity, End: Infinity };

export function rove(list) {
  list.addEventListener("focusin", ({ target }) => target.matches("li") && current(list, target));
  list.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step === undefined || !event.target.matches("li")) return;
    event.preventDefault();
    const rows = list.children;
    const at = Array.prototype.indexOf.call(rows, event.target) + step;
    const row = rows[Math.max(0, Math.min(rows.length - 1, at))];
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  });
}

/** Lets Tab come to the last row, while nobody is among the rows further up. */
export function enterable({ list, following }) {
  const among = list.contains(document.activeElement);
  const none = list.querySelector(':scope > li[tabindex="0"]') === null;
  if (none || (following && !among)) current(list, list.lastElementChild);
}

function current(list, row) {
  for (const other of list.querySelectorAll(':scope > li[tabindex="0"]')) other.tabIndex = -1;
  if (row) row.tabIndex = 0;
}
