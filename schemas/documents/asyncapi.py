"""The AsyncAPI 3.0 document of the topics, with Kafka bindings 0.5.0."""

from typing import Any, Final

from schemas.documents.json_schema import components
from schemas.settings import Settings
from schemas.topics import TopicSpec, topics

_MESSAGES: Final = {
    "reports": (
        "Report",
        "What an app reported, or a removal, as accepted by the ingress; operators' own. History in log order.",
    ),
    "latest": ("Latest", "The newest pairs of a selector. Compacted; a tombstone (null value) means removed."),
    "changes": ("Change", "Registered, rotated, app_changed, account_changed, removed: one message a change."),
    "rejected": ("Rejected", "What was refused for its content, with every secret masked."),
    "removals": ("Removed", "The compactor's memory of removed slots. Internal: not for consumers."),
}
# Where the request came with a trace (CloudEvents, "Distributed Tracing" extension).
_TRACE: Final = ("traceparent", "tracestate")
_HEADERS: Final = ("ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "content-type")
_KEYS: Final = ("cleanup.policy", "retention.ms", "retention.bytes", "delete.retention.ms")


def asyncapi() -> dict[str, Any]:
    """The document (dict) for the default names and an external cluster."""
    found = topics(Settings(partitions=8, replication_factor=3))
    named = {role: getattr(found, role) for role in _MESSAGES}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Push-token pipeline",
            "version": "1",
            "description": "Read with isolation.level=read_committed. The key of every message is the selector's raw "
            "UTF-8 bytes, the partition Kafka's default (murmur2) of it; order holds per selector.",
        },
        "defaultContentType": "application/json",
        "channels": {role: _channel(role, spec) for role, spec in named.items()},
        "operations": {f"read_{role}": _operation(role) for role in named},
        "components": {
            "messages": {role: _message(role) for role in named},
            "schemas": components(),
        },
    }


def _channel(role: str, spec: TopicSpec) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for key in _KEYS:
        if key in spec.config:
            value = spec.config[key]
            config[key] = [value] if key == "cleanup.policy" else int(value)
    return {
        "address": spec.name,
        "description": _MESSAGES[role][1],
        "messages": {role: {"$ref": f"#/components/messages/{role}"}},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "replicas": spec.replicas,
                "topicConfiguration": config,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(role: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{role}"},
        "messages": [{"$ref": f"#/channels/{role}/messages/{role}"}],
    }


def _message(role: str) -> dict[str, Any]:
    payload: dict[str, Any] = {"$ref": f"#/components/schemas/{_MESSAGES[role][0]}"}
    if role in ("latest", "removals"):
        payload = {"oneOf": [payload, {"type": "null"}]}
    headers = (*_HEADERS, *(_TRACE if role == "reports" else ()))
    return {
        "name": role,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": {name: {"type": "string"} for name in headers}},
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "description": "The selector"}, "bindingVersion": "0.5.0"}},
    }
