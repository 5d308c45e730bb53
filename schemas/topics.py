"""The topics and their configuration (design.md section 2)."""

from typing import Final

from msgspec import Struct

from schemas.settings import Settings

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000


class TopicSpec(Struct, frozen=True, kw_only=True):
    """A topic as `init` creates it: name, partitions (fixed after `init`), replication factor, and topic configs."""

    name: str
    partitions: int
    replicas: int
    config: dict[str, str]


class Topics(Struct, frozen=True, kw_only=True):
    """The five topics by role. `removals` is the compactor's own: what it must remember of removed selectors."""

    reports: TopicSpec
    latest: TopicSpec
    changes: TopicSpec
    rejected: TopicSpec
    removals: TopicSpec

    def all(self) -> tuple[TopicSpec, ...]:
        """Every topic, in the order in which `init` creates them."""
        return (self.reports, self.latest, self.changes, self.rejected, self.removals)


def topics(settings: Settings) -> Topics:
    """The topics for these settings."""

    def spec(name: str, **config: object) -> TopicSpec:
        return TopicSpec(
            name=f"{settings.kafka.topic_prefix}.{name}",
            partitions=settings.partition_count,
            replicas=settings.replicas,
            config=_config(settings.replicas, config),
        )

    compacted = {
        "cleanup_policy": "compact",
        "max_compaction_lag_ms": _DAY_MS,
        "segment_ms": 6 * _HOUR_MS,
    }
    return Topics(
        reports=spec(
            "reports", cleanup_policy="delete", retention_ms=30 * _DAY_MS, message_timestamp_type="LogAppendTime"
        ),
        latest=spec("latest", delete_retention_ms=7 * _DAY_MS, **compacted),
        changes=spec("changes", cleanup_policy="delete", retention_ms=30 * _DAY_MS),
        # 256 MiB a partition: a flood of refused requests ends there, and never fills the disk of what is accepted.
        rejected=spec(
            "rejected",
            cleanup_policy="delete",
            retention_ms=7 * _DAY_MS,
            retention_bytes=256 * 1024 * 1024,
            segment_bytes=64 * 1024 * 1024,
        ),
        removals=spec("removals", **compacted),
    )


def _config(replicas: int, config: dict[str, object]) -> dict[str, str]:
    """Topic configs by Kafka's names. Where there are three replicas, two must confirm (design.md section 2)."""
    durable: dict[str, object] = {
        "min_insync_replicas": 2 if replicas >= 3 else 1,
        "unclean_leader_election_enable": "false",
    }
    return {name.replace("_", "."): str(value) for name, value in (durable | config).items()}
