"""Which pipeline a process is part of: roles say it on `/metrics`, so that none is taken for another's."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from schemas.settings import Settings

METRIC: Final = "pushtokens_pipeline_info"
LABEL: Final = "pipeline"


def pipeline_id(settings: Settings) -> str:
    """Twelve hex digits (str) that roles have in common if they share Kafka, topics and ClickHouse.

    A digest: it tells a stranger nothing of the addresses. The embedded Kafka is the one of a data directory, so that
    counts, too; with a Kafka of your own, roles on different machines have directories of their own.
    """
    parts = [settings.bootstrap, settings.kafka.topic_prefix, settings.clickhouse_url, settings.clickhouse.database]
    if settings.embedded_kafka:
        parts.append(str(Path(settings.data_dir).absolute()))
    return sha256("\n".join(parts).encode()).hexdigest()[:12]
