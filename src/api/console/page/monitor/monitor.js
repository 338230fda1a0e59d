// The monitor: how the cluster is, second by second, as any of its nodes tells it.

import { Cards } from "./cards.js";
import { element, say } from "./elements.js";
import { Nodes } from "./nodes.js";
import { poll } from "./poll.js";
import { summary, troubles } from "./summary.js";

/** What is not as it should be, at the top. It is said aloud when it changes, and only then. */
class Notice {
  #state = element("p", { class: "verdict" }, "Asking the server…");
  #reasons = element("ul", { class: "reasons" });
  element = element("div", { class: "verdicts", role: "status" }, this.#state, this.#reasons);
  #said = "";

  say(kind, verdict, reasons = []) {
    const now = JSON.stringify([kind, verdict, reasons]);
    if (now === this.#said) return;
    this.#said = now;
    this.element.dataset.kind = kind;
    say(this.#state, verdict);
    this.#reasons.replaceChildren(...reasons.map((reason) => element("li", {}, reason)));
    this.#reasons.hidden = reasons.length === 0;
  }
}

function told(notice, report) {
  const reasons = troubles(report);
  if (!reasons.length) return notice.say("good", "All is well.");
  if (report.ok) return notice.say("warn", "Changes come through, but not all is as it should be.", reasons);
  const where = `Changes are not proved to come through: it begins at ${report.stale}.`;
  notice.say("bad", report.stale ? where : "This node takes no traffic.", reasons);
}

/** Why there are no figures. */
function refused(notice, status, shown) {
  if (status === 404) {
    return notice.say("bad", "The figures are not served at this address.", [
      "The server has a port of its own for them (ADMIN_PORT): open this page there.",
    ]);
  }
  const why = status === null ? [] : [`It answered with status ${status}.`];
  const below = shown ? " What is shown below is what it told last." : "";
  notice.say("bad", `No answer from the server.${below}`, why);
}

export function open(section) {
  const [notice, cards, nodes] = [new Notice(), new Cards(), new Nodes()];
  const figures = element("div", { class: "figures", hidden: "" }, cards.element, nodes.element);
  const heading = element("h2", { class: "unseen" }, "Monitor");
  section.replaceChildren(element("div", { class: "monitor" }, heading, notice.element, figures));
  const end = poll(
    (report) => {
      told(notice, report);
      figures.hidden = false;
      figures.classList.remove("old");
      cards.show(Date.now(), summary(report));
      nodes.show(report);
    },
    (status) => {
      refused(notice, status, !figures.hidden);
      figures.classList.add("old");
    },
  );
  return () => {
    end();
    section.replaceChildren();
  };
}
