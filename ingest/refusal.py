"""Why a request is not accepted: bad for ever (`RefusedError`, 4xx) or busy now (`BusyError`, 429 or 503).

No text here holds anything a client sent: only names of fields and parameters that the templates define.
"""

import json
from http import HTTPStatus
from typing import Final

PROBLEM_TYPE: Final = b"application/problem+json"  # RFC 9457
# Of every refusal. A cache may keep a 404, 405 or 414 by its own judgement (RFC 9110 section 15.1): a report that the
# cache answers never gets here. The 200 has none of these: the specification's has no content.
PROBLEM_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-type", PROBLEM_TYPE),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class UnusableError(ValueError):
    """A setting that cannot be used; the text names it, or its file, and shows nothing secret."""


class RefusedError(Exception):
    """A request that will never be accepted as it is.

    Attributes:
        status: HTTP status, 400 to 415.
        reason: what is wrong, one word of `push-token.rejected` (str).
        detail: the same for people.
        field: the field (or parameter) it is about, or None.
        headers: more response headers, such as a challenge.
        cause: what exactly, in a word of ours, for metrics and log only; as `reason` where that says it all.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        field: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        cause: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.field = field
        self.headers = headers
        self.cause = cause or reason


class BusyError(Exception):
    """A request that may be accepted if it comes again: 429 (over its own rate) or 503 (not now, whoever asks).

    Attributes:
        status, reason, detail, cause: as of `RefusedError`.
        wait: seconds until it may be, where that is known; else 0.
    """

    def __init__(self, status: int, detail: str, reason: str = "busy", wait: float = 0.0, cause: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        self.wait = wait
        self.cause = cause or reason


def problem(status: int, reason: str, detail: str, field: str | None = None, instance: str | None = None) -> bytes:
    """The body (bytes, JSON) of a refusal: RFC 9457 with `reason`, and `field` where one is to blame.

    `instance` is the URI of this very refusal, by which the log has it too.
    """
    document: dict[str, object] = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    document["reason"] = reason
    if field is not None:
        document["field"] = field
    if instance is not None:
        document["instance"] = instance
    return json.dumps(document, ensure_ascii=False).encode()
