"""What one request says, as it is being read. Pure."""

import hmac

from ingest.names import Names
from ingest.refusal import RefusedError
from ingest.template import Compiled
from ingest.values import Limits, absent_form, normalise
from ingest.variables import Field


class MismatchError(RefusedError):
    """A fixed value of the template is missing or another: the request may be meant for another template."""


class Reading:
    """What one request says.

    `values` holds the fields present (dict of str), `absent` the fields said to be absent with the form of that
    (`ingest.values.absent_form`), `secrets` what came as shared secret.
    """

    def __init__(self, template: Compiled, limits: Limits) -> None:
        self.template = template
        self.values: dict[Field, str] = {}
        self.absent: list[tuple[Field, str]] = []
        self.secrets: list[str] = []
        self._limits = limits
        self.max_plain = limits.max_plain
        self._fixed: set[str] = set()

    def put(self, field: Field, text: str) -> None:
        """Take one decoded value.

        Raises:
            RefusedError: 400, a value that cannot be, or another one than before for the same field.
        """
        value = normalise(field, text, self._limits)
        if value is None:
            self.absent.append((field, absent_form(text)))
        else:
            self.take(field, value)

    def take(self, field: Field, value: str) -> None:
        """Take a value that is known to be one.

        Raises:
            RefusedError: 400, another one than before for the same field.
        """
        if self.values.setdefault(field, value) != value:
            raise RefusedError(400, "conflict", f"two different values for {field}", field)

    def fixed(self, place: str, name: str, expected: str, text: str) -> None:
        """Take a parameter whose value the template fixes.

        Raises:
            MismatchError: 400, another value.
        """
        if not hmac.compare_digest(expected.encode("utf-8", "replace"), text.encode("utf-8", "replace")):
            raise MismatchError(400, "fixed_value", f"`{name}` is not what the template says", name)
        self._fixed.add(place + name)

    def check(self) -> None:
        """At the end.

        Raises:
            MismatchError: 400, a fixed value of the template is missing.
            RefusedError: 400, no selector.
        """
        if self.template.query is self.template.body:
            self._complete("", self.template.query)
        else:
            self._complete("q", self.template.query)
            self._complete("b", self.template.body)
        if "selector" not in self.values:
            raise RefusedError(400, "missing", "no selector", "selector")

    def _complete(self, place: str, names: Names) -> None:
        for name in names.literals:
            if place + name not in self._fixed:
                raise MismatchError(400, "fixed_value", f"`{name}` is missing", name)
        for name, inner in names.nested.items():
            self._complete(f"{place}{name}/", inner)

    def unfit(self, name: str, fields: tuple[Field | None, ...], text: str) -> None:
        """Take a value that does not have the form its template gives it: absent as a whole, or refused.

        Raises:
            RefusedError: 400.
        """
        field = next((field for field in fields if field is not None), None)
        if field is None:
            return
        if normalise(field, text, Limits(max_field=len(text.encode("utf-8", "replace")))) is not None:
            raise RefusedError(400, "unfit", f"`{name}` does not have the form of its template", field)
        self.absent.append((field, absent_form(text)))
