// Who the page is to the server: a token, or where none is asked for a sender of its own.
//
// The token is kept as the cookie that the server takes, since an `EventSource` can send nothing else. Whoever can run a
// script here could read it; the policy of the page lets nobody. It is read here only to say whose it is and when it
// ends: what it is worth, the server judges.

const NAME = document.documentElement.dataset.cookie;
const SENDER = "sender";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The sender of this page, where the browser keeps none. */
let made = uuid();

/** Whether the browser keeps this cookie only where the connection is safe. */
const guarded = /^__(Secure|Host)-/.test(NAME);

/** The token; empty where there is none. */
export function token() {
  const pairs = document.cookie.split("; ").map((pair) => pair.split(/=(.*)/s));
  return pairs.find(([name]) => name === NAME)?.[1] ?? "";
}

/** Keeps a token, or with an empty one forgets it; returns what is wrong, if the browser refuses. */
export function keepToken(text) {
  const value = text.trim().replace(/^Bearer\s+/i, "");
  if (!/^[\w.~+/=-]*$/.test(value)) return "This is no token: a token has no spaces, quotes or semicolons.";
  const path = NAME.startsWith("__Host-") ? "/" : new URL(".", document.baseURI).pathname;
  const secure = guarded || location.protocol === "https:" ? "; Secure" : "";
  const age = value === "" ? "; Max-Age=0" : "";
  document.cookie = `${NAME}=${value}; Path=${path}; SameSite=Strict${secure}${age}`;
  if (token() === value) return null;
  if (value === "") return `The browser keeps the cookie ${NAME}: something else has set it. Remove it in the browser's settings.`;
  return guarded && location.protocol !== "https:"
    ? `This browser keeps the cookie ${NAME} over HTTPS only. Open this page over HTTPS, or start the server with another name for the cookie (JWT_COOKIE).`
    : `This browser does not keep the cookie ${NAME}: cookies are switched off here, or the token is too long for one.`;
}

/** What the token says of itself: whose it is, and when it ends. */
export function claims() {
  try {
    const part = token().split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    const { sub, exp } = JSON.parse(new TextDecoder().decode(bytes));
    return { sub, until: exp ? new Date(exp * 1000) : null };
  } catch {
    return {};
  }
}

/** In whose name messages are written. */
export function sender() {
  return claims().sub ?? ownSender();
}

/** The sender where no token says it: made once, and kept. */
export function ownSender() {
  let kept = made;
  try {
    kept = localStorage.getItem(SENDER);
  } catch {
    // A browser that keeps nothing has no storage at all: it is the one of this page then.
  }
  return isSender(kept) ? kept.toLowerCase() : keepSender(made);
}

export function keepSender(text) {
  made = text.trim().toLowerCase();
  keep(SENDER, made);
  return made;
}

/** Keeps something beyond this page, if the browser does. */
export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It is for this page alone then.
  }
}

export function isSender(text) {
  return UUID.test(text?.trim() ?? "");
}

/** A random UUID; `crypto.randomUUID` is there only where the connection is safe. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
