"""What was accepted, request by request, so that the topic can be held against it."""

from array import array
from typing import IO

import msgspec

from deploy.simulate.request import Told
from schemas.records import Pair, Report

_encode = msgspec.json.Encoder().encode


class Ledger:
    """Of each request number: whether it was accepted, how often it was sent, and a fingerprint of what it told.

    About 10 bytes a request. With a `record` file each accepted request is also written there, one JSON object a line:
    `number`, `attempts` and what its `reports` record must hold.
    """

    def __init__(self, requests: int, record: IO[bytes] | None = None) -> None:
        self.accepted = bytearray(requests)
        self.attempts = bytearray(requests)
        self.prints = array("q", bytes(8 * requests))
        self._record = record

    def __len__(self) -> int:
        return len(self.accepted)

    def sent(self, number: int, told: Told | None) -> None:
        """Request `number` goes out (again)."""
        self.attempts[number] = min(255, self.attempts[number] + 1)
        self.prints[number] = 0 if told is None else fingerprint(told)

    def accept(self, number: int, told: Told) -> None:
        """Request `number` got its 200."""
        self.accepted[number] = 1
        if self._record is not None:
            line = {"number": number, "attempts": self.attempts[number], **msgspec.structs.asdict(told)}
            self._record.write(_encode(line) + b"\n")


def fingerprint(told: Told | Report) -> int:
    """A 64-bit number that differs when any reported field differs; valid within this process."""
    return hash(
        (
            told.kind,
            told.selector,
            told.username,
            _pair(told.calls),
            _pair(told.other),
            told.install_id,
            told.user_agent,
        )
    )


def _pair(pair: Pair | None) -> tuple[str, str | None] | None:
    return None if pair is None else (pair.token, pair.app_id)
