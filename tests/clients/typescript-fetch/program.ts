// A client of Rowcast from openapi-generator's `typescript-fetch`: it writes, pages, changes, deletes, follows, and is
// refused. Each assertion stops it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import {
  Configuration,
  MessageApi,
  ProblemFromJSON,
  ResponseError,
  RoomApi,
  StreamApi,
  StreamEventFromJSON,
  type Message,
  type MessagePage,
  type Problem,
  type Room,
  type StreamEvent,
} from "./rowcast/index.js";

const configuration = new Configuration({ basePath: process.argv[2] });
const messages = new MessageApi(configuration);

const room = `typescript-fetch-${randomUUID().slice(0, 8)}`;
const senderId = randomUUID();
const texts = Array.from({ length: 100 }, (_, number) => `${number}: þings like ひらがな and 🌊`);

/** The messages of the room, newest first, thirty at a time. */
async function* pages(): AsyncGenerator<Message[]> {
  let cursor: string | null = null;
  do {
    const page: MessagePage = await messages.listMessages({ room, limit: 30, cursor: cursor ?? undefined });
    yield page.messages;
    cursor = page.nextCursor;
  } while (cursor !== null);
}

/** The problem with which this is refused. */
async function refused(asked: Promise<unknown>): Promise<Problem> {
  const error = await asked.then(() => undefined, (error) => error);
  assert.ok(error instanceof ResponseError, String(error));
  return ProblemFromJSON(await error.response.json());
}

/** The events of the room; a page would use `EventSource`, which comes back by itself. */
async function* follow(signal: AbortSignal): AsyncGenerator<StreamEvent> {
  const { raw } = await new StreamApi(configuration).streamMessagesRaw({ room: [room] }, { signal });
  let text = "";
  for await (const chunk of raw.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + chunk).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const line = block.split("\n").find((line) => line.startsWith("data: "));
      if (line) yield StreamEventFromJSON(JSON.parse(line.slice("data: ".length)));
    }
  }
}

/** Each kind of event has what it has, and no other. */
function told(event: StreamEvent): string {
  switch (event.type) {
    case "connected":
      return `connected, ${event.resumed ? "resumed" : "from now"}`;
    case "new_message":
    case "updated_message":
      return `${event.type} ${event.data.id}: ${event.data.content}`;
    case "deleted_message":
      return `${event.type} ${event.data.id}`;
    case "truncated":
      return `truncated at ${event.data.at.toISOString()}`;
    case "reset":
      return `read ${event.reread} anew: ${event.reason}`;
    case "presence":
      return `${event.data.count} in ${event.data.room}`;
    case "user_joined":
    case "user_left":
      return `${event.type} ${event.data.userId}`;
    case "bye":
      return "bye";
  }
}

const stopped = new AbortController();
const events = follow(stopped.signal);
const next = async () => told((await events.next()).value);
assert.equal(await next(), "connected, from now");

const written: Message[] = [];
for (const content of texts) written.push(await messages.postMessage({ newMessage: { room, content, senderId } }));
assert.deepEqual(written.map(({ content }) => content), texts);
const [first, second] = written as [Message, Message];
assert.equal(await next(), `new_message ${first.id}: ${texts[0]}`);
stopped.abort();

const read: Message[][] = [];
for await (const page of pages()) read.push(page);
assert.deepEqual(read.map((page) => page.length), [30, 30, 30, 10]);
assert.deepEqual(read.flat(), [...written].reverse());

const messagePatch = { content: "changed", file: "a.txt" };
const changed = await messages.patchMessage({ id: first.id, messagePatch });
const again = await messages.getMessage({ id: first.id });
assert.deepEqual(again, changed);
const { content, file, updatedDate }: { content: string; file: string | null; updatedDate: Date | null } = again;
assert.deepEqual({ content, file }, messagePatch);
assert.ok(updatedDate !== null && updatedDate > again.createdDate);
assert.equal(first.updatedDate, null);

await messages.deleteMessage({ id: second.id });
const gone = await refused(messages.getMessage({ id: second.id }));
assert.equal(gone.type, "urn:rowcast:problem:not-found");
assert.equal(gone.status, 404);

const empty = await refused(messages.postMessage({ newMessage: { room, content: "", senderId } }));
assert.deepEqual(empty.errors?.map(({ field }) => field), ["content"]);
const unnamed = await refused(messages.postMessage({ newMessage: { room: "no room", content: "Hello", senderId } }));
assert.deepEqual(unnamed.errors?.map(({ field }) => field), ["room"]);

const { rooms } = await new RoomApi(configuration).listRooms({ prefix: room });
assert.deepEqual(rooms, [{ room, messages: 99, lastMessage: written[99]! } satisfies Room]);
