// Loads the page again where its scripts do not fit together; a script of its own, since they do not run then.
//
// Each file is asked for alone. Behind a balancer, while nodes are being renewed, they may come from two versions.

/** Milliseconds until then: that may be over by then, and somebody can read why. */
const PAUSE = 3_000;

addEventListener("load", () => {
  if (document.documentElement.dataset.ready !== undefined) return;
  document.getElementById("parts").hidden = false;
  setTimeout(() => location.reload(), PAUSE);
});
