"""The ASGI scope of a request (ASGI specification, "HTTP Connection Scope")."""

from typing import Any, Final
from urllib.parse import unquote

import httptools

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


def scope(protocol: Any, version: str) -> dict[str, Any]:
    """The scope (dict) of the request whose header `protocol` (an `IngressProtocol`) has just read.

    Raises:
        httptools.HttpParserInvalidURLError: a target that is none.
    """
    raw_path, query = split(protocol.url)
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": version,
        "server": protocol.server,
        "client": protocol.client,
        "scheme": protocol.scheme,
        "root_path": "",
        "headers": protocol.headers,
        "state": protocol.app_state,  # not a copy: nobody here writes to it
        "method": protocol.parser.get_method().decode("ascii"),
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query,
    }


def split(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target; the parser is asked only for the forms that apps do not send.

    Raises:
        httptools.HttpParserInvalidURLError: a target that is none.
    """
    if target[:1] == b"/" and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    parsed: Any = httptools.parse_url(target)
    # An asterisk, an authority, a user in front of it (RFC 9110 section 4.2.4), a fragment, which would cut a value.
    if parsed.schema not in (b"http", b"https") or parsed.userinfo or parsed.fragment is not None:
        raise httptools.HttpParserInvalidURLError("not a target of this server")
    return parsed.path or b"", parsed.query or b""
