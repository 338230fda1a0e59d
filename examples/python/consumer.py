"""Handles every change of the messages in a room, in order, each at least once, however often it is killed.

    python3 consumer.py URL ROOM FILE

The work comes first, and then the position of the change is written to FILE: who is killed between the two does that one
change again, and never leaves one out. Where there is no position, or the server no longer knows what came after it,
all messages are read, and then what has changed since that reading began.

The work here is a line on standard output: {"type": …, "event_id": …, "id": …, "content": …}, or {"type": "all", …} for
all the messages there are. It stands for yours, which should not mind to be done twice.
"""

import json
import os
import sys
import time

import httpx
from httpx_sse import SSEError, connect_sse

# Longer than KEEP_ALIVE, after which a server with nothing to tell says that it is there.
SILENCE = 60


def main(url, room, file):
    with httpx.Client(base_url=url, timeout=httpx.Timeout(10, read=SILENCE)) as http:
        while True:
            try:
                position = read_position(file) or read_all(http, room, file)
                follow(http, room, file, position)
            except (httpx.TransportError, SSEError) as error:
                print(error, file=sys.stderr)
            except httpx.HTTPStatusError as error:
                # That which will not pass by itself.
                if error.response.status_code < 500 and error.response.status_code != 429:
                    raise
                print(error, file=sys.stderr)
            time.sleep(1)


def follow(http, room, file, position):
    """Handles what comes after the position, until the stream ends."""
    query = {"room": room, "last_event_id": position}
    with connect_sse(http, "GET", "/stream", params=query) as stream:
        stream.response.raise_for_status()
        for event in stream.iter_sse():
            if not event.data:
                # Changes of other rooms have passed: there is no work, but the position moves.
                if event.id:
                    write_position(file, event.id)
                continue
            told = json.loads(event.data)
            # What came after the position cannot be told any more. `connected` already says so: its position must not be
            # taken for one up to which everything is done.
            if told["type"] == "reset" or (told["type"] == "connected" and not told["resumed"]):
                read_all(http, room, file)
                return
            if "data" in told:
                work(told["type"], told["data"])
                write_position(file, event.id)


def read_all(http, room, file):
    """Handles all messages as they are, and returns where the stream is to begin."""
    messages, cursor, position = [], None, None
    while True:
        query = {"room": room, "limit": 100} | ({"cursor": cursor} if cursor else {})
        answer = http.get("/message", params=query).raise_for_status()
        # That of the first page: what later pages have beyond it, or lack, the stream tells.
        position = position or answer.headers["Feed-Position"]
        page = answer.json()
        messages += page["messages"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    work("all", {"messages": messages[::-1]})
    write_position(file, position)
    return position


def work(kind, data):
    line = {"type": kind} | {key: data[key] for key in ("event_id", "id", "content", "messages") if key in data}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def read_position(file):
    try:
        with open(file) as lines:
            return lines.read().strip()
    except FileNotFoundError:
        return None


def write_position(file, position):
    """Replaces the file as a whole: it is never half written, whenever the program or the machine ends."""
    with open(file + ".new", "w") as new:
        new.write(position)
        new.flush()
        os.fsync(new.fileno())
    os.replace(file + ".new", file)


if __name__ == "__main__":
    main(*sys.argv[1:])
