"""The pipeline's own health: reads the roles' /metrics every few seconds and keeps the last hour."""

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import httpx
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from deploy.dashboard.addresses import addresses
from deploy.dashboard.series import Drawing, Series, Value
from schemas.settings import Settings

log = logging.getLogger(__name__)

INTERVAL: Final = 5.0  # seconds: as often as the page asks
_KEPT: Final = 720  # samples: one hour
_TIMEOUT: Final = 2.0  # seconds a role has to answer: its /metrics takes milliseconds
_MAX_BYTES: Final = 4 * 1024 * 1024

# Role to its counter of records handled, and its gauge of records that wait.
_RATES: Final = {
    "ingest": ("pushtokens_ingest_requests_total", {"outcome": "accepted"}),
    "compact": ("pushtokens_compactor_records_total", {}),
    "sink": ("pushtokens_sink_rows_total", {}),
}
_LAGS: Final = {"compact": "pushtokens_compactor_lag_records", "sink": "pushtokens_sink_lag_records"}
_NAMES: Final = {"ingest": "Accepted", "compact": "Compacted", "sink": "Written"}
_WAITING: Final = {"compact": "Before the compactor", "sink": "Before the sink"}


class Sample(Struct, frozen=True):
    """What the roles said at one moment: counters and lags by role; a role that did not answer is not in it."""

    at: datetime
    monotonic: float
    totals: Mapping[str, float]
    lags: Mapping[str, float]


def total(text: str, name: str, labels: Mapping[str, str] | None = None) -> float | None:
    """The sum of all samples `name` with these labels in a Prometheus text, or None if there is none.

    Raises:
        ValueError: not a Prometheus text.
    """
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and all(sample.labels.get(key) == value for key, value in (labels or {}).items())
    ]
    return sum(found) if found else None


class Pipeline:
    """Samples of the last hour, and what the page draws of them."""

    def __init__(self, settings: Settings) -> None:
        self._addresses = addresses(settings)
        self._samples: deque[Sample] = deque(maxlen=_KEPT)
        self._troubles: dict[str, tuple[str, int]] = {}

    async def watch(self) -> None:
        """Sample until cancelled."""
        # The system's authorities, or those of SSL_CERT_FILE; httpx itself would take a list of its own.
        trusted = ssl.create_default_context()
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, verify=trusted) as client:
            while True:
                self.add(await self._sample(client))
                await asyncio.sleep(INTERVAL)

    def add(self, sample: Sample) -> None:
        """Keep one more sample; the oldest goes after an hour."""
        self._samples.append(sample)

    async def _sample(self, client: httpx.AsyncClient) -> Sample:
        texts = await asyncio.gather(*(self._texts(client, role) for role in _RATES))
        totals: dict[str, float] = {}
        lags: dict[str, float] = {}
        for role, pages in zip(_RATES, texts, strict=True):
            name, labels = _RATES[role]
            if pages is not None:
                totals[role] = sum(total(page, name, labels) or 0.0 for page in pages)
                if role in _LAGS:
                    lags[role] = sum(total(page, _LAGS[role]) or 0.0 for page in pages)
        return Sample(datetime.now(UTC), time.monotonic(), totals, lags)

    async def _texts(self, client: httpx.AsyncClient, role: str) -> list[str] | None:
        """The metrics of every instance of a role; None if one does not answer: a sum without it would be wrong."""
        try:
            answers = [await client.get(f"{url}/metrics") for url in self._addresses[role]]
            texts = [answer.raise_for_status().text for answer in answers]
            for text in texts:
                total(text[:_MAX_BYTES], "")
        except (httpx.HTTPError, ValueError) as error:
            self._tell(role, _said(error))
            return None
        self._tell(role, "")
        return texts

    def _tell(self, role: str, trouble: str) -> None:
        """Log what keeps a role's metrics away, once, when it is still so at the second question: a role may start."""
        before, times = self._troubles.get(role, ("", 0))
        times = times + 1 if trouble == before else 1
        self._troubles[role] = trouble, times
        if trouble and times == 2:
            name = _NAMES_OF_ROLES[role]
            log.warning("no metrics from the %s: %s (dashboard.%s_urls says where they are)", name, trouble, role)

    def drawings(self) -> dict[str, Drawing]:
        """The two charts by the id of their card: rates (records a second) and lags (records)."""
        samples = list(self._samples)
        labels = [sample.at.strftime("%H:%M:%S") for sample in samples]
        rates = [Series(_NAMES[role], _rates(samples, role)) for role in _RATES]
        lags = [Series(_WAITING[role], [sample.lags.get(role) for sample in samples]) for role in _LAGS]
        return {
            "pipeline_rate": Drawing(labels, rates, *_rate_headline(samples, rates)),
            "pipeline_lag": Drawing(labels, lags, *_lag_headline(samples)),
        }


def _rates(samples: list[Sample], role: str) -> list[Value]:
    found: list[Value] = [None] if samples else []
    for before, after in pairwise(samples):
        if role not in before.totals or role not in after.totals:
            found.append(None)
            continue
        # A counter that went down was started anew: what it shows is what came since.
        more = after.totals[role] - before.totals[role]
        gone = max(0.001, after.monotonic - before.monotonic)
        found.append(round((more if more >= 0 else after.totals[role]) / gone, 2))
    return found


def _rate_headline(samples: list[Sample], rates: list[Series]) -> tuple[str, str]:
    if not samples:
        return "–", "no sample yet"
    silent = [_NAMES_OF_ROLES[role] for role in _RATES if role not in samples[-1].totals]
    if silent:
        return "–", f"no answer from: {', '.join(silent)}"
    newest = rates[0].values[-1]
    return ("–" if newest is None else f"{newest:,.1f}"), "reports a second accepted now"


def _lag_headline(samples: list[Sample]) -> tuple[str, str]:
    if not samples or not samples[-1].lags:
        return "–", "no answer from the compactor and the sink"
    waiting = samples[-1].lags
    parts = [
        f"{_NAMES_OF_ROLES[role]} {waiting[role]:,.0f}" if role in waiting else f"{_NAMES_OF_ROLES[role]} –"
        for role in _LAGS
    ]
    return f"{sum(waiting.values()):,.0f}", f"records wait now: {', '.join(parts)}"


def _said(error: Exception) -> str:
    """What happened, without the address: it may hold a password."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    if isinstance(error, httpx.ConnectError):
        return str(error) or "no connection"  # which certificate is wrong, say
    return type(error).__name__ if isinstance(error, httpx.HTTPError) else "what answers is not a role's metrics"


_NAMES_OF_ROLES: Final = {"ingest": "ingress", "compact": "compactor", "sink": "sink"}
