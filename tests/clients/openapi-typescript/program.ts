// A client of Rowcast from `openapi-typescript` and `openapi-fetch`: it writes, pages, changes, deletes, follows, and is
// refused. Each assertion stops it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

type Message = components["schemas"]["Message"];
type MessagePage = components["schemas"]["MessagePage"];
type Problem = components["schemas"]["Problem"];
type Room = components["schemas"]["Room"];
type StreamEvent = components["schemas"]["StreamEvent"];

const client = createClient<paths>({ baseUrl: process.argv[2] });
const room = `openapi-typescript-${randomUUID().slice(0, 8)}`;
const sender_id = randomUUID();
const texts = Array.from({ length: 100 }, (_, number) => `${number}: þings like ひらがな and 🌊`);

/** What was answered, if it was no problem. */
function good<T>({ data, error }: { data?: T; error?: Problem }): T {
  assert.ok(data !== undefined, `${error?.title}: ${error?.detail}`);
  return data;
}

async function post(content: string): Promise<Message> {
  return good(await client.POST("/message", { body: { room, content, sender_id } }));
}

/** The messages of the room, newest first, thirty at a time. */
async function* pages(): AsyncGenerator<Message[]> {
  let cursor: string | null = null;
  do {
    const query = { room, limit: 30, cursor: cursor ?? undefined };
    const page: MessagePage = good(await client.GET("/message", { params: { query } }));
    yield page.messages;
    cursor = page.next_cursor;
  } while (cursor !== null);
}

/** The events of the room; a page would use `EventSource`, which comes back by itself. */
async function* follow(signal: AbortSignal): AsyncGenerator<StreamEvent> {
  const { data } = await client.GET("/stream", { params: { query: { room: [room] } }, parseAs: "stream", signal });
  let text = "";
  for await (const chunk of data!.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + chunk).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const line = block.split("\n").find((line) => line.startsWith("data: "));
      if (line) yield JSON.parse(line.slice("data: ".length));
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
      return `truncated at ${event.data.at}`;
    case "reset":
      return `read ${event.reread} anew: ${event.reason}`;
    case "presence":
      return `${event.data.count} in ${event.data.room}`;
    case "user_joined":
    case "user_left":
      return `${event.type} ${event.data.user_id}`;
    case "bye":
      return "bye";
  }
}

const stopped = new AbortController();
const events = follow(stopped.signal);
const next = async () => told((await events.next()).value);
assert.equal(await next(), "connected, from now");

const written: Message[] = [];
for (const text of texts) written.push(await post(text));
assert.deepEqual(written.map(({ content }) => content), texts);
const [first, second] = written as [Message, Message];
assert.equal(await next(), `new_message ${first.id}: ${texts[0]}`);
stopped.abort();

const read: Message[][] = [];
for await (const page of pages()) read.push(page);
assert.deepEqual(read.map((page) => page.length), [30, 30, 30, 10]);
assert.deepEqual(read.flat(), [...written].reverse());

const path = { id: first.id };
const changed = good(await client.PATCH("/message/{id}", { params: { path }, body: { content: "changed", file: "a.txt" } }));
const again = good(await client.GET("/message/{id}", { params: { path } }));
assert.deepEqual(again, changed);
const { content, file, updated_date }: { content: string; file: string | null; updated_date: string | null } = again;
assert.deepEqual({ content, file }, { content: "changed", file: "a.txt" });
assert.ok(updated_date !== null);
assert.equal(first.updated_date, null);

const { response } = await client.DELETE("/message/{id}", { params: { path: { id: second.id } } });
assert.equal(response.status, 204);
const { error: gone } = await client.GET("/message/{id}", { params: { path: { id: second.id } } });
assert.equal(gone?.type, "urn:rowcast:problem:not-found");
assert.equal(gone.status, 404);

const { error: empty } = await client.POST("/message", { body: { room, content: "", sender_id } });
assert.deepEqual(empty?.errors?.map(({ field }) => field), ["content"]);
const { error: unnamed } = await client.POST("/message", { body: { room: "no room", content: "Hello", sender_id } });
assert.deepEqual(unnamed?.errors?.map(({ field }) => field), ["room"]);

const { rooms } = good(await client.GET("/room", { params: { query: { prefix: room } } }));
assert.deepEqual(rooms, [{ room, messages: 99, last_message: written[99]! } satisfies Room]);
