// A message's text as nodes: never HTML. Web addresses become links; a long text is folded until somebody wants all of it,
// and then laid out in pieces, as far as they are on the screen: a mebibyte at once would hold the page up.

/** What is shown of a long text, in UTF-16 units. */
export const FOLDED = 2_000;

/** About as long is a piece; it ends with a line or a word if it can. */
const PIECE = 8_000;

const LINK = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/g;

/** Shows a text in an element. */
export function showText(place, text) {
  if (text.length <= FOLDED) return place.replaceChildren(...linked(text));
  const all = document.createElement("button");
  all.type = "button";
  all.className = "all";
  all.textContent = `Show all ${text.length.toLocaleString()} characters`;
  all.addEventListener("click", () => {
    place.closest("li").focus({ preventScroll: true });
    place.replaceChildren(...pieces(text));
  });
  place.replaceChildren(...linked(text.slice(0, whole(text, FOLDED))), "… ", all);
}

function* pieces(text) {
  for (let from = 0; from < text.length; ) {
    const to = from + PIECE < text.length ? end(text, from) : text.length;
    const piece = document.createElement("div");
    piece.className = "piece";
    piece.append(...linked(text.slice(from, to)));
    yield piece;
    from = to;
  }
}

/** Where the piece ends that begins at `from`. */
function end(text, from) {
  const most = from + PIECE;
  const ends = [text.lastIndexOf("\n", most - 1), text.lastIndexOf(" ", most - 1)];
  const found = ends.find((at) => at > from + PIECE / 2);
  return found === undefined ? whole(text, most) : found + 1;
}

/** This place, or the one before if it is in the middle of a character. */
function whole(text, at) {
  const half = text.charCodeAt(at - 1) >> 10 === 0xd800 >> 10;
  return half ? at - 1 : at;
}

function* linked(text) {
  let from = 0;
  for (const { 0: url, index } of text.matchAll(LINK)) {
    if (!URL.canParse(url)) continue;
    yield text.slice(from, index);
    yield link(url);
    from = index + url.length;
  }
  yield text.slice(from);
}

function link(url) {
  const made = document.createElement("a");
  made.href = url;
  made.rel = "noopener noreferrer nofollow";
  made.target = "_blank";
  made.textContent = url;
  return made;
}
