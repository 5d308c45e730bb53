"""Digest nonces that need no memory (RFC 7616 section 5.4): a time and a MAC, so every worker and instance that has the
key takes every other's. Bound to method and target: one cannot be answered for another request. Pure."""

import base64
import binascii
import hmac
import os
from typing import Final

_MAC_BYTES: Final = 16
_SKEW_SECONDS: Final = 30.0  # clocks of instances differ a little, and then a nonce is from the future
_BODY_BYTES: Final = 16  # the time in ms, and as many random ones


class Nonces:
    """Issues and checks the nonces of one template."""

    def __init__(self, key: bytes, name: str, lifetime: float) -> None:
        """`key` (bytes) is the same everywhere; `name` the template's; a nonce may be answered for `lifetime` s."""
        self._key = hmac.digest(key, b"push-token nonce 1\n" + name.encode(), "sha256")
        self._lifetime = lifetime

    def issue(self, method: str, target: str, now: float) -> str:
        """A new nonce (str) for one request at `now` (s since the epoch)."""
        body = int(now * 1000).to_bytes(8) + os.urandom(_BODY_BYTES - 8)
        return base64.urlsafe_b64encode(body + self._mac(body, method, target)).decode()

    def fresh(self, nonce: str, method: str, target: str, now: float) -> bool:
        """Whether `nonce` is ours, was issued for this request, and not too long ago."""
        try:
            data = base64.urlsafe_b64decode(nonce.encode())
        except (binascii.Error, ValueError):
            return False
        body, mac = data[:_BODY_BYTES], data[_BODY_BYTES:]
        if len(body) != _BODY_BYTES or not hmac.compare_digest(self._mac(body, method, target), mac):
            return False
        return -_SKEW_SECONDS <= now - int.from_bytes(body[:8]) / 1000 <= self._lifetime

    def _mac(self, body: bytes, method: str, target: str) -> bytes:
        bound = body + f"{method} {target}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, bound, "sha256")[:_MAC_BYTES]
