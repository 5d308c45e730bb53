"""Whether two templates could both claim one request: then it would be chance which of them reads it. Pure."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from ingest.pattern import Pattern
from ingest.template import Compiled, Path
from ingest.template_text import Literal
from ingest.variables import TOKENS

# One step of a path: a sign (str), or a run of any signs with (True) or without (False) `/`.
_Step = str | bool
_SLASH: Final = "/"


def paths_meet(one: Path, other: Path) -> bool:
    """Whether some path fits both. Walks the two side by side, as one would two automata; variables may be empty."""
    return any(
        _meet(left, right, free_end=left_free and right_free)
        for left, left_free in _shapes(one)
        for right, right_free in _shapes(other)
    )


def literals_differ(one: Compiled, other: Compiled) -> bool:
    """Whether some name has a fixed value in both, and not the same."""
    return any(
        name in right.literals and right.literals[name] != value
        for left, right in ((one.query, other.query), (one.body, other.body))
        for name, value in left.literals.items()
    )


def _shapes(path: Path) -> list[tuple[list[_Step], bool]]:
    """The forms a path may come in, each with whether its last sign may be a `/` (`ingest.template.Path.end`)."""
    steps = list(_parts(path, path.pattern))
    if path.end == "exact":
        return [(steps, True)]
    return [(steps, path.end == "open"), ([*steps, _SLASH], True)]


def _parts(path: Path, pattern: Pattern) -> Iterator[_Step]:
    order = 0
    for part in path.parts:
        if isinstance(part, Literal):
            yield from unquote(part.text, errors="surrogateescape")
        else:
            yield pattern.fields[order] in TOKENS
            order += 1


def _meet(one: list[_Step], other: list[_Step], *, free_end: bool) -> bool:
    seen: set[tuple[int, int, bool]] = set()
    todo = [(0, 0, False)]  # how far each has got, and whether the last sign was a `/`
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        if at[:2] == (len(one), len(other)) and (free_end or not at[2]):
            return True
        todo.extend(_next(one, other, *at))
    return False


def _next(one: list[_Step], other: list[_Step], i: int, j: int, slash: bool) -> Iterator[tuple[int, int, bool]]:
    left = one[i] if i < len(one) else None
    right = other[j] if j < len(other) else None
    if isinstance(left, bool):
        yield i + 1, j, slash
    if isinstance(right, bool):
        yield i, j + 1, slash
    if left is None or right is None:
        return
    # A run of signs stays where it is after one more of them.
    after = (i if isinstance(left, bool) else i + 1), (j if isinstance(right, bool) else j + 1)
    for is_slash in (False, True):
        if _allows(left, is_slash) and _allows(right, is_slash) and _same(left, right):
            yield *after, is_slash


def _allows(step: _Step, slash: bool) -> bool:
    return (step == _SLASH) is slash if isinstance(step, str) else not slash or step


def _same(left: _Step, right: _Step) -> bool:
    return left == right or not (isinstance(left, str) and isinstance(right, str))
