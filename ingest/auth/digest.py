"""HTTP Digest (RFC 7616), MD5 and SHA-256, `qop=auth`: challenges, and what answers them. Pure."""

import re
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from ingest.auth.account import possible
from ingest.auth.accounts import HASHES
from ingest.auth.refusals import same
from schemas.settings_ingest import Algorithm

_PARAMETER: Final = re.compile(r'([A-Za-z]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,\s*|$)')
_EXTENDED: Final = "utf-8''"  # RFC 8187, as `username*` has it


class DigestError(ValueError):
    """Not an answer to a challenge of ours; says nothing about why, to nobody."""


class Digest(Struct, frozen=True):
    """What a client answers (RFC 7616 section 3.4); all as it came, but `algorithm`, which is one of ours."""

    username: str
    algorithm: Algorithm
    nonce: str
    uri: str
    nc: str
    cnonce: str
    response: str


def challenge(realm: str, algorithm: Algorithm, nonce: str, *, stale: bool) -> str:
    """A `WWW-Authenticate` value (str)."""
    tail = ", stale=true" if stale else ""
    return f'Digest realm="{realm}", qop="auth", algorithm={algorithm}, nonce="{nonce}", charset=UTF-8{tail}'


def parse(header: str, realm: str, offered: tuple[Algorithm, ...]) -> Digest:
    """Read what follows the word `Digest`.

    Args:
        header: the text (str, undecodable bytes as surrogates).
        realm: ours.
        offered: only these algorithms are taken.

    Raises:
        DigestError: not an answer to a challenge of ours.
    """
    given = _parameters(header)
    algorithm = next((name for name in offered if name == given.get("algorithm", "MD5").upper()), None)
    if algorithm is None or given.get("qop", "").lower() != "auth" or given.get("realm") != realm:
        raise DigestError
    extended = given.get("username*", "")
    if ("username" in given) == bool(extended) or (extended and not extended.lower().startswith(_EXTENDED)):
        raise DigestError
    username = unquote(extended[len(_EXTENDED) :]) if extended else given["username"]
    if not possible(username):
        raise DigestError
    nonce, uri, nc, cnonce, response = (given.get(key, "") for key in ("nonce", "uri", "nc", "cnonce", "response"))
    return Digest(username, algorithm, nonce, uri, nc, cnonce, response)


def right(answer: Digest, known: tuple[bytes, ...], method: str, target: str) -> bool:
    """Whether `answer` is one to this very request by somebody whose HA1 is among `known` (bytes, hex)."""
    expected = [_response(answer, one, method) for one in known]
    # Both are compared whatever the other says, so that time tells nothing.
    by_whom = same(expected, _bytes(answer.response.lower()))
    # A client signs `/path?` for what the endpoint knows as `/path`.
    uri = answer.uri if "?" in target else answer.uri.removesuffix("?")
    for_what = same([_bytes(target)], _bytes(uri))
    return by_whom and for_what


def _response(answer: Digest, ha1: bytes, method: str) -> bytes:
    """RFC 7616 section 3.4.1."""
    hashed = HASHES[answer.algorithm]
    request = hashed(_bytes(f"{method}:{answer.uri}")).hexdigest()
    middle = f":{answer.nonce}:{answer.nc}:{answer.cnonce}:auth:{request}"
    return hashed(ha1 + _bytes(middle)).hexdigest().encode()  # type: ignore[no-any-return]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _parameters(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(header):
        match = _PARAMETER.match(header, at)
        if match is None or match[1].lower() in found:
            raise DigestError
        found[match[1].lower()] = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        at = match.end()
    return found
