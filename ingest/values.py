"""What a sent value means: absent, or the text that goes into the record. Pure (design.md section 3)."""

import re
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from ingest.refusal import RefusedError
from ingest.variables import PLACEHOLDER, TOKENS, Field

# What apps and servers in the field send for "I have none" (companions.md; the specification's "null value").
_ABSENT: Final = frozenset({"", "null", "(null)"})
SPACES: Final = " \t\r\n"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Most values, decoded or not: printable ASCII with nothing in it to decide. (`null` and `(null)`: by the first sign.)
PLAIN: Final = re.compile(r"[!-$&')*,-MO-mo-~][!-$&-*,-~]*", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)
# The specification's selector: "a SHA1 hash with a suffix".
_SELECTOR: Final = re.compile(r"[0-9A-Fa-f]{40}:[0-9A-Fa-f]{1,16}", re.ASCII)
_PHONE: Final = re.compile(r"\+\d+", re.ASCII)
_AT: Final = re.compile("@|%40")
# Nearly every escape is of an ASCII sign: twice as fast as `urllib.parse.unquote`, which knows the others.
_ESCAPES: Final = {a + b: chr(int(a + b, 16)) for a in "01234567" for b in "0123456789abcdefABCDEF"}


class Limits(Struct, frozen=True):
    """What a value may be: at most `max_field` bytes of UTF-8; with `strict_selector` only the specification's form."""

    max_field: int = 4096
    strict_selector: bool = False

    @property
    def max_plain(self) -> int:
        """How long a plain value may be (characters) that needs no further look; 0: every value needs one."""
        return 0 if self.strict_selector else self.max_field


def decode_path(field: Field, raw: str) -> str:
    """A raw value of a path (str) decoded; `+` is itself there. An unfilled variable stays, for `normalise` to know.

    Raises:
        RefusedError: 400, escapes that are not UTF-8.
    """
    return raw if _unsubstituted(raw) else _unquote(field, raw)


def decode_pair(field: Field, raw: str) -> str:
    """A raw value of a query or form (str) decoded. `+` means a space there, but not everyone encodes it.

    In a token or inside a selector it stays `+`; in a user name too if that is a telephone number or has an `@`. An
    unfilled variable stays as it is, for `normalise` to know.

    Raises:
        RefusedError: 400, escapes that are not UTF-8.
    """
    if "%" not in raw and "+" not in raw:
        return raw
    if _unsubstituted(raw):
        return raw
    if "+" in raw:
        if field == "username":
            raw = _plus_in_username(raw)
        elif field == "selector":
            raw = raw.strip("+")
        elif field not in TOKENS:
            raw = raw.replace("+", " ")
    return _unquote(field, raw)


def normalise(field: Field, text: str, limits: Limits) -> str | None:
    """The value of `field` (str), or None if `text` means *absent*.

    Surrounding spaces go; a space inside a token was a `+` before somebody decoded it twice. Nothing else changes.

    Raises:
        RefusedError: 400, a control character, too long, not a token, or (strict) not a selector.
    """
    if PLAIN.fullmatch(text) and len(text) <= limits.max_plain:
        return text
    text = text.strip(SPACES)
    # Nothing but `+`: spaces, as a form writes them.
    if text.lower() in _ABSENT or not text.strip("+") or _unsubstituted(text):
        return None
    if field in TOKENS and " " in text:
        text = text.replace(" ", "+")
    if not (text.isascii() and text.isprintable()) and _CONTROL.search(text):
        raise RefusedError(400, "control_character", f"{field} holds a control character", field)
    if len(text) > limits.max_field or len(text.encode()) > limits.max_field:
        raise RefusedError(400, "too_long", f"{field} is longer than {limits.max_field} bytes", field)
    if field in TOKENS and not _TOKEN.fullmatch(text):
        raise RefusedError(400, "not_a_token", f"{field} holds characters that no push token has", field)
    if limits.strict_selector and field == "selector" and not _SELECTOR.fullmatch(text):
        raise RefusedError(400, "not_a_selector", "selector is not a SHA1 hash with a suffix", field)
    return text


def absent_form(text: str) -> str:
    """How a value that means *absent* says so: `empty`, `null`, `(null)`, or `placeholder` for an unfilled variable."""
    text = text.strip(SPACES).lower()
    if text in _ABSENT and text:
        return text
    return "placeholder" if _unsubstituted(text) else "empty"


def _unsubstituted(text: str) -> bool:
    return text[:1] == "%" == text[-1:] and PLACEHOLDER.fullmatch(text) is not None


def _unquote(field: Field, raw: str) -> str:
    if "%" not in raw:
        return raw
    first, *rest = raw.split("%")
    try:
        return first + "".join([_ESCAPES[part[:2]] + part[2:] for part in rest])
    except KeyError:  # not ASCII, or not an escape
        pass
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise RefusedError(400, "not_utf8", f"{field} is not UTF-8", field) from None


def _plus_in_username(raw: str) -> str:
    """A user name with its `+` decided: at the end, and in front of anything but a digit, it was a space."""
    core = raw.rstrip("+")
    if not core[1:2].isdecimal():
        core = core.lstrip("+")
    return core if _PHONE.fullmatch(core) or _AT.search(core) else core.replace("+", " ")
