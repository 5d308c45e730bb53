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
_REQUIRED: Final = ("ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time")
_BINDING: Final = "0.5.0"
# Our own readers of `reports`; nobody else may be a member of their groups.
_READERS: Final = {"compact": "The compactor", "sink": "The sink into ClickHouse"}
_SECURITY: Final = {
    "scramSha512": "SASL/SCRAM-SHA-512 over TLS (`kafka.sasl_mechanism`).",
    "scramSha256": "SASL/SCRAM-SHA-256 over TLS.",
    "plain": "SASL/PLAIN over TLS.",
    "X509": "A client certificate (mutual TLS).",
}


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
            "UTF-8 bytes, the partition Kafka's default (murmur2) of it; order holds per selector. What is promised: "
            "docs/consume.md. The operations are the pipeline's own: what it sends, you receive.",
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {role: _channel(role, spec) for role, spec in named.items()},
        "operations": {f"send_{role}": _operation("send", role) for role in named}
        | {f"{reader}_reports": _reader(reader) for reader in _READERS},
        "components": {
            "messages": {role: _message(role) for role in named},
            "schemas": components(),
            "securitySchemes": {name: {"type": name, "description": text} for name, text in _SECURITY.items()},
        },
    }


def _servers() -> dict[str, Any]:
    binding = {"kafka": {"bindingVersion": _BINDING}}
    address = {"default": "kafka.example.net:9093", "description": "`kafka.bootstrap`: host:port"}
    return {
        "embedded": {
            "host": "127.0.0.1:9092",
            "protocol": "kafka",
            "description": "What `make run` starts: this machine only, no TLS, no login.",
            "bindings": binding,
        },
        "production": {
            "host": "{bootstrap}",
            "protocol": "kafka-secure",
            "description": "A Kafka of your own. One of the ways to log in is configured there.",
            "variables": {"bootstrap": address},
            "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY],
            "bindings": binding,
        },
    }


def _channel(role: str, spec: TopicSpec) -> dict[str, Any]:
    return {
        "address": spec.name,
        "description": _MESSAGES[role][1],
        "messages": {role: {"$ref": f"#/components/messages/{role}"}},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "replicas": spec.replicas,
                "topicConfiguration": {name: _value(name, text) for name, text in spec.config.items()},
                "bindingVersion": _BINDING,
            }
        },
    }


def _value(name: str, text: str) -> Any:
    """A topic config as the bindings have it: `cleanup.policy` is a list, the rest what it looks like."""
    if name == "cleanup.policy":
        return text.split(",")
    return int(text) if text.isdigit() else {"true": True, "false": False}.get(text, text)


def _operation(action: str, role: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{role}"},
        "messages": [{"$ref": f"#/channels/{role}/messages/{role}"}],
    }


def _reader(reader: str) -> dict[str, Any]:
    """How a role of ours reads `reports`."""
    settings = Settings()
    group = getattr(settings, reader).group
    return _operation("receive", "reports") | {
        "description": f"{_READERS[reader]}. Its group is not for others: each consumer has one of its own.",
        "bindings": {
            "kafka": {
                "groupId": {"type": "string", "const": group},
                "clientId": {"type": "string", "const": f"{settings.kafka.client_id}-{reader}"},
                "bindingVersion": _BINDING,
            }
        },
    }


def _message(role: str) -> dict[str, Any]:
    payload: dict[str, Any] = {"$ref": f"#/components/schemas/{_MESSAGES[role][0]}"}
    if role in ("latest", "removals"):
        payload = {"oneOf": [payload, {"type": "null"}]}
    headers = (*_HEADERS, *(_TRACE if role == "reports" else ()))
    return {
        "name": role,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            # Other producers write to `reports`, too; they need not have any.
            "required": [] if role == "reports" else list(_REQUIRED),
            "properties": {name: {"type": "string"} for name in headers},
        },
        "payload": payload,
        "bindings": {"kafka": {"key": _key(role), "bindingVersion": _BINDING}},
    }


def _key(role: str) -> dict[str, Any]:
    if role == "rejected":
        return {"type": ["string", "null"], "description": "The selector where it is known; else empty or null."}
    return {"type": "string", "minLength": 1, "description": "The selector's raw UTF-8 bytes: no quotes, no JSON."}
