"""The id by which an operator finds a refused request again: in its answer and in the log. Pure."""

import re
import time
from typing import Final

from ingest.uuid7 import uuid7

# A UUID, with or without its hyphens: what proxies make (Envoy, nginx's `$request_id`). A push token has another form.
_UUID: Final = re.compile(rb"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.IGNORECASE)


def request_id(headers: list[tuple[bytes, bytes]], trusted: bytes) -> str:
    """An id (str, a UUID with or without hyphens).

    Args:
        headers: the request's, names in lower case.
        trusted: the header in which a proxy in front says its id, in lower case; empty: there is none. Anything but a
            UUID is not taken, nor one of two.
    """
    if trusted:
        found = [value for name, value in headers if name == trusted]
        if len(found) == 1 and _UUID.fullmatch(found[0]):
            return found[0].decode("ascii").lower()
    return uuid7(time.time_ns() // 1_000_000)
