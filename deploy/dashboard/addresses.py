"""Where each role's metrics are asked for, checked at the start."""

from urllib.parse import urlsplit

import httpx

from schemas.settings import Settings


class AddressError(ValueError):
    """A setting that is no list of addresses; the text names it, and holds nothing of it: it may have a password."""


def addresses(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Addresses (URLs, without `/` at the end) by role: from the settings, or the ports on this machine.

    Raises:
        AddressError: a setting that cannot be used.
    """
    chosen = settings.dashboard
    return {
        "ingest": _listed("ingest_urls", chosen.ingest_urls, settings.ingest.port),
        "compact": _listed("compact_urls", chosen.compact_urls, settings.lookup.port),
        "sink": _listed("sink_urls", chosen.sink_urls, settings.sink.port),
    }


def _listed(name: str, text: str, port: int) -> tuple[str, ...]:
    found = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for number, url in enumerate(found, 1):
        if wrong := _wrong(url):
            which = f"address {number} of {len(found)}" if len(found) > 1 else "it"
            raise AddressError(
                f"dashboard.{name}: {which} {wrong}; wanted: http://HOST:PORT or https://HOST:PORT, several with commas"
            )
    return found or (f"http://127.0.0.1:{port}",)


def _wrong(url: str) -> str:
    """What is wrong with an address; empty: nothing."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return "has a port or host that is none"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not usable:
        return "has no host, or port 0"
    if parts.path.endswith("/metrics") or parts.query or parts.fragment or any(sign.isspace() for sign in url):
        return "has more than that (/metrics is put behind it)"
    return ""
