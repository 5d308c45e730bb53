"""docs/http-answers.md, written from the table of cases: `python -m tests.fuzz.answers`."""

import re
from pathlib import Path
from typing import Final

from tests.fuzz import cases_body, cases_framing, cases_line, cases_target
from tests.fuzz.case import OTHER, SELECTOR, TOKEN, Case

PAGE: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "http-answers.md"
GROUPS: Final[dict[str, list[Case]]] = {
    "Where a body ends": cases_framing.LENGTHS,
    "Chunks": cases_framing.CODINGS,
    "Halves, and several in a row": cases_framing.HALVES,
    "The request line": cases_line.LINES,
    "Forms of target, methods": cases_line.FORMS,
    "Header fields": cases_line.FIELDS,
    "Escapes and UTF-8 in the target": cases_target.ESCAPES,
    "Paths": cases_target.PATHS,
    "Parameters that repeat or conflict": cases_target.REPEATED,
    "Types of body": cases_body.TYPES,
    "Forms": cases_body.FORMS,
    "JSON": cases_body.JSONS,
}
CASES: Final = [case for cases in GROUPS.values() for case in cases]

INTRODUCTION: Final = """# What strange requests are answered

Every row is sent to a running ingress, over a socket, by `make fuzz` (`tests/fuzz/test_raw_socket.py`). The page is
written from that test's own table (`python -m tests.fuzz.answers`, part of `make documents`), and the test fails when
they differ. Built-in templates, default sizes, short deadlines. For each row it is checked that

- these answers come, no others, in time; each 200 has its record in Kafka, and nothing else has one;
- the connection then *stays* and takes another request, or is *closed*, and what came behind was not read as a request;
- a fresh connection is served at once; neither answers, log nor `push-token.rejected` hold a token.

`S` stands for a selector, `T` for a token, `⏎` for CR LF, `\\x00` for a byte, `a×9` for nine of them. `Host: t` and
the form's content type are left out. A 408 comes at the deadline. What is not HTTP (400 with the reason `not_http`)
leaves no record in `push-token.rejected`.
"""

_LONG: Final = 110
_AGAIN: Final = re.compile(r"(.{1,9}?)\1{15,}", re.DOTALL)


def page() -> str:
    """The page (str)."""
    parts = [INTRODUCTION]
    for title, cases in GROUPS.items():
        parts.append(f"\n## {title}\n\n| case | sent | answer | then | why |\n|---|---|---|---|---|\n")
        parts += [_row(case) for case in cases]
    return "".join(parts)


def _row(case: Case) -> str:
    answers = ", ".join(_counted(case.answers)) or "none"
    then = "stays" if case.stays else "closed"
    how = {
        "": "",
        "half-close": ", then ends its side",
        "stall": ", then silence",
        "drip": ", then a byte now and then",
    }
    sent = case.shown or f"`{_shown(case.sent)}`"
    return f"| {_cell(case.about)} | {_cell(sent)}{how[case.then]} | {answers} | {then} | {_cell(case.why)} |\n"


def _counted(answers: tuple[int, ...]) -> list[str]:
    found: list[tuple[int, int]] = []
    for status in answers:
        if found and found[-1][0] == status:
            found[-1] = (status, found[-1][1] + 1)
        else:
            found.append((status, 1))
    return [f"{status} × {times}" if times > 3 else ", ".join([str(status)] * times) for status, times in found]


def _shown(sent: bytes) -> str:
    """The bytes as a reader can take them in."""
    text = sent.decode("latin-1")
    for plain, short in (
        (SELECTOR, "S"),
        (OTHER, "OTHER"),
        (TOKEN, "T"),
        ("Content-Type: application/x-www-form-urlencoded\r\n", ""),
        ("Host: t\r\n", ""),
        ("\r\n", "⏎"),
    ):
        text = text.replace(plain, short)
    text = _AGAIN.sub(lambda match: f"{match[1]}×{len(match[0]) // len(match[1])}", text)
    text = "".join(
        sign if sign.isprintable() and (sign.isascii() or sign in "⏎×") else f"\\x{ord(sign):02x}" for sign in text
    )
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
