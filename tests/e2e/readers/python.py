"""Reads a stream with `httpx-sse`, and prints a JSON object a line for all that it is told.

The library reads one answer. To come back, when the server says and where the last event was, is the loop around it.
"""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse


def tell(kind, **more):
    print(json.dumps({"type": kind, **more}), flush=True)


def follow(client, url):
    last, wait = "", 3.0
    while True:
        headers = {"Last-Event-ID": last} if last else {}
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                if source.response.status_code != 200:
                    return
                tell("open")
                for event in source.iter_sse():
                    last = event.id or last
                    if event.retry is not None:
                        wait = event.retry / 1000
                    # Without data it is no event: it sets the wait or the id alone.
                    if event.data:
                        tell(event.event, id=last, data=event.json())
                tell("error", why="the stream has ended")
        except httpx.TransportError as error:
            tell("error", why=repr(error))
        time.sleep(wait)


# Nothing comes for as long as the server's keep-alives take, and must.
with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
    follow(client, sys.argv[1])
