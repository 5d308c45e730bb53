"""What each topic promises beside its records: its name, its key, which headers are there, what is kept how long."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Promises = Mapping[str, Mapping[str, Any]]
"""By role of the topic."""

_SAME: Final = ("address", "key", "cleanup.policy", "message.timestamp.type", "contentType")
# Kept for less time or in less room breaks who reads later; more does not.
_LEAST: Final = ("retention.ms", "retention.bytes", "delete.retention.ms")


def topic_promises(asyncapi: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The promises, from the AsyncAPI document (`schemas.documents.asyncapi`)."""
    found = {}
    for role, channel in asyncapi["channels"].items():
        message = asyncapi["components"]["messages"][role]
        config = channel["bindings"]["kafka"]["topicConfiguration"]
        found[role] = {
            "address": channel["address"],
            "key": message["bindings"]["kafka"]["key"]["type"],
            "contentType": message["contentType"],
            "headers": sorted(message["headers"]["required"]),
            **{name: config[name] for name in (*_SAME, *_LEAST) if name in config},
        }
    return found


def broken_topics(published: Promises, current: Promises) -> Iterator[str]:
    """Why the topics as they are `current` break what was `published`; nothing: they do not. A new topic is fine."""
    for role, before in published.items():
        if role not in current:
            yield f"{role}: the topic is gone"
            continue
        after = current[role]
        for name in _SAME:
            if before.get(name) != after.get(name):
                yield f"{role}: {name} was {before.get(name)}, is {after.get(name)}"
        for name in _LEAST:
            was, now = before.get(name), after.get(name)
            # Not set is the broker's default, which may be anything.
            if was != now and (was is None or now is None or now < was):
                yield f"{role}: {name} was {was}, is {now}"
        for name in sorted(set(before["headers"]) - set(after["headers"])):
            yield f"{role}: the header {name} was always there, and may now be missing"
