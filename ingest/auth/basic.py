"""HTTP Basic (RFC 7617): what the header says. Pure."""

import base64
import binascii

from ingest.auth.account import possible


def challenge(realm: str) -> str:
    """The `WWW-Authenticate` value (str)."""
    return f'Basic realm="{realm}", charset="UTF-8"'


def credentials(authorization: str) -> tuple[str, str] | None:
    """User name and password (str) of an `Authorization` header; None if it has none that could be anybody's."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        plain = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        decoded = plain.decode()
    except UnicodeDecodeError:
        decoded = plain.decode("latin-1")  # what clients used before RFC 7617
    username, colon, password = decoded.partition(":")
    return (username, password) if colon and possible(username) else None
