"""All templates in force: checked against each other at start, searched by path and method for each request. Pure."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from ingest.builtin import builtin
from ingest.overlap import literals_differ, paths_meet
from ingest.pattern import Pattern
from ingest.template import Compiled, compile_template
from ingest.template_text import TemplateError
from ingest.variables import Field
from schemas.settings import Settings

_NONE: Final[tuple[tuple[Field, str], ...]] = ()


class Candidate(Struct, frozen=True):
    """A template whose path fits a request, with the raw values (str, percent-encoded) found in the path."""

    template: Compiled
    values: tuple[tuple[Field, str], ...]


class TemplateSet:
    """Templates that cannot be mistaken for one another."""

    def __init__(self, templates: Iterable[Compiled]) -> None:
        """Check and index `templates`.

        Raises:
            TemplateError: two of one name, or two that could claim one request.
        """
        self.templates = _methods(_checked(list(templates)))
        self._fixed: dict[str, list[Candidate]] = {}
        # Reports and their removals share a path: it is looked at once.
        self._patterns: dict[tuple[Pattern, str], list[Compiled]] = {}
        self._known: dict[str, list[Candidate]] = {}
        for template in self.templates:
            self._index(template)
        # Fixed paths are most of the traffic: everything that fits them is found once.
        self._known = {path: self._search(path) for bare in self._fixed for path in (bare or "/", f"{bare}/")}

    def find(self, raw_path: str) -> list[Candidate]:
        """The templates whose path is `raw_path` (str, percent-encoded as it came), whatever their method."""
        found = self._known.get(raw_path)
        return self._search(raw_path) if found is None else found

    def _search(self, raw_path: str) -> list[Candidate]:
        bare = raw_path[:-1] if raw_path.endswith("/") else raw_path
        found = list(self._fixed.get(bare, ()))
        for (pattern, end), templates in self._patterns.items():
            values = pattern.values(bare if end == "closed" else raw_path)
            if values is None and end == "open":
                values = pattern.values(bare)
            if values is not None:
                found += [Candidate(template, tuple(values)) for template in templates]
        return found

    def _index(self, template: Compiled) -> None:
        path = template.path
        fixed = "".join(getattr(part, "text", "%") for part in path.parts)
        if path.pattern.fields or "%" in fixed:
            self._patterns.setdefault((path.pattern, path.end), []).append(template)
        else:
            self._fixed.setdefault(fixed, []).append(Candidate(template, _NONE))


def template_set(settings: Settings) -> TemplateSet:
    """The operator's templates, or the built-in ones where there are none.

    Raises:
        TemplateError: a template that cannot be used, or two that overlap.
    """
    if not settings.templates:
        return TemplateSet(builtin())
    return TemplateSet([compile_template(template) for template in settings.templates])


def _checked(templates: list[Compiled]) -> list[Compiled]:
    for at, one in enumerate(templates):
        for other in templates[:at]:
            if one.name == other.name:
                raise TemplateError(one.name, "two templates have this name")
            common = one.methods & other.methods
            if common and paths_meet(one.path, other.path) and not literals_differ(one, other):
                methods = " and ".join(sorted(common))
                raise TemplateError(
                    one.name,
                    f"a {methods} request could be meant for template `{other.name}` as well: "
                    "give them different paths, methods or fixed values",
                )
    guarded = any(template.kind == "report" and template.auth != "none" for template in templates)
    return [
        msgspec.structs.replace(template, removals_off=True)
        if guarded and template.kind == "removal" and template.auth == "none"
        else template
        for template in templates
    ]


def _methods(templates: list[Compiled]) -> list[Compiled]:
    """Each template with the methods it takes: its own, and those open to it that no other one at its path wants."""

    def wanted_by_others(template: Compiled) -> set[str]:
        others = (other for other in templates if other is not template and paths_meet(template.path, other.path))
        return {method for other in others for method in other.methods | other.open_methods}

    return [
        msgspec.structs.replace(
            template,
            methods=template.methods | (template.open_methods - wanted_by_others(template)),
            open_methods=frozenset(),
        )
        for template in templates
    ]
