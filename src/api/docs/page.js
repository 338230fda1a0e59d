// The page at /docs: a form for every call, and its answer.
//
// Tokens stay in the memory of the page, and are gone when it is loaded again: Swagger UI could only keep them in
// `localStorage`, where they outlive the tab, on a machine that may not be its user's alone.

/** Where the server is. A proxy may serve it behind a prefix, of which the server knows nothing. */
const ROOT = location.pathname.replace(/docs\/*$/, "");

/** What says in the dialog of tokens that a cookie cannot be given there: no page may set the one that is asked for. */
function Cookies() {
  const wrap = (Original, { React: { createElement } }) =>
    function Token(props) {
      const { definitions } = props;
      if (!definitions.every((scheme) => scheme.get("in") === "cookie")) return createElement(Original, props);
      return createElement(
        "div",
        { className: "auth-container" },
        createElement("h4", null, createElement("code", null, definitions.keySeq().join(", "))),
        createElement("p", null, "If your browser has this cookie, it is sent by itself: it cannot be given here."),
      );
    };
  return { wrapComponents: { auths: wrap } };
}

/** `curl` is to show a stream as it comes. */
function unbuffered(request) {
  request.curlOptions = isStream(request.headers.accept) ? ["-N"] : [];
  return request;
}

/**
 * The document of the server that is here, without examples of what need not be given. Swagger UI would fill all of
 * them in, and so begin each stream where another has left off.
 */
function fitted(answer) {
  if (!answer.url.endsWith("/openapi.json")) return answer;
  const document = JSON.parse(answer.text);
  document.servers[0].url = ROOT;
  for (const { parameters = [] } of Object.values(document.paths).flatMap(Object.values)) {
    for (const parameter of parameters.filter(({ required }) => !required)) {
      const { $ref, ...own } = parameter.schema;
      const { example, ...schema } = $ref ? document.components.schemas[$ref.split("/").at(-1)] : own;
      parameter.schema = schema;
      delete parameter.example;
    }
  }
  answer.text = JSON.stringify(document);
  return answer;
}

for (const link of document.querySelectorAll("nav a")) link.href = ROOT;

SwaggerUIBundle({
  dom_id: "#ui",
  url: `${ROOT}openapi.json`,
  validatorUrl: null,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  requestInterceptor: unbuffered,
  responseInterceptor: fitted,
  plugins: [Streams, Cookies],
});
