"""The reports that every contender reads: seeded, so the same selectors and tokens every time.

Each carries both pairs, as the templates of the specification send them. `received_at` is the time of writing, because
the broker stamps the append time and the merge compares the two.
"""

import base64
import hashlib
import random
import time
from collections.abc import Iterator
from typing import Final

from schemas.records import SCHEMA_VERSION, Pair, Report, encode

APP: Final = "com.cloudsoftphone.app"
USER_AGENT: Final = "CloudSoftphone/1.5.6"


class Fleet:
    """A number of selectors, each with the tokens that it has now."""

    def __init__(self, selectors: int, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311  (to be repeatable is the point)
        self._generations = bytearray(selectors)
        self._written = 0

    def first(self) -> Iterator[tuple[bytes, bytes]]:
        """One report of every selector, all of them new: key and value of each message."""
        for number in range(len(self._generations)):
            yield self._report(number)

    def later(self, count: int, changed: float) -> Iterator[tuple[bytes, bytes]]:
        """`count` reports of known selectors; of these the part `changed` (0 to 1) brings a new calls token."""
        for _ in range(count):
            number = self._random.randrange(len(self._generations))
            if self._random.random() < changed:
                self._generations[number] = (self._generations[number] + 1) % 256
            yield self._report(number)

    def rotate(self, number: int) -> tuple[bytes, bytes, str]:
        """A report with a new calls token of one selector: key, value, and the new token."""
        self._generations[number] = (self._generations[number] + 1) % 256
        key, value = self._report(number)
        return key, value, self._token(number, self._generations[number])

    def selector(self, number: int) -> str:
        """The selector of the `number`-th account: a SHA-1 in hex and a suffix (specification, "selector")."""
        digest = hashlib.sha1(f"{self._seed}:{number}".encode(), usedforsecurity=False).hexdigest().upper()
        return f"{digest}:7C3A0D14"

    def _report(self, number: int) -> tuple[bytes, bytes]:
        selector = self.selector(number)
        self._written += 1
        report = Report(
            schema_version=SCHEMA_VERSION,
            id=f"{self._seed & 0xFFFF:04x}{self._written:028x}",
            kind="report",
            received_at=time.time_ns() // 1_000_000,
            selector=selector,
            username=f"user{number}",
            calls=Pair(self._token(number, self._generations[number]), f"{APP}.pushkit"),
            other=Pair(self._token(number, -1), APP),
            user_agent=USER_AGENT,
        )
        return selector.encode(), encode(report)

    def _token(self, number: int, generation: int) -> str:
        """32 bytes in base64, as Apple's tokens are."""
        text = f"{self._seed}/{number}/{generation}".encode()
        return base64.b64encode(hashlib.blake2b(text, digest_size=32).digest()).decode()
