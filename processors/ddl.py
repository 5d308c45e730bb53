"""ClickHouse schema files as data: loading, planning, rendering. No I/O but reading our own package.

A file `schemas/clickhouse/NNNN_what.sql` holds statements that end in `;` at the end of a line, each of which may run
twice (`IF NOT EXISTS`). Placeholders: `{{database}}`; `{{engine Family arguments…}}` (the engine of a table that stores
rows); `{{local}}` (a storing table's suffix), `{{on_cluster}}` and `{{cluster}}`, which are empty text and unused
without replication. A comment line `-- when: replicated` keeps the statement after it for the replicated variant.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

import schemas
from schemas.settings import ClickHouse

FOLDER: Final = Path(schemas.__file__).parent / "clickhouse"
_NAME: Final = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)((?: \w+)*)\}\}")
_REPLICATED_ONLY: Final = re.compile(r"^-- when: replicated$", re.MULTILINE)


class SchemaError(Exception):
    """Schema files that must not be applied; the text says which and what to do."""


class Migration(Struct, frozen=True):
    """One schema file: its number, its name (`NNNN_what`) and its text with placeholders."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text (hex); placeholders unfilled, so a setting does not change it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """Every schema file in order of its number.

    Raises:
        SchemaError: a name that is not `NNNN_what.sql`, or a number used twice.
    """
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise SchemaError(f"{path.name}: a schema file is named NNNN_what.sql")
        number = int(match[1])
        if number in found:
            raise SchemaError(f"{path.name} and {found[number].name}.sql have the same number")
        found[number] = Migration(number, path.stem, path.read_text(encoding="utf-8"))
    return tuple(found[number] for number in sorted(found))


def plan(known: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """What is still to be applied, in order.

    Args:
        known: the files of this version.
        applied: number to checksum, as recorded in the database.

    Raises:
        SchemaError: an applied file has changed since, or is not known here (the database is newer than the program).
    """
    numbers = {migration.number for migration in known}
    if unknown := sorted(set(applied) - numbers):
        listed = ", ".join(f"{number:04d}" for number in unknown)
        raise SchemaError(
            f"the database has had schema file(s) {listed}, which this version does not know: "
            "run the version that wrote them, or a newer one"
        )
    for migration in known:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise SchemaError(
                f"{migration.name}.sql has changed since it was applied: put the old text back "
                "and write the change as a new file with the next number"
            )
    return [migration for migration in known if migration.number not in applied]


def render(text: str, settings: ClickHouse) -> list[str]:
    """The statements (str, without the final `;`) of one file for these settings.

    Raises:
        SchemaError: a placeholder this module does not know.
    """
    statements = []
    for part in re.split(r";[ \t]*(?:\n|$)", text):
        if not _without_comments(part) or (_REPLICATED_ONLY.search(part) and not settings.replicated):
            continue
        statements.append(_PLACEHOLDER.sub(lambda match: _fill(match, settings), part).strip())
    return statements


def stored(table: str, settings: ClickHouse) -> str:
    """The full name of the table that holds the rows of `table`: itself, or the local one behind a Distributed one."""
    return f"{settings.database}.{table}{'_local' if settings.replicated else ''}"


def on_cluster(settings: ClickHouse) -> str:
    """` ON CLUSTER 'name'` for the replicated variant, else empty."""
    return f" ON CLUSTER '{settings.cluster}'" if settings.replicated else ""


def _fill(match: re.Match[str], settings: ClickHouse) -> str:
    name, words = match[1], match[2].split()
    if name == "engine" and words:
        return _engine(words[0], words[1:], settings.replicated)
    values = {
        "database": settings.database,
        "cluster": settings.cluster,
        "local": "_local" if settings.replicated else "",
        "on_cluster": on_cluster(settings).strip(),
    }
    if name not in values or words:
        raise SchemaError(f"unknown placeholder {match[0]}")
    return values[name]


def _engine(family: str, arguments: list[str], replicated: bool) -> str:
    """`{shard}`, `{replica}`, `{database}` and `{table}` are the server's own macros (manual, "Data Replication")."""
    if not replicated:
        return f"{family}({', '.join(arguments)})"
    path = ["'/clickhouse/tables/{shard}/{database}/{table}'", "'{replica}'"]
    return f"Replicated{family}({', '.join(path + arguments)})"


def _without_comments(part: str) -> str:
    return "\n".join(line for line in part.splitlines() if not line.lstrip().startswith("--")).strip()
