// What changes as things happen, and can be waited for: no test sleeps and hopes.

import { inspect } from "node:util";

/** Longer than anything here takes on a busy machine: a test that waits so long has failed. */
const DEADLINE = 30_000;

/** The outcome of a promise, if it comes soon. `seen` says what there is when it does not. */
export function soon(what, promise, seen = () => "nothing") {
  let timer;
  const late = new Promise((_, reject) => {
    const fail = () => reject(new Error(`in ${DEADLINE} ms not: ${what}; there is ${inspect(seen(), { depth: 5 })}`));
    timer = setTimeout(fail, DEADLINE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class Watched {
  #looking = new Set();

  /** To be called after every change. */
  changed() {
    for (const look of this.#looking) look();
  }

  /** Waits until the condition holds, and returns what it gave. */
  until(what, condition) {
    const held = new Promise((resolve) => {
      const look = () => {
        const outcome = condition();
        if (!outcome) return;
        this.#looking.delete(look);
        resolve(outcome);
      };
      this.#looking.add(look);
      look();
    });
    return soon(what, held, () => this.seen());
  }
}
