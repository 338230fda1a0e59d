"""What Schemathesis must be told about Rowcast."""

import json

import schemathesis

STRICT = ["NewMessage", "MessagePatch"]


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
