"""A consumed message, by the members that the roles use."""

from typing import Protocol


class LogRecord(Protocol):
    """aiokafka's `ConsumerRecord`, or a test's."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When the log took it (ms since the epoch)."""

    @property
    def key(self) -> bytes | None:
        """The selector, if its producer was right."""

    @property
    def value(self) -> bytes | None:
        """The record; None is a mistake on `reports`, a tombstone on the changelogs."""
