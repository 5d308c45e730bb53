"""No secret leaves `pushtokens forget` by a log, a message or a statement: on every way to fail, and on success."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import replace

from deploy.local.ports import free_port
from processors.sink.erasures import digest
from schemas.secret import Secret
from schemas.settings import Settings
from tests.conftest import SettingsFor
from tests.engines import run_command
from tests.integration.sink.test_forget import NAMESAKE, VICTIM, people, rows, running
from tests.lossy_proxy import LossyProxy
from tests.poll import until
from tests.sinking import prepare, publish

HASH_KEY, API_KEY = "hash-key-51ab", "lookup-key-9f2c"


async def test_no_secret_leaves(
    settings_for: SettingsFor, clickhouse: str, clickhouse_port: int, tmp_path: Path
) -> None:
    """chdb keeps no `system.query_log`; what would stand in it is taken from the wire, parameters included."""
    sinks, commands = (LossyProxy(clickhouse_port, 0.0, 0, record=True) for _ in range(2))
    settings = settings_for(
        sink={"batch_seconds": 0.2},
        log={"level": "DEBUG"},
        lookup={"api_key": API_KEY},
        clickhouse={
            "url": f"http://127.0.0.1:{sinks.port}",
            "token_storage": "hash",
            "token_hash_key": HASH_KEY,
        },
    )
    await prepare(settings)
    tokens = {pair.token for one in people() for pair in (one.calls, one.other) if pair is not None}
    said = ""
    with running(settings, tmp_path, "sink", "compact"):
        await publish(settings, people())
        until(lambda: sum(rows(settings).values()) == 30, "every report has a row")
        beside = replace(settings.clickhouse, url=f"http://127.0.0.1:{commands.port}")
        for expected, words, given in _attempts(replace(settings, clickhouse=beside)):
            done = await asyncio.to_thread(run_command, given, "forget", *words)
            said += done.stdout + done.stderr
            assert expected in done.stdout + done.stderr, done
            assert "Traceback" not in said
        assert rows(settings).keys() == {"SELSTRANGER:7C3A0D14"}
    sunk, statements = (proxy.asked.decode(errors="replace") for proxy in (sinks, commands))
    for proxy in (sinks, commands):
        proxy.close()
    assert VICTIM in sunk, "the recording can be read"
    assert digest(VICTIM) in statements
    for name in (VICTIM, NAMESAKE, "johndow"):
        assert name not in statements
        assert quote(name, safe="") not in statements
    logs = "".join(log.read_text() for log in [tmp_path / "sink.log", tmp_path / "compact.log"])
    assert '"insert"' in logs, "the logs can be read, down to DEBUG"
    for text in (said, logs, statements, sunk):
        assert not [secret for secret in (HASH_KEY, API_KEY, *tokens) if re.search(rf"\b{re.escape(secret)}\b", text)]


def _attempts(settings: Settings) -> Iterator[tuple[str, list[str], Settings]]:
    """What forget says, its arguments, its settings: every way to fail, and at last the one to succeed."""
    patient, account = ["--wait", "30"], ["--username", "johndow", "--yes", "--wait", "2"]
    nowhere = f"127.0.0.1:{free_port()}"
    kafka, clickhouse, lookup = settings.kafka, settings.clickhouse, settings.lookup
    yield "no selector is known", ["--username", "nobody-at-all", "--yes", *patient], settings
    yield "nothing was changed", ["--username", "johndow", *patient], settings
    yield "does not answer", account, replace(settings, kafka=replace(kafka, bootstrap=nowhere))
    yield "does not exist", account, replace(settings, kafka=replace(kafka, topic_prefix="absent"))
    yield (
        f"is http://{nowhere} up?",
        account,
        replace(settings, clickhouse=replace(clickhouse, url=f"http://{nowhere}")),
    )
    yield "ClickHouse refused", account, replace(settings, clickhouse=replace(clickhouse, database="absent"))
    yield "cannot be asked", account, replace(settings, lookup=replace(lookup, port=free_port()))
    yield "answers 401", account, replace(settings, lookup=replace(lookup, api_key=Secret("another")))
    yield "the sink has not come", account, replace(settings, sink=replace(settings.sink, group="nobody"))
    stopped = replace(settings, compact=replace(settings.compact, group="nobody"))
    yield "the compactor has not come", ["--selector", VICTIM, "--yes", "--wait", "2"], stopped
    yield "ClickHouse rows deleted", ["--username", "johndow", "--yes", *patient], settings
