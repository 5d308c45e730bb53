"""Where settings come from: defaults, a TOML file, the environment; checked once, with errors that name the field.

A secret may be given as `PUSHTOKENS_<NAME>_FILE`, the path of a file that holds it (as orchestrators mount them).
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import msgspec

from schemas.secret import Secret
from schemas.settings import Settings

PREFIX = "PUSHTOKENS_"
CONFIG = PREFIX + "CONFIG"


class SettingsError(ValueError):
    """A setting that cannot be used; the text names the variable or key and what is expected."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from `environ` (name to text) and the TOML file that its `PUSHTOKENS_CONFIG` names.

    Raises:
        SettingsError: a file that cannot be read, an unknown name, or a value of the wrong type or range.
    """
    path = environ.get(CONFIG)
    tree = _read_toml(path) if path else {}
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and name != CONFIG:
            _place(tree, name, text)
    try:
        return _convert(tree)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}" if path and _is_of(path, str(error)) else str(error)) from None


def _is_of(path: str, text: str) -> bool:
    """Whether the file alone, without any variable, gives this error."""
    try:
        _convert(_read_toml(path))
    except SettingsError as error:
        return str(error) == text
    return False


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{CONFIG}: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{CONFIG}: {path} is not valid TOML: {error}") from None


def _convert(tree: dict[str, Any]) -> Settings:
    try:
        return msgspec.convert(tree, Settings, strict=False, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise SettingsError(f"setting {_told(str(error))}") from None


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("Expected `str`")  # msgspec adds where


_EXPECTED = {
    "Expected `int`": "a whole number is expected",
    "Expected `float`": "a number is expected",
    "Expected `bool`": "`true` or `false` is expected",
    "Expected `str`": "text is expected",
}


def _told(text: str) -> str:
    """msgspec's message for people: where first, then what; without "got", since every variable is text."""
    what, _, where = text.partition(" - at `$")
    kind = what.partition(",")[0]
    return f"`{where.strip('.`')}`: {_EXPECTED.get(kind, what)}" if where.strip(".`") else what


def _place(tree: dict[str, Any], name: str, text: str) -> None:
    lower = name[len(PREFIX) :].lower()
    path, kind = _locate(name, lower)
    if kind is Secret and lower.endswith("_file"):
        text = _read_secret(name, text)
    at = tree
    for part in path[:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            raise SettingsError(f"setting `{part}` in the TOML file must be a table")
    at[path[-1]] = _structured(name, text) if get_origin(kind) is tuple else text


def _locate(name: str, lower: str) -> tuple[tuple[str, ...], object]:
    known = _known()
    if lower in known:
        return known[lower]
    stem = lower.removesuffix("_file")
    if stem != lower and stem in known and known[stem][1] is Secret:
        return known[stem]
    raise SettingsError(f"{name} is not a setting; `docs/settings.md` lists them")


def _known() -> dict[str, tuple[tuple[str, ...], object]]:
    """Every setting by its variable's name in lower case without the prefix: its path in the tree and its type."""
    found: dict[str, tuple[tuple[str, ...], object]] = {}
    for top, kind in get_type_hints(Settings).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for inner, inner_kind in get_type_hints(kind).items():
                found[f"{top}_{inner}"] = ((top, inner), inner_kind)
        else:
            found[top] = ((top,), kind)
    return found


def _structured(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{name} must be a JSON list: {error.msg} at character {error.pos}") from None


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: cannot read {path}: {type(error).__name__}") from None
