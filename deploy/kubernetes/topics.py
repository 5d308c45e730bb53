"""The topics as Strimzi's `KafkaTopic` resources: what `pushtokens init` would make, for the operator that owns them.

As text, for it is read by people too; JSON strings are YAML strings (YAML 1.2, section 1.3).
"""

import json
from typing import Final

from schemas.settings import Settings
from schemas.topics import TopicSpec, topics

CLUSTER: Final = "push-token"  # metadata.name of the `Kafka` resource
_HEAD: Final = (
    "# Written by `make documents` from schemas/topics.py and pushtokens.toml; `init` makes and checks the same.\n"
)


def topic_manifests(settings: Settings) -> str:
    """One `KafkaTopic` (YAML text) for each topic of these settings."""
    return _HEAD + "---\n".join(_manifest(spec) for spec in topics(settings).all())


def _manifest(spec: TopicSpec) -> str:
    lines = [
        "apiVersion: kafka.strimzi.io/v1",
        "kind: KafkaTopic",
        "metadata:",
        f"  name: {spec.name}",
        "  labels:",
        f"    strimzi.io/cluster: {CLUSTER}",
        "spec:",
        f"  partitions: {spec.partitions}",
        f"  replicas: {spec.replicas}",
        "  config:",
        *(f"    {name}: {json.dumps(value)}" for name, value in spec.config.items()),
    ]
    return "\n".join(lines) + "\n"
