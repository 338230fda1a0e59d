"""What Schemathesis must be told about Rowcast."""

import itertools
import json
import re

import schemathesis

STRICT = ["NewMessage", "MessagePatch"]
KEYS = itertools.count()


@schemathesis.deserializer("text/event-stream")
def changes(context, response):
    """The document gives the schema of an event's `data:`, which is JSON; not that of the event around it."""
    lines = response.content.decode().splitlines()
    return [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Unknown fields are refused, which the framework's document cannot say (`additionalProperties: false`)."""
    for name in STRICT:
        raw_schema["components"]["schemas"][name].setdefault("additionalProperties", False)


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key that was used before answers with what was made then, which may be gone by now: each is used once."""
    for name, value in (case.headers or {}).items():
        if name.lower() == "idempotency-key" and re.fullmatch("[!-~]{1,255}", value):
            case.headers[name] = f"key-{next(KEYS)}"
