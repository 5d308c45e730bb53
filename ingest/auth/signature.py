"""Signed URLs: HMAC-SHA-256 (RFC 2104) over key id, expiry and user name. Pure (time is passed in).

The signature is `KEY.EXPIRY.NAME.MAC`: the key's id, seconds since the epoch (0: never), the user name and the MAC of
all before it in base64url. It is printed once for an account, so it cannot cover what the app fills in later.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable
from typing import Final

from schemas.secret import Secret
from schemas.settings_ingest import SigningKey

_PURPOSE: Final = b"push-token signed URL 1\n"  # so that no MAC made for something else is one of these
_DUMMY: Final = Secret("no key has this id")


def sign(key: SigningKey, username: str, expires: int = 0) -> str:
    """The signature (str, nothing in it needs escaping in a URL).

    Args:
        key: the key that signs.
        username: whose reports the URL is for.
        expires: seconds since the epoch, from which on it is refused; 0: never.
    """
    signed = f"{key.id}.{expires}.{_text(username.encode())}"
    return f"{signed}.{_text(_mac(key.secret, signed))}"


def verify(keys: Iterable[SigningKey], signature: str, now: float) -> str | None:
    """The user name (str) that `signature` was made for; None if it is not one of ours, or has expired.

    Args:
        keys: all that verify.
        signature: as it came.
        now: seconds since the epoch.
    """
    signed, _, mac = signature.rpartition(".")
    parts = signed.split(".")
    key_id = parts[0]
    secret = next((key.secret for key in keys if key.id == key_id), _DUMMY)
    right = hmac.compare_digest(_text(_mac(secret, signed)).encode(), mac.encode("utf-8", "replace"))
    if not right or secret is _DUMMY or len(parts) != 3:
        return None
    expires = int(parts[1])
    return None if 0 < expires <= now else _name(parts[2])


def _name(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return None


def _mac(secret: Secret, signed: str) -> bytes:
    return hmac.digest(secret.reveal().encode(), _PURPOSE + signed.encode("utf-8", "replace"), "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
