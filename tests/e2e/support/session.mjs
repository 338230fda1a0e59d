// A reply that is being written, by its producer.

import { randomUUID } from "node:crypto";

/** What a reply is cut into: clients, JSON or the framing of events might fall over it. */
export const TEXTS = ["A reply", " of\nlines,", "\r\n\r\ndata: of", " þings like ひらがな", " and 🌊, ", "to the end."];

export class Session {
  #node;
  #producer;
  #headers;
  #chunks;
  #next = 0;

  /** A new session, opened at this node, where a token is needed with that. */
  static async open(node, token) {
    const session = new Session();
    session.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const sender = token === undefined ? randomUUID() : subject(token);
    const opened = await node.send("POST", "/session", { sender_id: sender }, session.#headers);
    session.#node = node;
    session.#producer = { "x-producer-token": opened.producer_token };
    session.#chunks = opened.chunk_url;
    session.id = opened.id;
    session.stream = opened.stream_url;
    return session;
  }

  /** Appends what comes next. */
  append(...texts) {
    return this.#send(texts, null);
  }

  /** Leaves one out, and appends what comes after it. */
  skip(...texts) {
    this.#next++;
    return this.append(...texts);
  }

  /** Appends the last of it. */
  finish(...texts) {
    return this.#send(texts, this.#next + texts.length - 1);
  }

  cancel(keep) {
    return this.#node.send("DELETE", `/session/${this.id}?keep=${keep}`, undefined, this.#headers);
  }

  #send(texts, last) {
    const chunks = texts.map((chunk) => ({ chunk_id: this.#next++, chunk }));
    return this.#node.send("POST", this.#chunks, { chunks, final_chunk_id: last }, this.#producer);
  }
}

/** The chunks that a client was told, each with its id. */
export function chunks(reader) {
  return reader.of("chunk").map(({ id, data }) => [id, data.chunk]);
}

/** What they are when these are all, and each came once. */
export function all(texts) {
  return texts.map((text, at) => [String(at), text]);
}

/** The statuses of what was asked, with what was seen before. */
export function asked(proxy, session) {
  return proxy.asked(session.stream).map(({ status, lastEventId }) => [status, lastEventId]);
}

function subject(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub;
}
