"""Until when Kafka's topics still hold copies of what was forgotten: by their own configs, as they are."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from msgspec import Struct

from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import Topics, topics

_LONGEST_MS: Final = 1000 * 365 * 86_400_000
# Kafka's defaults ("Topic Configs"); no limit, a week, no limit, a day.
_DEFAULTS: Final = {
    "retention.ms": -1,
    "segment.ms": 604_800_000,
    "max.compaction.lag.ms": 2**63 - 1,
    "delete.retention.ms": 86_400_000,
}
KEPT: Final = "the selector alone, so that nothing brings it back"


class Copies(Struct, frozen=True):
    """Copies on a topic: which, and until when at the latest (UTC; None: without end)."""

    topic: str
    what: str
    until: datetime | None


async def copies(settings: Settings, now: datetime | None = None) -> list[Copies]:
    """What the topics hold of what was written before `now` (default: now).

    Raises:
        aiokafka.errors.KafkaError: Kafka.
    """
    found = topics(settings)
    names = [spec.name for spec in found.all()]
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_DEFAULTS, "")) for name in names]
    admin = AIOKafkaAdminClient(**client_options(settings, "forget"), request_timeout_ms=10_000)
    await admin.start()
    try:
        resources = [resource for part in await admin.describe_configs(asked) for resource in part.resources]
    finally:
        await admin.close()
    for resource in resources:
        if resource[0]:
            raise for_code(resource[0])(f"the configs of topic {resource[3]} cannot be read")
    configs = {resource[3]: {entry[0]: entry[1] for entry in resource[4]} for resource in resources}
    return _told(found, configs, now or datetime.now(UTC))


def _told(found: Topics, configs: Mapping[str, Mapping[str, str]], now: datetime) -> list[Copies]:
    latest = configs[found.latest.name]
    return [
        Copies(found.reports.name, "what was reported", expired(configs[found.reports.name], now)),
        Copies(found.changes.name, "how it changed", expired(configs[found.changes.name], now)),
        Copies(found.rejected.name, "what was refused, tokens masked", expired(configs[found.rejected.name], now)),
        Copies(found.latest.name, "earlier pairs", superseded(latest, now)),
        Copies(found.latest.name, "the selector alone (a tombstone)", tombstone_gone(latest, now)),
        Copies(found.removals.name, KEPT, None),
    ]


def expired(config: Mapping[str, str], now: datetime) -> datetime | None:
    """When the last record written before `now` has left a topic with `cleanup.policy=delete`, at the latest.

    A segment goes `retention.ms` after its newest record, and takes records for `segment.ms` (Kafka, "Topic Configs").
    None: no limit is set. The broker's own time (minutes) comes on top.
    """
    retention = _number(config, "retention.ms")
    return _after(now, -1 if retention < 0 else retention + _number(config, "segment.ms"))


def superseded(config: Mapping[str, str], now: datetime) -> datetime | None:
    """When values that a later record of the same key took the place of at `now` have left a compacted topic: after
    `max.compaction.lag.ms`, which also bounds how long a segment takes records. None: no limit is set."""
    return _after(now, _number(config, "max.compaction.lag.ms"))


def tombstone_gone(config: Mapping[str, str], now: datetime) -> datetime | None:
    """When a tombstone of `now` has left a compacted topic: a first cleaning starts its `delete.retention.ms`, and the
    next cleaning after that takes it (KIP-534)."""
    return _after(now, 2 * _number(config, "max.compaction.lag.ms") + _number(config, "delete.retention.ms"))


def _number(config: Mapping[str, str], name: str) -> int:
    return int(config.get(name, _DEFAULTS[name]))


def _after(now: datetime, wait: int) -> datetime | None:
    return now + timedelta(milliseconds=wait) if 0 <= wait <= _LONGEST_MS else None
