// Streams in Swagger UI, which shows an answer when it is whole: these never are.
//
// So this reads the answer of a stream itself, and gives Swagger UI what there is of it, again and again, as if that
// were all. It goes on until its reader stops it, clears the answer, or asks again; there is at most one for a call.

/** The most of a stream that is shown, in characters: its end. Swagger UI colours all of it each time. */
const SHOWN = 20_000;

/** How often that is, in milliseconds. */
const PACE = 250;

/** Whether this is the type of a stream of events. */
function isStream(type) {
  return /^text\/event-stream\b/.test(type ?? "");
}

/** The plugin. */
function Streams() {
  const asked = new Map();

  /** Aborts what a call has asked for before; its answer is not wanted any more. */
  function forget(path, method) {
    asked.get(`${method} ${path}`)?.abort();
    asked.delete(`${method} ${path}`);
  }

  function execute(original, { specActions }) {
    return (call) => {
      const { pathName: path, method } = call;
      const [name, asking] = [`${method} ${path}`, new AbortController()];
      forget(path, method);
      asked.set(name, asking);
      const show = (answer) => specActions.setResponse(path, method, answer);
      const userFetch = async (url, request) => {
        const wanted = () => asked.get(name) === asking;
        try {
          return await follow(url, { ...request, signal: asking.signal }, (answer) => wanted() && show(answer));
        } finally {
          // Who is not wanted is not heard of again.
          if (!wanted()) await new Promise(() => {});
        }
      };
      return original({ ...call, userFetch });
    };
  }

  const clear = (original) => (path, method) => {
    forget(path, method);
    return original(path, method);
  };

  const stop = (path, method) => asked.get(`${method} ${path}`)?.abort();
  return {
    statePlugins: { spec: { wrapActions: { executeRequest: execute, clearResponse: clear } } },
    wrapComponents: { liveResponse: (Original, { React }) => stoppable(Original, React, stop) },
  };
}

/** Asks for something, and shows how it grows if it is a stream. What is returned is whole. */
async function follow(url, request, show) {
  const answer = await fetch(url, request);
  if (!isStream(answer.headers.get("content-type"))) return answer;
  const { status, statusText, headers } = answer;
  const as = (text) => show({ ok: true, url, status, headers: Object.fromEntries(headers), text, live: true });
  return new Response(await read(answer.body, request.signal, as), { status, statusText, headers });
}

/** Reads to the end, and returns what came last. Whether a stream has ended or was lost cannot always be told. */
async function read(body, signal, show) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const next = () => reader.read().catch(() => ({ done: true }));
  let text = "";
  let timer;
  for (let part = await next(); !part.done; part = await next()) {
    text = tail(text + part.value);
    timer ??= setTimeout(() => (show(text), (timer = undefined)), PACE);
  }
  clearTimeout(timer);
  return signal.aborted ? text : `${text}: the stream has ended\n`;
}

/** As many of the last events as are shown. */
function tail(text) {
  if (text.length <= SHOWN) return text;
  const from = text.indexOf("\n\n", text.length - SHOWN) + 2;
  return `: what came before is not shown\n\n${text.slice(from > 1 ? from : -SHOWN)}`;
}

/** An answer that can be stopped while it grows, and whose end is seen unless its reader has scrolled away from it. */
function stoppable(Original, { createElement, useLayoutEffect, useRef }, stop) {
  return function Answer(props) {
    const [place, bottom] = [useRef(null), useRef(0)];
    const live = props.response.get("live") ?? false;
    useLayoutEffect(() => {
      const text = live && place.current.querySelector(".response-col_description .microlight");
      if (!text) return;
      if (text.scrollTop + text.clientHeight >= bottom.current - 1) text.scrollTop = text.scrollHeight;
      bottom.current = text.scrollHeight;
    });
    const button = { className: "btn cancel", onClick: () => stop(props.path, props.method) };
    return createElement(
      "div",
      { ref: place },
      live &&
        createElement(
          "div",
          { className: "live" },
          createElement("span", { role: "status" }, "Live: what comes is shown at the end."),
          createElement("button", button, "Stop"),
        ),
      createElement(Original, props),
    );
  };
}
