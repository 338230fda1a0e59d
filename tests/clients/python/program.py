"""A client of Rowcast from `openapi-python-client`: it writes, pages, changes, deletes, follows, and is refused. Each
assertion stops it."""

import sys
from collections.abc import Generator, Iterator
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from httpx_sse import connect_sse

from rowcast import AuthenticatedClient
from rowcast.api.message import delete_message, get_message, list_messages, patch_message, post_message
from rowcast.api.room import list_rooms
from rowcast.models import ConnectedEvent, Message, MessagePatch, NewMessage, NewMessageEvent, Problem
from rowcast.types import UNSET, Unset

T = TypeVar("T")

# A server that asks for no token looks at none.
client = AuthenticatedClient(sys.argv[1], token="none", timeout=httpx.Timeout(10))
room = f"python-{uuid4().hex}"
sender_id = uuid4()


def good(answer: T | Problem | None) -> T:
    """What was answered, if it was no problem."""
    assert not isinstance(answer, Problem), f"{answer.title}: {answer.detail}"
    assert answer is not None
    return answer


def post(content: str) -> Message:
    return good(post_message.sync(client=client, body=NewMessage(content, sender_id, room=room)))


def pages() -> Iterator[list[Message]]:
    """The messages of the room, newest first, thirty at a time."""
    cursor: str | Unset | None = UNSET
    while cursor is not None:
        page = good(list_messages.sync(client=client, room=room, limit=30, cursor=cursor))
        yield page.messages
        cursor = page.next_cursor


def follow() -> Generator[dict[str, Any], None, None]:
    """The events of the room, as they come; the generated `stream_messages` would wait for the end of the stream."""
    with connect_sse(client.get_httpx_client(), "GET", "/stream", params={"room": room}) as stream:
        for event in stream.iter_sse():
            if event.data:  # What only says when to come back has none.
                yield event.json()


def refused(content: str, room: str) -> list[str]:
    """The fields that a message is refused for."""
    problem = post_message.sync(client=client, body=NewMessage(content, sender_id, room=room))
    assert isinstance(problem, Problem) and problem.status == HTTPStatus.UNPROCESSABLE_ENTITY, problem
    return [error.field for error in problem.errors or []]


events = follow()
assert not ConnectedEvent.from_dict(next(events)).resumed

texts = [f"{number}: þings like ひらがな and 🌊" for number in range(100)]
written = [post(text) for text in texts]
first, second, *_, last = written
assert [message.content for message in written] == texts
told = NewMessageEvent.from_dict(next(events)).data
assert (told.id, told.content, told.created_date) == (first.id, first.content, first.created_date)
events.close()

read = list(pages())
assert [len(page) for page in read] == [30, 30, 30, 10]
assert [message for page in read for message in page] == written[::-1]

changed = good(patch_message.sync(first.id, client=client, body=MessagePatch(content="changed", file="a.txt")))
again = good(get_message.sync(first.id, client=client))
assert again == changed
assert (again.content, again.file) == ("changed", "a.txt")
assert again.updated_date is not None and again.updated_date > again.created_date
assert first.updated_date is None

assert delete_message.sync_detailed(second.id, client=client).status_code == HTTPStatus.NO_CONTENT
gone = get_message.sync(second.id, client=client)
assert isinstance(gone, Problem), gone
assert (gone.status, gone.type_) == (404, "urn:rowcast:problem:not-found")

assert refused("", room) == ["content"]
assert refused("Hello", "no room") == ["room"]

[only] = good(list_rooms.sync(client=client, prefix=room)).rooms
assert (only.room, only.messages, only.last_message) == (room, 99, last)
