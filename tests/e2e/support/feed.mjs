// What a reader of `/stream` has been told.

/** Waits until it has been told so many times that it is connected. */
export function connected(reader, times) {
  return reader.until(`connected ${times} times`, () => notices(reader, "connected").length >= times);
}

/** The events of the feed whose JSON is of this type. */
export function notices(reader, type) {
  return reader.of("message").filter(({ data }) => data.type === type);
}

/** Waits until it has been told of so many messages. */
export function changes(reader, count) {
  return reader.until(`${count} changes`, () => written(reader).length >= count);
}

/** The messages, as it was told. */
export function contents(reader) {
  return written(reader).map(({ data }) => data.data.content);
}

/** Their positions. */
export function ids(reader) {
  return written(reader).map(({ id }) => id);
}

function written(reader) {
  return notices(reader, "new_message");
}
