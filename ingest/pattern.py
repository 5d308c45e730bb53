"""One place of a template as a parser: a text with variables becomes an expression that finds each value again. Pure.

A text is accepted only if no two splits of a request can fit it: at most one variable may hold the separators around
it; those before it are found from the left, those after it from the right. Which characters a value may hold raw is
`ingest.variables.ALPHABETS`.
"""

import re
import string
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from ingest.template_text import Literal, Piece, TextError, Variable
from ingest.variables import FALLBACKS, TOKENS, VARIABLES, Field, alphabet

# RFC 3986 `pchar`, and `/`: a client leaves these as they are in a path.
_PATH_SIGNS: Final = frozenset(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/")
_UNRESERVED: Final = frozenset(string.ascii_letters + string.digits + "-._~")


class Pattern(Struct, frozen=True):
    """A parser of one place.

    Attributes:
        regex: matches the whole raw text; group N is the raw value of `fields[N]`. None: the text is one value.
        fields: what each value fills; None: dropped.
    """

    regex: re.Pattern[str] | None
    fields: tuple[Field | None, ...]

    def values(self, raw: str) -> list[tuple[Field, str]] | None:
        """Each field with its raw value (str, still encoded; may be empty), or None if the text does not fit."""
        if self.regex is None:
            field = self.fields[0]
            return [] if field is None else [(field, raw)]
        match = self.regex.fullmatch(raw)
        if match is None:
            return None
        return [(field, match[at]) for at, field in enumerate(self.fields, 1) if field is not None]


def path_pattern(parts: tuple[Piece, ...], meanings: dict[str, Field]) -> Pattern:
    """The parser of a raw path (str, percent-encoded). A token may hold a raw `/`, no other value does.

    Raises:
        TextError: two splits of a path could fit.
    """
    return _pattern(parts, meanings, context="path")


def value_pattern(parts: tuple[Piece, ...], meanings: dict[str, Field], *, escaped: bool) -> Pattern:
    """The parser of one query, form (`escaped`) or JSON value.

    Raises:
        TextError: two splits of a value could fit.
    """
    if len(parts) == 1 and isinstance(parts[0], Variable):
        return Pattern(regex=None, fields=(meanings.get(parts[0].name),))
    return _pattern(parts, meanings, context="query" if escaped else "json")


def meanings(names: set[str]) -> dict[str, Field]:
    """What each of a template's variables means; those without a meaning are left out (their values are dropped)."""
    found = {name: VARIABLES[name] for name in names if name in VARIABLES}
    taken = set(found.values())
    found.update((name, FALLBACKS[name]) for name in names if name in FALLBACKS and FALLBACKS[name] not in taken)
    return found


def _pattern(parts: tuple[Piece, ...], meanings: dict[str, Field], context: str) -> Pattern:
    places = [at for at, part in enumerate(parts) if isinstance(part, Variable)]
    fields = tuple(meanings.get(part.name) for part in parts if isinstance(part, Variable))
    widest = _widest(parts, places, fields)
    expression = ""
    order = 0
    for at, part in enumerate(parts):
        if isinstance(part, Literal):
            expression += _literal(part.text, context)
            continue
        stop = ""
        if order < widest:
            stop = _text(parts[at + 1])[0]
        elif order > widest:
            stop = _text(parts[at - 1])[-1]
        expression += f"({_class(fields[order], stop, context)})"
        order += 1
    return Pattern(regex=re.compile(expression, re.DOTALL), fields=fields)


def _widest(parts: tuple[Piece, ...], places: list[int], fields: tuple[Field | None, ...]) -> int:
    """Which variable may hold its separators (its order). The others must not: that makes the split certain."""
    ends_left = [
        at + 1 < len(parts) and _text(parts[at + 1])[0] not in alphabet(f) for at, f in zip(places, fields, strict=True)
    ]
    ends_right = [at > 0 and _text(parts[at - 1])[-1] not in alphabet(f) for at, f in zip(places, fields, strict=True)]
    for widest in range(len(places)):
        if all(ends_left[:widest]) and all(ends_right[widest + 1 :]):
            return widest
    if not places:
        return 0
    names = " and ".join(f"%{part.name}%" for part in parts if isinstance(part, Variable))
    raise TextError(
        f"what stands between {names} may be part of their values: separate them by a sign they cannot hold"
    )


def _text(part: Piece) -> str:
    return unquote(part.text, errors="surrogateescape") if isinstance(part, Literal) else ""


def _class(field: Field | None, stop: str, context: str) -> str:
    """The expression of a value, up to `stop` (one sign, or empty for none)."""
    excluded = stop if context != "path" or field in TOKENS else stop + "/"
    return f"[^{re.escape(excluded)}]*" if excluded else ".*"


def _literal(text: str, context: str) -> str:
    if context == "json":
        return re.escape(text)
    if context == "query":
        return "".join(_sign(sign, context) for sign in unquote(text, errors="surrogateescape"))
    # An escaped slash separates nothing, so it stays apart from a raw one.
    chunks = re.split(r"(%2[Ff])", text)
    expression = "".join(
        "%2[Ff]" if at % 2 else "".join(_sign(sign, context) for sign in unquote(chunk, errors="surrogateescape"))
        for at, chunk in enumerate(chunks)
    )
    # `&` from account XML that was escaped twice arrives as `&amp;` (companions.md).
    return expression.replace("&", "&(?:amp;)*")


def _sign(sign: str, context: str) -> str:
    """A literal sign as a client may send it: raw, percent-encoded where a client may or must, `+` for a space."""
    if sign in _UNRESERVED or (context == "path" and sign in _PATH_SIGNS):
        return re.escape(sign)
    escapes = "".join(f"(?i:%{byte:02X})" for byte in sign.encode("utf-8", "surrogateescape"))
    return f"(?:{re.escape(sign)}|{escapes}{'|[+]' if sign == ' ' and context == 'query' else ''})"
