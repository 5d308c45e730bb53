"""One check of the doctor's."""

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "note", "fail"]


class Finding(Struct, frozen=True):
    """One check: its name, its verdict (`note`: nothing wrong, but worth knowing) and a line that says what to do."""

    check: str
    verdict: Verdict
    detail: str
