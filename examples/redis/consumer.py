"""Prints every new message, in order, from Redis itself: for a service that lives beside it and wants no stream of its own.

    python3 consumer.py URL REDIS

Redis may lose what it is given, so a listener must notice that. Each change carries its place in the feed, `event_id`, and
`prev`, the place of the one before it on the same channel. A `prev` that is later than all that is known here is a loss,
and the stream of a server fills it. A loss at the end, where nothing comes after it, is shown by the channel
`feed_heartbeat`: twice a second it says how far the feed has come. The first one after each subscription closes the hole
that lies before it; and where none comes, the connection is dead.

The standard output has a line for each, as it was published. What was lost, and is filled, is told on standard error.
"""

import json
import os
import sys
import time

import httpx
import redis
from httpx_sse import SSEError, connect_sse

PREFIX = os.environ.get("REDIS_PREFIX", "")
MESSAGES, HEARTBEAT = PREFIX + "new_messages", PREFIX + "feed_heartbeat"

# Three heartbeats, in seconds.
SILENCE = 1.5


class Consumer:
    def __init__(self, url, address):
        self.http = httpx.Client(base_url=url, timeout=httpx.Timeout(10, read=60))
        self.redis = redis.Redis.from_url(address, decode_responses=True)
        # All new messages up to here are handled; nothing before the first heartbeat, with which it begins.
        self.done = None

    def run(self):
        while True:
            try:
                self.listen()
            except (redis.ConnectionError, redis.TimeoutError, httpx.HTTPError, SSEError) as error:
                tell(f"begins anew: {error}")
            time.sleep(0.5)

    def listen(self):
        """Listens until nothing is heard any more."""
        sure = False
        with self.redis.pubsub() as subscription:
            subscription.subscribe(MESSAGES, HEARTBEAT)
            while message := subscription.get_message(timeout=SILENCE):
                if message["type"] == "subscribe":
                    # For the first time, or again: redis-py connects anew without a word.
                    sure = False
                elif message["channel"] == MESSAGES:
                    self.take(json.loads(message["data"]))
                elif not sure:
                    self.fill(json.loads(message["data"])["event_id"])
                    sure = True

    def take(self, change):
        if self.done is None:
            return
        if change["prev"] and place(change["prev"]) > place(self.done):
            self.fill(change["prev"])
        if place(change["event_id"]) > place(self.done):
            self.handle(change)

    def fill(self, until):
        """Handles what came after the last that is done, up to this place of the feed."""
        if self.done is None:
            self.done = until
            tell(f"listens from {until}")
        if place(self.done) >= place(until):
            return
        tell(f"fills what lies between {self.done} and {until}")
        with connect_sse(self.http, "GET", "/stream", params={"last_event_id": self.done}) as stream:
            stream.response.raise_for_status()
            for event in stream.iter_sse():
                told = json.loads(event.data or "{}")
                if told.get("type") == "reset":
                    return self.read_all()
                if told.get("type") == "new_message":
                    self.handle(told["data"])
                elif "data" in told:
                    self.done = event.id
                if place(self.done) >= place(until):
                    return
        raise httpx.RemoteProtocolError("the stream ended")

    def read_all(self):
        """Handles all messages there are, oldest first: the server no longer knows what came after the last that is done."""
        messages, query, position = [], {"limit": 100}, None
        while query:
            answer = self.http.get("/message", params=query).raise_for_status()
            # That of the first page: what the later ones have beyond it, the feed brings.
            position = position or answer.headers["Feed-Position"]
            page = answer.json()
            messages += page["messages"]
            query = page["has_more"] and query | {"cursor": page["next_cursor"]}
        for message in reversed(messages):
            work(message)
        self.done = position

    def handle(self, change):
        work(change)
        self.done = change["event_id"]


def work(message):
    """A line on standard output, in the place of yours."""
    print(json.dumps(message, ensure_ascii=False), flush=True)


def tell(text):
    print(text, file=sys.stderr, flush=True)


def place(event_id):
    """Where it is in the feed, to be compared."""
    generation, position = event_id.split("-")
    return int(generation), int(position)


if __name__ == "__main__":
    Consumer(*sys.argv[1:]).run()
