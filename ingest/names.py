"""The names of one place of a template (query, form, JSON object): which is which variable, what is fixed. Pure."""

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote_plus

from msgspec import Struct, field

from ingest.pattern import Pattern, value_pattern
from ingest.template_text import TextError, Variable, pieces
from ingest.variables import Field

AMP: Final = "amp;"


class Names(Struct, frozen=True):
    """What a place holds, by name (str; in lower case where `fold`).

    Attributes:
        patterns: names whose value carries variables.
        literals: names whose value is fixed, with that value as `canonical` text.
        nested: JSON objects inside.
        fold: names match whatever their case.
        whole: names whose value is that of one field as a whole: nearly all, and found without a further look.
    """

    patterns: dict[str, Pattern] = field(default_factory=dict)
    literals: dict[str, str] = field(default_factory=dict)
    nested: "dict[str, Names]" = field(default_factory=dict)
    fold: bool = False
    whole: dict[str, Field] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill `whole`."""
        for name, pattern in self.patterns.items():
            if pattern.regex is None and pattern.fields[0] is not None:
                self.whole[name] = pattern.fields[0]

    def fields(self) -> set[Field]:
        """Every field that some name fills."""
        own = {found for pattern in self.patterns.values() for found in pattern.fields if found is not None}
        return own.union(*(inner.fields() for inner in self.nested.values()))

    def key(self, name: str) -> str:
        """`name` as it is looked up: without `amp;` in front (double-escaped XML), folded where case is free."""
        start = 0
        while name.startswith(AMP, start):  # cut once: a body full of them would be copied as often
            start += len(AMP)
        name = name[start:]
        return name.lower() if self.fold else name


def canonical(value: object) -> str:
    """A fixed value as text (str) for comparison: a string as it is, a JSON number or boolean as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value)


def pair_variables(text: str) -> set[str]:
    """The variables' names in a query or form.

    Raises:
        TextError: as `pieces`.
    """
    return _names_in(pieces(item, escaped=True) for item in text.split("&"))


def pair_names(text: str, meanings: dict[str, Field]) -> Names:
    """The names of a query or form (`a=%b%&c=d`, percent-encoded).

    Raises:
        TextError: a name that is double, holds a variable or is written `amp;…`, a variable without a name, or a value
            that could be split in two ways.
    """
    patterns: dict[str, Pattern] = {}
    literals: dict[str, str] = {}
    for item in filter(None, text.split("&")):
        raw, equals, value = item.partition("=")
        if any(isinstance(part, Variable) for part in pieces(raw, escaped=True)):
            raise TextError(f"`{raw}` has a variable where its name should be")
        if raw.startswith(AMP):
            raise TextError("it holds `&amp;`: write a plain `&`; the account XML is escaped when it is printed")
        name = unquote_plus(raw)
        if name in patterns or name in literals:
            raise TextError(f"it names `{name}` twice")
        parts = pieces(value, escaped=True)
        if any(isinstance(part, Variable) for part in parts):
            patterns[name] = value_pattern(parts, meanings, escaped=True)
        elif equals and value:
            literals[name] = unquote_plus(value)
    return Names(patterns=patterns, literals=literals)


def json_variables(document: object) -> set[str]:
    """The variables' names in the strings of a JSON template.

    Raises:
        TextError: as `pieces`.
    """
    if isinstance(document, str):
        return _names_in([pieces(document, escaped=False)])
    if isinstance(document, dict):
        return set().union(*(json_variables(value) for value in document.values()))
    if isinstance(document, list) and set().union(*(json_variables(value) for value in document)):
        raise TextError("a %variable% inside a JSON list cannot be read back: use an object")
    return set()


def json_names(document: dict[str, Any], meanings: dict[str, Field]) -> Names:
    """The names of a JSON object, and of the objects in it.

    Raises:
        TextError: a key that holds a variable, or a value that could be split in two ways.
    """
    patterns: dict[str, Pattern] = {}
    literals: dict[str, str] = {}
    nested: dict[str, Names] = {}
    for name, value in document.items():
        if _names_in([pieces(name, escaped=False)]):
            raise TextError(f"`{name}` has a variable where its name should be")
        if isinstance(value, dict):
            nested[name] = json_names(value, meanings)
        elif isinstance(value, str) and _names_in([parts := pieces(value, escaped=False)]):
            patterns[name] = value_pattern(parts, meanings, escaped=False)
        elif value is not None and value != "" and not isinstance(value, list):
            literals[name] = canonical(value)
    return Names(patterns=patterns, literals=literals, nested=nested)


def parse_json(text: str) -> dict[str, Any]:
    """The JSON object (dict) of a template's post data.

    Raises:
        TextError: not JSON, not an object, or a key that stands twice.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (json.JSONDecodeError, RecursionError) as error:
        at = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        raise TextError(f"its post data is not JSON{at}: a %variable% must stand inside quotation marks") from None
    if not isinstance(document, dict):
        raise TextError("its post data must be a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise TextError("its JSON names a key twice")
    return document


def _names_in(texts: "Iterable[tuple[Any, ...]]") -> set[str]:
    return {part.name for parts in texts for part in parts if isinstance(part, Variable)}
