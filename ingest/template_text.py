"""A template's text taken apart: what stands literally, and where the `%variables%` are. Pure."""

import re
from typing import Final

from msgspec import Struct

from ingest.variables import FALLBACKS, VARIABLES

_VARIABLE: Final = re.compile(r"%([A-Za-z_]\w*(?:\[\w+\])?)%", re.ASCII)
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_LIKE_ESCAPE: Final = re.compile(r"(?=.?\d|[A-F]{2})[0-9A-Fa-f]{2}", re.ASCII)
_KNOWN: Final = {name.casefold(): name for name in (*VARIABLES, *FALLBACKS)}


class TemplateError(ValueError):
    """A template that cannot be used: names the template and says what to change. Raised at start, never later."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"template `{name}`: {reason}")
        self.name = name
        self.reason = reason


class Literal(Struct, frozen=True):
    """Text (str) that every request carries as it stands; in URLs still percent-encoded."""

    text: str


class Variable(Struct, frozen=True):
    """A place the app fills in; `name` without the percent signs, as the specification spells it."""

    name: str


Piece = Literal | Variable


class TextError(ValueError):
    """Text that is no template; the message is the reason of a `TemplateError`."""


def pieces(text: str, *, escaped: bool) -> tuple[Piece, ...]:
    """Split `text` at its variables.

    Args:
        text: part of a template: a path, a value, a JSON string.
        escaped: whether `%41` is an escape there (URL, form) or plain text (JSON).

    Raises:
        TextError: a `%` that starts neither a variable nor an escape, one that may be either, two variables with
            nothing between them, or a name that is known in other letters only.
    """
    found: list[Piece] = []
    at = 0
    for start, end, name in _variables(text, escaped):
        if start > at:
            found.append(Literal(text[at:start]))
        elif found:
            raise TextError(
                f"nothing stands between two variables before %{name}%: no value could be told from another"
            )
        found.append(Variable(name))
        at = end
    if at < len(text):
        found.append(Literal(text[at:]))
    return tuple(found)


def _variables(text: str, escaped: bool) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    at = text.find("%")
    while at >= 0:
        match = _VARIABLE.match(text, at)
        if match and not (escaped and len(match[1]) == 2 and _ESCAPE.match(text, at)):
            found.append((at, match.end(), _check(match[1], escaped)))
            at = text.find("%", match.end())
        elif not escaped or _ESCAPE.match(text, at):
            at = text.find("%", at + 1)
        else:
            raise TextError(f"the % at character {at + 1} starts neither a %variable% nor an escape such as %20")
    return found


def _check(name: str, escaped: bool) -> str:
    if name in VARIABLES or name in FALLBACKS:
        return name
    meant = _KNOWN.get(name.casefold())
    if meant is not None:
        raise TextError(f"%{name}% is spelled %{meant}% in the specification")
    if escaped and _LIKE_ESCAPE.match(name):
        raise TextError(f"%{name}% may be a variable or an escape followed by text: write the escaped sign differently")
    return name
