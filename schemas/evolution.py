"""What a change of a JSON Schema breaks for those who read or write by the published one.

The rule of the house is stricter than "an old reader copes": a later version only adds optional fields. So a published
field keeps its name, its types, its bounds and whether it is always there; texts for people may change.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Node = Mapping[str, Any]

# For people; and where a document is, which is compared by its `$id`.
_ANNOTATIONS: Final = frozenset(
    ("title", "description", "examples", "$comment", "deprecated", "$schema", "$defs", "$id")
)
_STRUCTURE: Final = frozenset(
    ("type", "anyOf", "oneOf", "$ref", "properties", "required", "additionalProperties", "items")
)
_HANDLED: Final = _ANNOTATIONS | _STRUCTURE | {"default"}
_CLOSED: Final = ("enum", "const")


def broken_promises(published: Node, current: Node) -> list[str]:
    """Why `current` may not take the place of `published` (JSON Schemas as `schemas/json` has them); empty: it may.

    Each line names the field as a path (`calls.token`) and says what was and what is.
    """
    found: list[str] = []
    if published.get("$id") != current.get("$id"):
        found.append(f"the name was {published.get('$id')}, is {current.get('$id')}")
    return found + list(_compare(_Place(published, published), _Place(current, current), "", frozenset()))


class _Place:
    """A node with the document that its references lead into."""

    def __init__(self, document: Node, node: Node) -> None:
        self.document = document
        self.node = node
        self.default = node.get("default", ...)  # stands beside a reference or a choice, not in it
        while "$ref" in self.node:
            at: Any = document
            for part in str(self.node["$ref"]).removeprefix("#/").split("/"):
                at = at[part]
            self.node = at

    def at(self, node: Node) -> "_Place":
        return _Place(self.document, node)

    def options(self) -> dict[str, "_Place"]:
        """The node by its JSON types: `{"object": …, "null": …}`; `any` where it says none."""
        for several in ("anyOf", "oneOf"):
            if several in self.node:
                parts = [self.at(part) for part in self.node[several]]
                return {name: place for part in parts for name, place in part.options().items()}
        kind = self.node.get("type") or _types_of(self.node.get("enum", [])) or "any"
        return dict.fromkeys(kind if isinstance(kind, list) else [kind], self)


def _compare(old: _Place, new: _Place, path: str, seen: frozenset[int]) -> Iterator[str]:
    if id(old.node) in seen:
        return  # a record that holds itself
    seen = seen | {id(old.node)}
    if old.default != new.default:
        yield _line(path, f"the default was {_shown(old.default)}, is {_shown(new.default)}")
    before, after = old.options(), new.options()
    if before.keys() != after.keys():
        yield _line(path, f"the type was {_types(before)}, is {_types(after)}")
    for kind in (kind for kind in before if kind in after):
        yield from _same_bounds(before[kind].node, after[kind].node, path)
        if kind in ("object", "any"):
            yield from _object(before[kind], after[kind], path, seen)
        if kind in ("array", "any"):
            yield from _part("items", before[kind], after[kind], f"{path}[]", seen)


def _object(old: _Place, new: _Place, path: str, seen: frozenset[int]) -> Iterator[str]:
    before, after = old.node.get("properties", {}), new.node.get("properties", {})
    always, now_always = set(old.node.get("required", ())), set(new.node.get("required", ()))
    for name in before:
        where = f"{path}.{name}".lstrip(".")
        if name not in after:
            yield _line(where, "the field is gone")
            continue
        if name in always - now_always:
            yield _line(where, "it was always there, and may now be missing")
        if name in now_always - always:
            yield _line(where, "it was optional, and is now required")
        yield from _compare(old.at(before[name]), new.at(after[name]), where, seen)
    for name in sorted((now_always - always) - before.keys()):
        yield _line(f"{path}.{name}".lstrip("."), "a new field is required; it must be optional")
    yield from _part("additionalProperties", old, new, f"{path}.*".lstrip("."), seen)


def _part(keyword: str, old: _Place, new: _Place, path: str, seen: frozenset[int]) -> Iterator[str]:
    """A keyword whose value is a schema, or true (the default), or false."""
    before, after = old.node.get(keyword, True), new.node.get(keyword, True)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _compare(old.at(before), new.at(after), path, seen)
    elif before != after:
        yield _line(path, f"{keyword} was {_shown(before)}, is {_shown(after)}")


def _same_bounds(before: Node, after: Node, path: str) -> Iterator[str]:
    for keyword in sorted((before.keys() | after.keys()) - _HANDLED):
        was, now = before.get(keyword, ...), after.get(keyword, ...)
        if was == now:
            continue
        if was is ... and keyword in _CLOSED:
            yield _line(path, f"it was open, and is closed to {now}")
        else:
            yield _line(path, f"{keyword} was {_shown(was)}, is {_shown(now)}")


def _types_of(values: list[Any]) -> list[str]:
    """The JSON types of an `enum`, which may come without `type`."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return sorted({names.get(type(value), "any") for value in values})


def _types(options: Mapping[str, object]) -> str:
    return " or ".join(options)


def _shown(value: object) -> str:
    return "not there" if value is ... else str(value)


def _line(path: str, text: str) -> str:
    return f"{path}: {text}" if path else text
