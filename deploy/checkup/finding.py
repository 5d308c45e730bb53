"""One check of the doctor's, and a fact that several of them look at."""

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "note", "fail"]


class Disk(Struct, frozen=True, kw_only=True):
    """A disk: its name, and bytes."""

    name: str
    free: int
    total: int


class Finding(Struct, frozen=True):
    """One check: its name, its verdict (`note`: nothing wrong, but worth knowing) and a line that says what to do."""

    check: str
    verdict: Verdict
    detail: str
