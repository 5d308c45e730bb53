"""The pure part of ClickHouse's HTTP interface: what a request's parameters and body ask for (its docs, "HTTP")."""

import gzip
import importlib
import re
import sys
import zlib
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from deploy.local.clickhouse_errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, SYNTAX_ERROR, engine_error
from deploy.local.clickhouse_insert import Insert, split_insert

# Parameters that are not settings: src/Server/HTTPHandler.cpp. Sessions are not kept: each request stands alone.
_NOT_SETTINGS: Final = frozenset(
    (
        *("query", "database", "user", "password", "quota_key", "role", "query_id", "stacktrace"),
        *("session_id", "session_timeout", "session_check", "close_session"),
        *("compress", "decompress", "enable_http_compression", "default_format", "client_protocol_version"),
        *("wait_end_of_query", "buffer_size", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    )
)
_SETTING_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMAT: Final = re.compile(r"\bFORMAT\s+([A-Za-z0-9_]+)\s*(?:SETTINGS\b.*)?;?\s*$", re.IGNORECASE | re.DOTALL)
DEFAULT_FORMAT: Final = "TabSeparated"


class Statement(Struct, frozen=True, kw_only=True):
    """One request: the text, or an insert with its data, and what it runs under.

    `parameters` fill `{name:Type}` placeholders; `settings` are name to text; `database` empty means `default`.
    """

    sql: str
    insert: Insert | None = None
    settings: dict[str, str]
    parameters: dict[str, str]
    database: str = ""
    query_id: str = ""
    default_format: str = DEFAULT_FORMAT
    get: bool = False

    @property
    def format(self) -> str:
        """The format of the answer: the statement's FORMAT clause, or the default."""
        found = None if self.insert else _FORMAT.search(self.sql[-2000:])
        return found[1] if found else self.default_format


def statement(items: Iterable[tuple[str, str]], body: bytes, *, get: bool) -> Statement:
    """Build the statement from the URL's (and a form's) parameters and the decompressed body.

    Raises:
        EngineError: no query at all, or a parameter that is no setting's name.
    """
    given = dict(items)
    query = given.get("query", "").encode()
    sql = query + b"\n" + body if query and body else query or body
    if not sql.strip():
        raise engine_error(SYNTAX_ERROR, "SYNTAX_ERROR", "Empty query")
    settings = {name: text for name, text in given.items() if not _is_other(name)}
    if wrong := next((name for name in settings if not _SETTING_NAME.fullmatch(name)), None):
        raise engine_error(115, "UNKNOWN_SETTING", f"Unknown setting '{wrong[:100]}'")
    insert = split_insert(sql)
    return Statement(
        sql="" if insert else sql.decode("utf-8", "replace"),
        insert=insert,
        settings=settings,
        parameters={name.removeprefix("param_"): text for name, text in given.items() if name.startswith("param_")},
        database="" if given.get("database") == "__default__" else given.get("database", ""),
        query_id=given.get("query_id", ""),
        default_format=given.get("default_format") or DEFAULT_FORMAT,
        get=get,
    )


def set_clause(settings: dict[str, str]) -> str:
    """`SET a = '1', b = '…'`. Quoted always: the engine converts a text to the setting's type, but not back."""
    return "SET " + ", ".join(f"{name} = {quote(text)}" for name, text in settings.items())


def quote(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def decompress(body: bytes, encoding: str) -> bytes:
    """A request body without its Content-Encoding.

    Raises:
        EngineError: an encoding unknown here, or a body that is not in it.
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    decode = _DECODERS.get(coding)
    if decode is None:
        raise engine_error(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"Unknown compression method: {coding[:50]}")
    try:
        return decode(body)
    except Exception as error:  # four libraries, each with errors of its own
        text = f"Cannot decompress the body as {coding} ({type(error).__name__})"
        raise engine_error(CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", text) from None


def _is_other(name: str) -> bool:
    return name in _NOT_SETTINGS or name.startswith("param_")


def _lz4(body: bytes) -> bytes:
    """All frames of the body: clickhouse-connect makes one of each block, and `lz4.frame.decompress` reads only one."""
    import lz4.frame

    found = []
    while body:
        frame = lz4.frame.LZ4FrameDecompressor()
        found.append(frame.decompress(body))
        if not frame.eof:
            raise EOFError("the last frame is cut off")
        body = frame.unused_data or b""
    return b"".join(found)


def _zstd(body: bytes) -> bytes:
    # As clickhouse-connect finds it, which needs it: the standard library has it from Python 3.14 on.
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return bytes(importlib.import_module(name).decompress(body))


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "lz4": _lz4,
    "zstd": _zstd,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}
