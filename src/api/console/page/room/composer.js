// Where messages are written: Enter sends, Shift+Enter begins a line. What a person is composing with an input method
// (Japanese, Chinese, Korean) is theirs to confirm: Enter is of the method then.

/** The most lines that the field grows to. */
const LINES = 8;

/** `send(text)` is called with what is written; it is kept in the outbox until then. */
export function compose(form, outbox, send) {
  const field = form.elements.content;
  const grow = () => (field.rows = Math.min(LINES, field.value.split("\n").length));
  field.value = outbox.draft;
  grow();
  field.addEventListener("input", () => {
    outbox.draft = field.value;
    grow();
  });
  field.addEventListener("keydown", (event) => {
    if (!isSend(event)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim() === "") return field.focus();
    const content = field.value;
    field.value = outbox.draft = "";
    grow();
    field.focus();
    send(content);
  });
}

/** Whether a key sends what was written. Safari says of the last key of a composition only that its code is 229. */
export function isSend(event) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}
