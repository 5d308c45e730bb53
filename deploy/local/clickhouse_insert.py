"""Splits `INSERT INTO t (a, b) SETTINGS … FORMAT F`, newline, data as src/Parsers/ParserInsertQuery.cpp does (pure).

Handed to the engine as part of the statement, data would end at the first empty line without a word (chdb 4.4), and so
lose rows; the engine reads it from a file instead.
"""

import re
from typing import Final

from msgspec import Struct

_BEGIN: Final = re.compile(
    rb"""\s* (?: (?: --[^\n]*\n | /\*.*?\*/ ) \s* )*  # comments
    INSERT \s+ INTO \s+ (?: TABLE \s+ )? (?: FUNCTION \s+ )?
    (?: `(?:\\.|[^`\\])*` | "(?:\\.|[^"\\])*" | \{[^}]*\} | [A-Za-z0-9_.] )+  # a table or function
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_TOKEN: Final = re.compile(
    rb"""(?P<quoted> '(?:\\.|''|[^'\\])*' | `(?:\\.|[^`\\])*` | "(?:\\.|[^"\\])*" | --[^\n]*(?:\n|$) | /\*.*?\*/ )
    | (?P<open> [(\[{] ) | (?P<close> [)\]}] ) | (?P<word> [A-Za-z_][A-Za-z0-9_]* ) | (?P<other> . )""",
    re.DOTALL | re.VERBOSE,
)
_FORMAT_NAME: Final = re.compile(rb"\s+([A-Za-z0-9_]+)")
_GAP: Final = re.compile(rb"[ \t\f]*\r?\n?")
_NO_DATA: Final = {b"SELECT", b"WITH", b"FROM", b"WATCH"}  # the rows come from elsewhere


class Insert(Struct, frozen=True):
    """An INSERT with its data: the statement up to its SETTINGS and FORMAT clauses (text), the SETTINGS clause or
    empty text, the format's name, the data (bytes)."""

    head: str
    settings: str
    format: str
    data: bytes

    def reading(self, path: str) -> str:
        """The statement that reads the data from the file `path` (a path of our own, without quotes)."""
        return f"{self.head} FROM INFILE '{path}' COMPRESSION 'none' {self.settings} FORMAT {self.format}"


def split_insert(sql: bytes) -> Insert | None:
    """The parts of an INSERT that carries its data; None for every other statement (INSERT … SELECT among them)."""
    begin = _BEGIN.match(sql)
    if begin is None:
        return None
    at, depth = begin.end(), 0
    settings: int | None = None
    while found := _TOKEN.match(sql, at):
        at = found.end()
        if found["open"]:
            depth += 1
        elif found["close"]:
            depth -= 1
        elif found["word"] and depth == 0:
            word = found["word"].upper()
            if word in _NO_DATA:
                return None
            if word == b"SETTINGS" and settings is None:
                settings = found.start()
            if word == b"VALUES":
                return _insert(sql[: found.start()], settings, b"Values", sql[at:])
            if word == b"FORMAT" and (name := _FORMAT_NAME.match(sql, at)):
                gap = _GAP.match(sql, name.end())
                return _insert(sql[: found.start()], settings, name[1], sql[gap.end() if gap else name.end() :])
    return None


def _insert(statement: bytes, settings: int | None, form: bytes, data: bytes) -> Insert:
    split = len(statement) if settings is None else settings
    head, rest = (part.decode("utf-8", "replace").strip() for part in (statement[:split], statement[split:]))
    return Insert(head, rest, form.decode(), data)
