// Light or dark, before anything is painted; a script of its own, since modules run after the first paint.

document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "system";
