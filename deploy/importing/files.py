"""Reads an import file: CSV with a header, or JSON Lines. Line by line, in bounded memory."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from msgspec import Struct

from deploy.importing.lines import COLUMNS, LineError, unknown_columns

MAX_LINE: Final = 1024 * 1024  # bytes; a record with every field at the ingress's limit has 30 KB
_HASH_BLOCK: Final = 1024 * 1024
_DELIMITERS: Final = ",;\t|"


class FileError(ValueError):
    """A file that cannot be imported at all; the text says what to do."""


class Line(Struct, frozen=True):
    """One record of the file: the number of its (last) line from 1, the file's bytes up to here, and its values by
    column, or why it has none."""

    number: int
    end: int
    values: dict[str, Any] | None
    error: LineError | None = None


def form_of(path: Path, given: str | None) -> str:
    """`csv` or `jsonl`: as given, or by the file's name.

    Raises:
        FileError: the name tells nothing.
    """
    by_name = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
    form = given or by_name.get(path.suffix.lower())
    if form is None:
        raise FileError(f"{path.name}: say --format csv or --format jsonl")
    return form


def identity(path: Path) -> str:
    """SHA-256 (hex) of the content: what tells one file from another, and from itself after an edit."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def lines(path: Path, form: str) -> Iterator[Line]:
    """Every record of the file, in order; empty lines are passed over.

    Raises:
        FileError: a CSV header that is missing or has an unknown column.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        yield from (_json_lines(file) if form == "jsonl" else _csv_lines(file, path.name))


def _raw_lines(file: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each line as bytes, and whether it is whole (no longer than `MAX_LINE`; the rest of a longer one is dropped)."""
    while raw := file.readline(MAX_LINE):
        whole = raw.endswith(b"\n") or len(raw) < MAX_LINE
        while not raw.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
            raw, whole = rest, False
        yield raw, whole


def _json_lines(file: IO[bytes]) -> Iterator[Line]:
    for number, (raw, whole) in enumerate(_raw_lines(file), 1):
        text = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        if whole and not text.strip():
            continue
        try:
            values = _object(text) if whole else None
            error = None if whole else LineError("line", f"is longer than {MAX_LINE} bytes")
        except LineError as wrong:
            values, error = None, wrong
        yield Line(number, file.tell(), values, error)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise LineError("line", "is no JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise LineError("line", "is no JSON object")
    return found


class _Text:
    """A file's lines as text for the csv module; what is not UTF-8 becomes surrogates, found out later."""

    def __init__(self, file: IO[bytes]) -> None:
        self._lines = _raw_lines(file)
        self.first = True

    def __iter__(self) -> "_Text":
        return self

    def __next__(self) -> str:
        raw, whole = next(self._lines)
        if not whole:
            raw = b"\xff\n"  # no UTF-8: a bad line
        text = raw.decode("utf-8-sig" if self.first else "utf-8", "surrogateescape")
        self.first = False
        return text


def _csv_lines(file: IO[bytes], name: str) -> Iterator[Line]:
    source = _Text(file)
    header = next(source, "")
    delimiter = max(_DELIMITERS, key=header.count)
    columns = [cell.strip().lower() for cell in next(csv.reader(io.StringIO(header), delimiter=delimiter), [])]
    _check_header(columns, name)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            yield Line(reader.line_num + 1, file.tell(), None, LineError("line", "is no CSV"))
            continue
        if cells is None:
            return
        if cells:
            yield _row(columns, cells, reader.line_num + 1, file.tell())


def _row(columns: list[str], cells: list[str], number: int, end: int) -> Line:
    if len(cells) != len(columns):
        return Line(number, end, None, LineError("line", f"has {len(cells)} cells, the header has {len(columns)}"))
    if any("\udc80" <= sign <= "\udcff" for cell in cells for sign in cell):
        return Line(number, end, None, LineError("line", f"is no UTF-8, or longer than {MAX_LINE} bytes"))
    return Line(number, end, dict(zip(columns, cells, strict=True)))


def _check_header(columns: list[str], name: str) -> None:
    known = ", ".join(COLUMNS)
    if "selector" not in columns or "received_at" not in columns:
        raise FileError(f"{name}: the first line must name the columns, selector and received_at among them ({known})")
    if wrong := unknown_columns(columns):
        raise FileError(
            f"{name}: {len(wrong)} unknown column(s), the first is column {columns.index(wrong[0]) + 1}; known: {known}"
        )
    if len(set(columns)) != len(columns):
        raise FileError(f"{name}: a column is named twice")
