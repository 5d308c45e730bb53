"""What becomes of requests, for the operator: each refusal is counted, has an id, and is logged while there are not too
many. Of what was sent nothing is logged: no URL, no header, no value, not even a method that HTTP does not have."""

import logging
import time
import traceback
from typing import Final

from msgspec import Struct

from ingest import metrics
from ingest.request_id import request_id
from ingest.template import Compiled
from ingest.token_bucket import TokenBucket
from schemas.settings import Ingest

log = logging.getLogger("ingest.requests")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class About(Struct, frozen=True):
    """What is known of a request.

    Attributes:
        headers: names in lower case, for the id only.
        method: as it came; empty where it is not known.
        template: the one that fitted, if any.
        size: of the body, bytes.
        started: when it came (`time.perf_counter`); 0 where that is not known.
    """

    headers: list[tuple[bytes, bytes]] = []
    method: str = ""
    template: Compiled | None = None
    size: int = 0
    started: float = 0.0


class Journal:
    """Keeps the log of requests of one worker."""

    def __init__(self, settings: Ingest) -> None:
        self._trusted = settings.request_id_header.lower().encode("ascii", "replace")
        self._limit = settings.refusals_logged_per_second
        now = time.monotonic()
        # The ingress's own failures are not to drown in a flood of bad requests.
        self._buckets = {own: TokenBucket(self._limit, now) for own in (False, True)}
        self._suppressed = 0
        self._every = settings.access_log_every
        self._count = 0

    @property
    def logs_accepted(self) -> bool:
        """Whether `accepted` has anything to do."""
        return self._every > 0

    def accepted(self, about: About) -> None:
        """Log a request answered with 200, if it is its turn."""
        self._count += 1
        if self._count >= self._every:
            self._count = 0
            log.info("accepted", extra=self._shown(about, 200, "", request_id(about.headers, self._trusted)))

    def refused(self, status: int, reason: str, about: About) -> str:
        """Count and log a refusal: its HTTP status, and the reason in a word of ours. Returns the request's id."""
        self._count_refusal(status, reason, about)
        found = request_id(about.headers, self._trusted)
        if self._may_log(own=status >= 500):
            level = logging.WARNING if status >= 500 else logging.INFO
            log.log(level, "refused", extra=self._shown(about, status, reason, found))
        return found

    def failed(self, error: Exception, about: About) -> str:
        """Count and log a request that failed by a mistake of ours (500). Returns the request's id."""
        self._count_refusal(500, "internal", about)
        found = request_id(about.headers, self._trusted)
        if self._may_log(own=True):
            # Neither the message of an exception nor its locals may reach a log: they may hold what was sent.
            trace = "".join(traceback.format_tb(error.__traceback__))
            shown = self._shown(about, 500, "internal", found)
            log.error("a request failed: %s\n%s", type(error).__name__, trace, extra=shown)
        return found

    def tell(self) -> None:
        """Called now and then: say how many refusals were not logged, if nothing has said so since."""
        if self._suppressed and self._buckets[False].take(1, time.monotonic()):
            log.info("further requests were refused", extra={"suppressed": self._taken()})

    def _count_refusal(self, status: int, reason: str, about: About) -> None:
        if about.template is None:
            metrics.refused(status, reason)
        else:
            metrics.refused(status, reason, about.template.name, about.template.kind, about.template.auth)

    def _may_log(self, *, own: bool) -> bool:
        if self._limit and self._buckets[own].take(1, time.monotonic()):
            return True
        self._suppressed += 1 if self._limit else 0
        metrics.log_suppressed()
        return False

    def _taken(self) -> int:
        number, self._suppressed = self._suppressed, 0
        return number

    def _shown(self, about: About, status: int, reason: str, found: str) -> dict[str, object]:
        shown: dict[str, object] = {"request_id": found, "status": status}
        shown["outcome"] = metrics.OUTCOMES.get(status, "error")
        shown["reason"] = reason
        shown["method"] = about.method if about.method in _METHODS else "other" if about.method else ""
        shown["template"] = "" if about.template is None else about.template.name
        shown["ms"] = round((time.perf_counter() - about.started) * 1000, 1) if about.started else None
        shown["bytes"] = about.size
        if self._suppressed and status != 200:
            shown["suppressed"] = self._taken()
        return {name: value for name, value in shown.items() if value not in ("", None)}
