"""Answers of an external check, kept by a keyed hash of user name and password together. Pure (time is passed in).

By name alone, whoever knows a name would be let in after its owner; with a plain hash, a memory dump would be a list of
passwords to guess at. The key is random and never leaves the process.
"""

import hmac
import os
from collections import OrderedDict


class AnswerCache:
    """Bounded: of each kind, yes and no, the least recently used goes first. Guesses do not push out who is known."""

    def __init__(self, size: int, yes_seconds: float, no_seconds: float) -> None:
        """At most `size` answers of each kind; a yes counts for `yes_seconds`, a no for `no_seconds`."""
        self._key = os.urandom(32)
        self._size = size
        self._seconds = {True: yes_seconds, False: no_seconds}
        self._until: dict[bool, OrderedDict[bytes, float]] = {True: OrderedDict(), False: OrderedDict()}

    def key(self, username: str, password: str) -> bytes:
        """What both are known by here (bytes)."""
        name = username.encode("utf-8", "surrogateescape")
        # The length in front: no two pairs give one text.
        text = len(name).to_bytes(8) + name + password.encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, text, "sha256")

    def get(self, key: bytes, now: float) -> bool | None:
        """The answer that still counts at `now` (s, any clock that only goes forward), or None."""
        for answer, known in self._until.items():
            until = known.get(key)
            if until is None:
                continue
            if now < until:
                known.move_to_end(key)
                return answer
            del known[key]
        return None

    def put(self, key: bytes, answer: bool, now: float) -> None:
        """Remember an answer given at `now`."""
        self._until[not answer].pop(key, None)
        known = self._until[answer]
        known[key] = now + self._seconds[answer]
        known.move_to_end(key)
        if len(known) > self._size:
            known.popitem(last=False)
