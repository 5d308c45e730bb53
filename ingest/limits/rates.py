"""The rates that settings switch on: 429 for who reports too often."""

import secrets
from collections.abc import Iterable, Mapping

from ingest.limits.address import Addresses, networks
from ingest.limits.sketch import RateSketch
from ingest.refusal import BusyError
from ingest.variables import Field
from schemas.settings import Ingest

_FIELDS: tuple[Field, ...] = ("selector", "username")


class FieldRates:
    """A rate for each selector and for each account."""

    def __init__(self, sketches: Mapping[Field, RateSketch]) -> None:
        self._sketches = tuple(sketches.items())

    def check(self, values: Mapping[Field, str], account: str | None, now: float) -> None:
        """Count a report with these values at `now` (s, monotonic).

        `account` is who has authenticated, if anybody: it has a number of its own for each selector, one for itself,
        and nobody else can use them up, whatever they report.

        Raises:
            BusyError: 429.
        """
        for field, sketch in self._sketches:
            value = values.get(field)
            if account is not None:  # a line feed is in no selector and in no name
                value = f"{account}\n{value}" if field == "selector" else f"\n{account}"
            if value is not None and (wait := sketch.take(value.encode(), now)):
                cause = "selector_rate" if field == "selector" else "account_rate"
                raise _too_often(field, wait, cause)


class AddressRate:
    """A rate for each address."""

    def __init__(self, addresses: Addresses, sketch: RateSketch) -> None:
        self._addresses = addresses
        self._sketch = sketch

    def check(self, client: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]], now: float) -> None:
        """Count a request of `client` (ASGI's; None: unknown, and not counted) at `now` (s, monotonic).

        Raises:
            BusyError: 429.
        """
        if client is None:
            return
        if wait := self._sketch.take(self._addresses.key(client[0], headers), now):
            raise _too_often("address", wait, "address_rate")


def field_rates(settings: Ingest) -> FieldRates | None:
    """The rates by selector and account; None if both are off."""
    rates = zip(_FIELDS, (settings.selector_rate, settings.account_rate), strict=True)
    sketches = {field: _sketch(rate, settings) for field, rate in rates if rate}
    return FieldRates(sketches) if sketches else None


def address_rate(settings: Ingest) -> AddressRate | None:
    """The rate by address; None if it is off.

    Raises:
        UnusableError: `trusted_proxies` is no list of networks.
    """
    trusted = networks(settings.trusted_proxies)
    if not settings.address_rate:
        return None
    addresses = Addresses(trusted, settings.forwarded_header, settings.ipv6_prefix)
    return AddressRate(addresses, _sketch(settings.address_rate, settings))


def _sketch(rate: int, settings: Ingest) -> RateSketch:
    return RateSketch(rate, settings.rate_cells, secrets.token_bytes(32))


def _too_often(what: str, wait: float, cause: str) -> BusyError:
    return BusyError(429, f"too many reports of this {what}", "rate_limited", wait, cause)
