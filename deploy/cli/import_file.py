"""`pushtokens import`: an operator's existing tokens, from a file through the same pipeline."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from schemas.settings import Settings

HELP: Final = "import existing tokens from a CSV or JSON Lines file"
EXAMPLES: Final = """\
  pushtokens import tokens.csv
  pushtokens import tokens.jsonl --rate 2000 --json
  pushtokens import tokens.csv --check          (reads the whole file, says what is wrong, sends nothing)

  CSV has a first line with column names, JSON Lines one object a line: selector, received_at (ms since the epoch or
  RFC 3339), calls_token and/or other_token; optional calls_app_id, other_app_id, username, install_id, user_agent.
  An import fills what is not known yet: never a slot seen live, never what was removed or forgotten.
  Broken off, it goes on where it was when started again. Exit code 1: some lines were bad, the others are imported."""

SHOWN: Final = 50  # bad lines told one by one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the file")
    parser.add_argument("--format", choices=("csv", "jsonl"), help="what it is (default: by its name)")
    parser.add_argument("--rate", type=float, default=0.0, metavar="N", help="records/s at most (default: no limit)")
    parser.add_argument("--check", action="store_true", help="only say what is wrong with the file")
    parser.add_argument("--again", action="store_true", help="import once more a file that was imported before")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Import. Returns 0; 1 when lines were bad or it could not be finished; 2 for a file that cannot be read."""
    from aiokafka.errors import KafkaError

    from deploy.cli.kafka import said
    from deploy.importing.files import FileError, form_of
    from deploy.importing.progress import BusyError
    from deploy.importing.work import AlreadyError, Task
    from processors.clickhouse import AwayError, RefusedError
    from processors.log_identity import TopicMissingError

    try:
        task = Task(arguments.file, form_of(arguments.file, arguments.format), arguments.rate, arguments.again)
        return _run(arguments, settings, task)
    except AlreadyError as done:
        _print(arguments.json, done.counts, "imported before")
        print("pushtokens: this file has been imported, nothing was sent (--again sends it once more)", file=sys.stderr)
        return 0
    except (BusyError, TopicMissingError) as error:
        return _fail(str(error))
    except FileError as error:
        return _fail(str(error), 2)
    except (KafkaError, TimeoutError) as error:
        return _fail(f"{said(settings, error)}. Started again, it goes on where it was")
    except OSError as error:
        return _fail(f"{error.filename or arguments.file}: {error.strerror or type(error).__name__}", 2)
    except (AwayError, RefusedError) as error:
        return _fail(f"{error}: the list of who was forgotten cannot be read")
    except KeyboardInterrupt:
        return _fail("broken off; started again, it goes on where it was", 130)


def _run(arguments: argparse.Namespace, settings: Settings, task: Any) -> int:
    from deploy.importing import work

    with _bar(task.path, shown=not arguments.json) as (progress, bar):
        told = _Told(progress.console)

        def moved(end: int, counts: Any) -> None:
            progress.update(bar, completed=end, description=f"{counts.done} records")

        if arguments.check:
            counts = work.check(settings, task, told.bad, moved)
        else:
            counts = asyncio.run(work.run(settings, task, told.bad, moved))
    if told.number > SHOWN:
        print(f"… and {told.number - SHOWN} more bad lines", file=sys.stderr)
    _print(arguments.json, counts, "would be imported" if arguments.check else "imported")
    if counts.overtaken:
        text = f"{counts.overtaken} of them were forgotten while this ran"
        print(f"pushtokens: {text}: run that `pushtokens forget` once more", file=sys.stderr)
    return 1 if counts.bad or counts.overtaken else 0


class _Told:
    """Tells of bad lines on standard error: number, field, reason; the first `SHOWN` of them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.number = 0

    def bad(self, line: int, error: Any) -> None:
        self.number += 1
        if self.number <= SHOWN:
            self._console.print(f"line {line}: {error.field} {error.reason}", markup=False, highlight=False)


@contextmanager
def _bar(path: Path, *, shown: bool) -> Iterator[tuple[Progress, Any]]:
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as progress:
        yield progress, progress.add_task("0 records", total=path.stat().st_size)


def _print(as_json: bool, counts: Any, what: str) -> None:
    if as_json:
        print(json.dumps(msgspec.to_builtins(counts), indent=2))
    else:
        print(f"{counts.sent} {what}, {counts.bad} bad, {counts.forgotten} left out because they were forgotten")


def _fail(text: str, code: int = 1) -> int:
    print(f"pushtokens: {text}", file=sys.stderr)
    return code
