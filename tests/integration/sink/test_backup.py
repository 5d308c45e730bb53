"""Backup and restore as docs/backup.md says: ClickHouse's own, into an empty engine, and what came since from Kafka."""

import shutil
from pathlib import Path

from msgspec.structs import replace

from processors.clickhouse import ClickHouse
from schemas.settings import Settings
from tests.conftest import SettingsFor
from tests.engines import running_clickhouse, start_command
from tests.poll import until
from tests.sinking import lives, lives_of, pairs, prepare, publish, report, tally

BEFORE, SINCE = 600, 200


def sink_until(settings: Settings, rows: int, log: Path) -> None:
    """Run a sink until so many rows are there, and stop it."""
    sink = start_command(settings, log, "sink")
    try:
        until(lambda: tally(settings).rows >= rows, f"{rows} rows are there", 60.0)
    finally:
        sink.stop(20.0)


async def test_a_backup_restored_elsewhere_and_caught_up_has_every_row_once(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path
) -> None:
    settings = settings_for(sink={"batch_seconds": 0.2})
    database = settings.clickhouse.database
    reports = [report(number) for number in range(BEFORE + SINCE)]
    await prepare(settings)
    await publish(settings, reports[:BEFORE])
    sink_until(settings, BEFORE, tmp_path / "first.log")
    with ClickHouse(settings) as source:
        source.command(f"BACKUP DATABASE {database} TO File('{database}')")
        directory = Path(str(source.query("SELECT path FROM system.disks").scalar()))
    await publish(settings, reports[BEFORE:])  # these are in Kafka only, or in rows that the backup lacks
    sink_until(settings, BEFORE + SINCE, tmp_path / "second.log")

    with running_clickhouse(tmp_path / "empty") as engine:
        shutil.copytree(directory / "backups" / database, engine.directory / "data" / "backups" / database)
        there = replace(settings, clickhouse=replace(settings.clickhouse, url=engine.url))
        with ClickHouse(there, database="system") as target:
            target.command(f"RESTORE DATABASE {database} FROM File('{database}')")
        found = tally(there)
        assert (found.rows, found.places, found.lifetimes) == (BEFORE, BEFORE, pairs(reports[:BEFORE]))
        assert lives(there) == lives_of(reports[:BEFORE])

        # A group without offsets: the sink counts what is there and inserts what is missing.
        anew = replace(there, sink=replace(there.sink, group=f"{there.sink.group}-restored"))
        sink_until(anew, BEFORE + SINCE, tmp_path / "third.log")
        found = tally(there)
        assert (found.rows, found.places, found.lifetimes) == (len(reports), len(reports), pairs(reports))
        assert lives(there) == lives_of(reports)
