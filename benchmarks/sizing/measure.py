"""What the other benchmarks do not measure: sizes, and what a report costs that comes over a connection of its own.

python -m benchmarks.sizing.measure        sizes, then real Kafka and ingress for about a minute of processor time

Prints JSON, and writes it to `benchmarks/results/capacity-measured.json`; what is used of it is copied by hand into
`costs.toml`, with its date. Processor times are those of the ingress's and the broker's own processes (/proc).
"""

import asyncio
import json
import random
import ssl
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from benchmarks.ingestion.usage import usage, wait_until_quiet
from benchmarks.machine import machine
from benchmarks.sinking.load import report
from processors.compactor.batch import fold
from processors.compactor.messages import Output, latest_messages
from processors.compactor.reading import Log
from processors.compactor.rocks_store import RocksStore
from processors.compactor.rules import Rules
from processors.compactor.store import Position, Write
from schemas.cloudevents import headers
from schemas.records import encode
from schemas.settings import Settings
from tests.certificates import Authority
from tests.engines import make_settings, running_kafka
from tests.ingress import Ingress, running_ingress
from tests.poll import until

RESULTS: Final = Path(__file__).parent.parent / "results" / "capacity-measured.json"
RECORDS: Final = 20_000
GATHERED: Final = 32  # reports in a batch of the ingress's under a fair load: 64 connections over 2 partitions
REPORTS: Final = 8_000
AT_ONCE: Final = 32
IDLE_SECONDS: Final = 5.0


def record_bytes() -> dict[str, float]:
    """Bytes a record on each topic as they are on disk and on the wire, by the encoders of the roles."""
    reports = [report(number) for number in range(RECORDS)]
    plain = 0
    for start in range(0, RECORDS, GATHERED):
        batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
        for at, one in enumerate(reports[start : start + GATHERED]):
            batch.append(at, one.received_at, one.selector.encode(), encode(one), headers("report", one.id, 0))
        plain += len(batch.build())
    log = Log("x" * 22, 0, 1)
    rules = Rules(touch_interval=86_400_000, late_after=5_000, future_tolerance=300_000)
    read = [(one.selector.encode(), one, at, one.received_at, b"") for at, one in enumerate(reports)]
    folded = fold(read, dict.fromkeys((each[0] for each in read), None), log, rules)
    output = Output(folded)
    changes, _, latest, _ = ([part._build() for part in batches] for batches in output.pack())
    return {
        "reports": plain / RECORDS,
        "changes": sum(map(len, changes)) / len(folded.changes),
        "latest": sum(map(len, latest)) / RECORDS,
        "rocksdb": _rocks_bytes([(key, value) for key, value, _, _ in latest_messages(folded.moves)]),
        "sink_row": sum(len(encode(one)) for one in reports) / RECORDS,
    }


def _rocks_bytes(values: list[tuple[bytes, bytes | None]]) -> float:
    """Bytes on disk a selector, once closed; with ten generations of keys, so that files are compacted."""
    rng = random.Random(7)  # noqa: S311  # keys, not secrets
    with tempfile.TemporaryDirectory() as name:
        store = RocksStore(Path(name) / "store")
        for generation in range(10):
            mark = f"{rng.getrandbits(64):016X}".encode()
            latest = [(mark + key[16:], value) for key, value in values]
            accounts = [(f"user{generation}-{at}", key) for at, (key, _) in enumerate(latest)]
            at = Position(latest=1, removals=0, latest_id="a", removals_id="b", source=1, log_id="x", at=0)
            for start in range(0, len(latest), 5000):
                some = slice(start, start + 5000)
                store.write(0, Write(latest[some], [], accounts[some], [], at))
        store.close()
        size = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
    return size / (10 * len(values))


async def _reports(port: int, count: int, context: ssl.SSLContext | None, kept: bool, prefix: str) -> int:
    """Send `count` reports, each over a connection of its own (or all over 32 kept ones); how many got 503."""
    todo, refused = iter(range(count)), 0

    async def one_after_the_other() -> None:
        nonlocal refused
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        for number in todo:
            if reader is None or writer is None or not kept:
                name = "localhost" if context else None
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
            writer.write(_request(prefix, number))
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30.0)
            busy = answer.startswith(b"HTTP/1.1 503")
            if not busy and not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"not accepted: {answer[:60]!r}")
            refused += busy
            if not kept or busy:
                writer.close()
                await writer.wait_closed()
                reader = writer = None
        if writer is not None:
            writer.close()

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return refused


def _request(prefix: str, number: int) -> bytes:
    token = random.Random(number).randbytes(24).hex()  # noqa: S311  # a load, not a secret
    query = f"selector={prefix}{number:032X}%3A7C3A0D14&token_msgs={token}&appid_msgs=com.cloudsoftphone.app"
    query += f"&token_calls={token[::-1]}&appid_calls=com.cloudsoftphone.app.pushkit&username=johndow"
    return f"GET /token/?{query} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: CloudSoftphone/1.5.6\r\n\r\n".encode()


def _course(ingress: Ingress, broker: int, context: ssl.SSLContext | None, kept: bool, prefix: str) -> dict[str, float]:
    """µs a report, less what both use while nothing comes."""
    asyncio.run(_reports(ingress.port, 2_000, context, kept, f"{prefix}AAAA"))
    wait_until_quiet(ingress.pid, 1)
    before, began = _spent(ingress.pid, broker), time.monotonic()
    time.sleep(IDLE_SECONDS)
    start, resting = _spent(ingress.pid, broker), time.monotonic() - began
    refused = asyncio.run(_reports(ingress.port, REPORTS, context, kept, f"{prefix}BBBB"))
    end, seconds = _spent(ingress.pid, broker), time.monotonic() - began - resting
    own, theirs = (
        (last - first - (first - idle) / resting * seconds) / REPORTS * 1e6
        for idle, first, last in zip(before, start, end, strict=True)
    )
    sys.stdout.write(f"{prefix}: ingress {own:.0f}, broker {theirs:.0f}, {refused} refused, {seconds:.0f} s\n")
    sys.stdout.flush()
    return {"ingress_us": own, "broker_us": theirs, "refused": refused, "seconds": seconds}


def _spent(ingress: int, broker: int) -> tuple[float, float]:
    return usage(ingress).cpu_seconds, usage(broker).cpu_seconds


def connections(directory: Path) -> dict[str, dict[str, float]]:
    """Processor time a report of the ingress and of the broker: kept connections, new ones, new ones with TLS."""
    found: dict[str, dict[str, float]] = {}
    authority = Authority(directory)
    certificate, key = authority.write("localhost", timedelta(days=2))
    with running_kafka(directory / "kafka") as kafka:
        assert kafka.pid is not None
        for tls in (False, True):
            settings = _settings(directory, kafka.bootstrap, certificate if tls else None, key if tls else None)
            _make_topics(settings)
            context = ssl.create_default_context(cafile=str(authority.ca_file)) if tls else None
            with running_ingress(settings, directory / f"ingest-{tls}.log", ready=not tls) as ingress:
                until(lambda ingress=ingress: ingress.connected() >= 1, "it has Kafka", 30.0)  # type: ignore[misc]
                for kept in (True, False):
                    name = f"{'tls' if tls else 'plain'}-{'kept' if kept else 'new'}"
                    found[name] = _course(ingress, kafka.pid, context, kept, f"{len(found):04X}")
    return found


def _settings(directory: Path, bootstrap: str, certificate: Path | None, key: Path | None) -> Settings:
    ingest: dict[str, Any] = {"host": "127.0.0.1"}
    if certificate is not None:
        ingest |= {"tls_cert_file": str(certificate), "tls_key_file": str(key)}
    return make_settings(directory / "data", bootstrap, "http://127.0.0.1:1", ingest=ingest)


def _make_topics(settings: Settings) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    from schemas.kafka_client import client_options
    from schemas.topics import topics

    async def make() -> None:
        admin = AIOKafkaAdminClient(**client_options(settings, "bench"))
        await admin.start()
        try:
            await admin.create_topics(
                [NewTopic(spec.name, spec.partitions, 1, topic_configs=spec.config) for spec in topics(settings).all()]
            )
        finally:
            await admin.close()

    asyncio.run(make())


def main() -> int:
    """Measure, print, write."""
    document: dict[str, object] = {"machine": machine(), "bytes": record_bytes()}
    sys.stdout.write(json.dumps(document["bytes"]) + "\n")
    with tempfile.TemporaryDirectory() as name:
        document["microseconds"] = connections(Path(name))
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
