"""What Schemathesis must be told about Rowcast."""

import itertools
import json
import re
import uuid

import requests
import schemathesis

KEYS = itertools.count()


@schemathesis.deserializer("text/event-stream")
def changes(context, response):
    """The document gives the schema of an event's `data:`, which is JSON; not that of the event around it."""
    lines = response.content.decode().splitlines()
    return [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]


@schemathesis.auth(refresh_interval=None).apply_to(method="POST", path="/session/{id}/chunk")
class Producer:
    """The right to append: a session that nobody else knows, and the token of its producer."""

    def get(self, case, context):
        answer = requests.post(f"{case.operation.base_url}session", json={"sender_id": str(uuid.uuid4())}).json()
        return answer["id"], answer["producer_token"]

    def set(self, case, session, context):
        if case.meta.generation.mode.is_positive:
            case.path_parameters["id"], case.headers["X-Producer-Token"] = session


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key that was used before answers with what was made then, which may be gone by now: each is used once. And a
    message that no session wrote leads to no session."""
    if (case.path_parameters or {}).get("id") in (None, "None") and "id" in (case.path_parameters or {}):
        case.path_parameters["id"] = str(uuid.uuid4())
    for name, value in (case.headers or {}).items():
        if name.lower() == "idempotency-key" and re.fullmatch("[!-~]{1,255}", value):
            case.headers[name] = f"key-{next(KEYS)}"
