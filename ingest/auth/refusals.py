"""What those hear who may not report: the same, whatever is wrong. Pure."""

import hmac
from collections.abc import Iterable
from typing import Final

from ingest.refusal import RefusedError

# For metrics and log only: what is no attack (a first request, an old nonce) and what may be one.
NONE: Final = "no_credentials"
WRONG: Final = "wrong_credentials"
STALE: Final = "stale_nonce"


def unauthorized(challenges: Iterable[str], cause: str) -> RefusedError:
    """401 with its challenges (str, `WWW-Authenticate` values; RFC 9110 section 11.6.1)."""
    headers = tuple((b"www-authenticate", challenge.encode()) for challenge in challenges)
    return RefusedError(401, "unauthorized", "the request must authenticate", headers=headers, cause=cause)


def forbidden(field: str | None, cause: str) -> RefusedError:
    """403: there is no challenge for what stands in a URL, a body or a header of the operator's."""
    return RefusedError(403, "wrong_secret", "the credentials are missing or wrong", field, cause=cause)


def same(expected: Iterable[bytes], given: bytes) -> bool:
    """Whether `given` is one of `expected`; all are compared, in constant time."""
    found = False
    for one in expected:
        found |= hmac.compare_digest(one, given)
    return found
