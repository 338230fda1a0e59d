// Asks for the figures once a second, while anybody can see them.

const EVERY = 1000;

/** Who has not answered by then does not. */
const PATIENCE = 5000;

const rest = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** The report, or the status of an answer that is none; neither, where there is no answer. */
async function ask() {
  try {
    const answer = await fetch("health/nodes", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return answer.ok ? { report: await answer.json() } : { status: answer.status };
  } catch {
    return { status: null };
  }
}

/** Calls `answered(report)` or `failed(status)`, again and again; returns what ends that. */
export function poll(answered, failed) {
  let round = null;

  async function go(own) {
    while (round === own) {
      const begun = performance.now();
      const { report, status } = await ask();
      if (round !== own) return;
      if (report) answered(report);
      else failed(status);
      await rest(Math.max(0, EVERY - (performance.now() - begun)));
    }
  }

  function look() {
    if (document.visibilityState !== "visible") round = null;
    else if (!round) go((round = {}));
  }

  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    round = null;
  };
}
