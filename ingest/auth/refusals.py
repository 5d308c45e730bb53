"""What those hear who may not report: the same, whatever is wrong. Pure."""

import hmac
from collections.abc import Iterable

from ingest.refusal import RefusedError


def unauthorized(challenges: Iterable[str]) -> RefusedError:
    """401 with its challenges (str, `WWW-Authenticate` values; RFC 9110 section 11.6.1)."""
    headers = tuple((b"www-authenticate", challenge.encode()) for challenge in challenges)
    return RefusedError(401, "unauthorized", "the request must authenticate", headers=headers)


def forbidden(field: str | None) -> RefusedError:
    """403: there is no challenge for what stands in a URL, a body or a header of the operator's."""
    return RefusedError(403, "wrong_secret", "the credentials are missing or wrong", field)


def same(expected: Iterable[bytes], given: bytes) -> bool:
    """Whether `given` is one of `expected`; all are compared, in constant time."""
    found = False
    for one in expected:
        found |= hmac.compare_digest(one, given)
    return found
