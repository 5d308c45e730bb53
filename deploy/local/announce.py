"""What `up` says once all is ready: where things are, and a first report to try (pure)."""

from pathlib import Path

from deploy.local.probe import reachable
from schemas.settings import Settings

_SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"  # the specification's example


def announcement(settings: Settings, data: Path, seconds: float) -> str:
    """The text; `seconds` is how long the start took. Holds no credential."""
    ingest = _url(settings.ingest.host, settings.ingest.port, tls=bool(settings.ingest.tls_cert_file))
    lookup = _url(settings.lookup.host, settings.lookup.port)
    dashboard = _url(settings.dashboard.host, settings.dashboard.port)
    embedded = "embedded, data stays in " + str(data)
    lines = [
        f"Ready in {seconds:.0f} s. Ctrl-C stops everything; logs are in {data / 'logs'}.",
        "",
        f"  reports     {ingest}/token/" if not settings.templates else f"  reports     {ingest} (your templates)",
        f"  lookup      {lookup}/v1/selectors/SELECTOR",
        f"  dashboard   {dashboard}/",
        f"  Kafka       {settings.bootstrap} ({embedded if settings.embedded_kafka else 'yours'})",
        f"  ClickHouse  {settings.clickhouse_url} ({embedded if settings.embedded_clickhouse else 'yours'})",
        "",
        *_example(settings, ingest, lookup),
    ]
    return "\n".join(lines)


def _example(settings: Settings, ingest: str, lookup: str) -> list[str]:
    if settings.templates:
        return ["`pushtokens account-xml` prints what goes into your app's account XML.", ""]
    query = f"username=johndow&selector={_SELECTOR}&token_calls=QVBBOTFi&appid_calls=com.example.app.pushkit"
    key = " -H 'Authorization: Bearer YOUR_KEY'" if settings.lookup.api_key else ""
    return [
        "A first report, and the newest pair of its selector:",
        "",
        f"  curl -i '{ingest}/token/?{query}'",
        f"  curl{key} '{lookup}/v1/selectors/{_SELECTOR}'",
        "",
    ]


def _url(host: str, port: int, *, tls: bool = False) -> str:
    address, scheme = reachable(host), "https" if tls else "http"
    return f"{scheme}://[{address}]:{port}" if ":" in address else f"{scheme}://{address}:{port}"
