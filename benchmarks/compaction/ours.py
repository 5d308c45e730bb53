"""Our compactor as shipped, its settings given by the environment as an operator gives them.

Two things are the benchmark's: the name of the topic it reads (all contenders read the same one), and the stamp at the
first record. Both are put in place before the role starts; a run goes through the role's own code.
"""

import sys
from typing import Any

import msgspec

import schemas.topics
from benchmarks.compaction.spec import Spec, on_first_fetch
from schemas.settings import Settings
from schemas.settings_source import read_settings


def settings(spec: Spec) -> Settings:
    """The settings of one worker; everything not named here is the default."""
    return read_settings(
        {
            "PUSHTOKENS_DATA_DIR": spec.data_dir,
            "PUSHTOKENS_KAFKA_BOOTSTRAP": spec.bootstrap,
            "PUSHTOKENS_KAFKA_TOPIC_PREFIX": spec.prefix,
            "PUSHTOKENS_PARTITIONS": str(spec.partitions),
            "PUSHTOKENS_REPLICATION_FACTOR": "1",
            "PUSHTOKENS_COMPACT_GROUP": spec.group,
            "PUSHTOKENS_COMPACT_STORE": spec.store,
            "PUSHTOKENS_COMPACT_INSTANCE_ID": spec.instance,
            "PUSHTOKENS_COMPACT_PROCESSES": str(spec.processes),
            "PUSHTOKENS_LOOKUP_PORT": str(spec.lookup_port),
            "PUSHTOKENS_LOG_LEVEL": "WARNING",
        }
    )


def read_from(reports: str) -> None:
    """Make `topics()` name `reports` as its input; call before any module of the compactor is imported."""
    original = schemas.topics.topics

    def topics(settings: Settings) -> Any:
        found = original(settings)
        return msgspec.structs.replace(found, reports=msgspec.structs.replace(found.reports, name=reports))

    schemas.topics.topics = topics


def main() -> int:
    """Run the role until it is told to stop."""
    spec = Spec.read()
    if spec.processes == 1:
        return one(settings(spec))
    from processors.compactor.processes import Processes

    return Processes(settings(spec), one, frozenset((2, 3))).run()


def one(given: Settings) -> int:
    """One process of the worker."""
    spec = Spec.read()
    read_from(spec.reports)
    if spec.gate:
        on_first_fetch(spec, lambda: None)
    stamp_first_read(spec)
    from processors.compactor.role import run_one

    return run_one(given)


def stamp_first_read(spec: Spec) -> None:
    """Stamp when the first records are about to be parsed: what was fetched while a partition is being taken up (its
    former owner fenced, its table caught up) is fetched again, so the first fetch says nothing."""
    from processors.compactor import merging

    original = merging.read

    def read(*given: Any) -> Any:
        merging.read = original
        spec.first()
        return original(*given)

    merging.read = read


if __name__ == "__main__":
    from benchmarks.compaction.ours import main as importable  # so that other processes find `one` by its name

    sys.exit(importable())
