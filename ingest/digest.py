"""HTTP Digest (RFC 7616), MD5 and SHA-256, `qop=auth`, with a nonce that needs no memory. Pure (time is passed in).

The nonce carries its own time and a signature, so every worker and every instance accepts every other's. How often one
is used (`nc`) is not checked: that would need memory shared by all of them. A copied request can therefore be repeated
as it is until the nonce expires; it then reports the same tokens once more.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from typing import Final

from schemas.secret import Secret

REALM: Final = "push-token"
_ALGORITHMS: Final = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
_PARAMETER: Final = re.compile(r'([A-Za-z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)\s*')
_MAC_BYTES: Final = 16


class StaleError(ValueError):
    """Right in everything but the age of the nonce: the client should try again with a new one."""


class DigestError(ValueError):
    """Not a valid answer to a challenge; says nothing about why, to nobody."""


def challenges(secret: Secret, now: float, *, stale: bool = False) -> list[str]:
    """The `WWW-Authenticate` values (str), the stronger algorithm first (RFC 7616 section 3.7)."""
    nonce = _nonce(secret, int(now))
    tail = ", stale=true" if stale else ""
    return [
        f'Digest realm="{REALM}", qop="auth", algorithm={algorithm}, nonce="{nonce}"{tail}' for algorithm in _ALGORITHMS
    ]


def verify(header: str, method: str, target: str, username: str, secret: Secret, now: float, lifetime: float) -> None:
    """Check an `Authorization: Digest` value.

    Args:
        header: what follows the word `Digest`.
        method: of the request.
        target: the request's target as it came, path and query.
        username, secret: what the template says.
        now: seconds since the epoch.
        lifetime: how long a nonce may be answered, s.

    Raises:
        DigestError: not valid.
        StaleError: valid, but the nonce is older than `lifetime`.
    """
    given = _parameters(header)
    algorithm = given.get("algorithm", "MD5").upper()
    if algorithm not in _ALGORITHMS or given.get("qop", "").lower() != "auth" or given.get("realm") != REALM:
        raise DigestError
    issued = _issued(secret, given.get("nonce", ""))
    expected = _response(_ALGORITHMS[algorithm], given, method, username, secret)
    # All three are compared whatever the others say, so that time tells nothing.
    right = hmac.compare_digest(expected, given.get("response", "").lower().encode())
    right &= hmac.compare_digest(username.encode(), given.get("username", "").encode())
    right &= hmac.compare_digest(target.encode(), given.get("uri", "").encode())
    if issued is None or not right:
        raise DigestError
    if not 0 <= now - issued <= lifetime:
        raise StaleError


def _response(algorithm: object, given: dict[str, str], method: str, username: str, secret: Secret) -> bytes:
    def hashed(text: str) -> str:
        return algorithm(text.encode()).hexdigest()  # type: ignore[operator,no-any-return]

    user = hashed(f"{username}:{REALM}:{secret.reveal()}")
    request = hashed(f"{method}:{given.get('uri', '')}")
    middle = ":".join(given.get(name, "") for name in ("nonce", "nc", "cnonce"))
    return hashed(f"{user}:{middle}:auth:{request}").encode()


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


def _nonce(secret: Secret, issued: int) -> str:
    body = issued.to_bytes(8) + os.urandom(8)
    return base64.urlsafe_b64encode(body + _mac(secret, body)).decode()


def _issued(secret: Secret, nonce: str) -> int | None:
    """When a nonce of ours was issued (s since the epoch); None if it is not ours."""
    try:
        data = base64.urlsafe_b64decode(nonce.encode())
    except (binascii.Error, ValueError):
        return None
    body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    if len(body) != 16 or not hmac.compare_digest(_mac(secret, body), mac):
        return None
    return int.from_bytes(body[:8])


def _mac(secret: Secret, body: bytes) -> bytes:
    """Signed with the template's own password, which every worker knows and nobody else."""
    return hmac.digest(b"push-token nonce" + secret.reveal().encode(), body, "sha256")[:_MAC_BYTES]
