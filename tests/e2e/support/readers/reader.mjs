// What a client has been told of one stream.

import { Watched } from "../watched.mjs";

export class Reader extends Watched {
  told = [];

  constructor(url) {
    super();
    this.url = url;
  }

  tell = (event) => {
    this.told.push(event);
    this.changed();
  };

  seen() {
    return this.told;
  }

  /** The events of this type. */
  of(type) {
    return this.told.filter((event) => event.type === type);
  }

  /** Waits until there are so many events of this type. */
  async have(count, type) {
    await this.until(`${count} times ${type}`, () => this.of(type).length >= count);
  }

  /** Waits until it has given up. It never comes back then. */
  async closed() {
    await this.until("closed for good", () => this.of("error").at(-1)?.closed);
  }

  /** Begins anew, like a program that has seen nothing yet. */
  async reload() {
    await this.stop();
    this.told = [];
    await this.start();
  }
}
