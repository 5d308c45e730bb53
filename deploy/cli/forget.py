"""`pushtokens forget`: erases a selector, or every selector of an account, from the pipeline (GDPR article 17)."""

import argparse
import asyncio
import json
import sys
from typing import Any, Final

from schemas.settings import Settings

HELP: Final = "erase what is known of a selector or an account"
EXAMPLES: Final = """\
  pushtokens forget --selector 12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14
  pushtokens forget --username johndow --yes
  pushtokens forget --username +441632960000 --yes --json

  Compactor and sink must be running. It may be run again at any point. A phone that reports again later is new."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--selector", action="append", metavar="SELECTOR", help="as the app reports it; repeatable")
    whom.add_argument("--username", metavar="NAME", help="every selector that this account has, or ever had")
    parser.add_argument("--yes", action="store_true", help="do not ask first")
    parser.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="for compactor, sink, ClickHouse")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Forget. Returns 0 when all is gone that can be; 1 when not, or nobody was found; 2 for a wrong argument."""
    from aiokafka.errors import KafkaError

    from deploy.barrier import UnfinishedError
    from deploy.cli.kafka import said
    from deploy.hint import hint
    from processors.clickhouse import AwayError, RefusedError
    from processors.log_identity import TopicMissingError

    if any(not selector for selector in arguments.selector or ()) or arguments.username == "":
        return _fail("an empty selector or user name belongs to nobody", 2)
    try:
        return _run(arguments, settings)
    except (UnfinishedError, RefusedError, TopicMissingError) as error:
        return _fail(str(error))
    except AwayError as error:
        return _fail(f"{error}: is {settings.clickhouse_url} up? Run the same command again.{hint(settings)}")
    except (KafkaError, OSError, TimeoutError) as error:
        return _fail(f"{said(settings, error)}. Run the same command again.{hint(settings)}")


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from deploy.forgetting.work import forget

    found = _whom(arguments, settings)
    if not found:
        return _fail("no selector is known for this account")
    if not arguments.yes and not _agreed(found):
        how = "" if sys.stdin.isatty() else "; nobody can be asked here: --yes says that it is meant"
        return _fail(f"nothing was changed{how}")
    say = (lambda _: None) if arguments.json else print
    done = asyncio.run(forget(settings, found, arguments.username, arguments.wait, say))
    (_print_json if arguments.json else _print)(done)
    return 0


def _whom(arguments: argparse.Namespace, settings: Settings) -> Any:
    from deploy.forgetting.account import Found, find

    if arguments.selector:
        return Found(tuple(dict.fromkeys(arguments.selector)))
    return asyncio.run(find(settings, arguments.username, arguments.wait, "Nothing was changed"))


def _print(done: Any) -> None:
    if done.found.passed_on:
        number = len(done.found.passed_on)
        have = "1 selector has" if number == 1 else f"{number} selectors have"
        print(f"{have} another account now: only what names this one is gone")
    print("Kafka's topics still hold copies, until at the latest:")
    for one in done.copies:
        until = one.until.strftime("%Y-%m-%d %H:%M UTC") if one.until else "no limit"
        print(f"  {one.topic:<28} {until:<22} {one.what}")


def _print_json(done: Any) -> None:
    held = [
        {"topic": one.topic, "what": one.what, "until": one.until.isoformat() if one.until else None}
        for one in done.copies
    ]
    counts = {"forgotten": len(done.found.own), "passed_on": len(done.found.passed_on)}
    print(json.dumps(counts | {"kafka_holds_copies": held}, indent=2))


def _agreed(found: Any) -> bool:
    if not sys.stdin.isatty():
        return False
    if found.passed_on:
        print("\n".join(found.passed_on))
        print(f"These {len(found.passed_on)} have another account now: only what they reported for this one goes.\n")
    print("\n".join(found.own))
    these = "this selector" if len(found.own) == 1 else f"these {len(found.own)} selectors"
    return input(f"Erase all that is known of {these}? [y/N] ").strip().lower() == "y"


def _fail(text: str, code: int = 1) -> int:
    print(f"pushtokens: {text}", file=sys.stderr)
    return code
