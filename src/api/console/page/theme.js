// Light or dark, before anything is painted; a script of its own, since modules run after the first paint.

try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "system";
} catch {
  // A browser that keeps nothing has no storage at all.
  document.documentElement.dataset.theme = "system";
}
