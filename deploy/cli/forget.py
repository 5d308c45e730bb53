"""`pushtokens forget`: erases a selector, or every selector of an account, from the pipeline (GDPR article 17)."""

import argparse
import asyncio
import json
import sys
from typing import Any, Final
from urllib.parse import quote

import httpx

from schemas.settings import Settings

HELP: Final = "erase what is known of a selector or an account"
EXAMPLES: Final = """\
  pushtokens forget --selector 12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14
  pushtokens forget --username johndow --yes
  pushtokens forget --username +441632960000 --yes --json

  Compactor and sink must be running. It may be run again at any point. A phone that reports again later is new."""

LOOKUP_SECONDS: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--selector", action="append", metavar="SELECTOR", help="as the app reports it; repeatable")
    whom.add_argument("--username", metavar="NAME", help="every selector whose newest account this is")
    parser.add_argument("--yes", action="store_true", help="do not ask first")
    parser.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="for compactor, sink, ClickHouse")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Forget. Returns 0 when all is gone that can be; 1 when not, or nobody was found; 2 for a wrong argument."""
    from aiokafka.errors import KafkaError

    from deploy.forgetting import ForgetError, forget
    from processors.clickhouse import AwayError, RefusedError
    from processors.log_identity import TopicMissingError

    if any(not selector for selector in arguments.selector or ()) or arguments.username == "":
        return _fail("an empty selector or user name belongs to nobody", 2)
    say = (lambda _: None) if arguments.json else print
    try:
        selectors = _selectors(arguments, settings)
        if not selectors:
            return _fail("no selector is known for this account")
        if not arguments.yes and not _agreed(selectors):
            return _fail("nothing was changed")
        held = asyncio.run(forget(settings, selectors, arguments.username, arguments.wait, say))
    except (ForgetError, AwayError, RefusedError, TopicMissingError) as error:
        return _fail(str(error))
    except (KafkaError, OSError, TimeoutError) as error:
        return _fail(f"Kafka at {settings.bootstrap} does not answer ({type(error).__name__}): run it again")
    if arguments.json:
        until = {one.topic: one.until.isoformat() if one.until else None for one in held}
        print(json.dumps({"forgotten": len(selectors), "kafka_holds_copies_until": until}, indent=2))
        return 0
    print("Kafka's topics still hold older copies, which no consumer group of ours reads again, until at the latest:")
    for one in held:
        print(f"  {one.topic:<28} {one.until.strftime('%Y-%m-%d %H:%M UTC') if one.until else 'no limit is set'}")
    return 0


def _selectors(arguments: argparse.Namespace, settings: Settings) -> list[str]:
    """Those given, or the account's: by the history in ClickHouse and by the compactor's table, which may be ahead."""
    from processors.clickhouse import ClickHouse
    from processors.erasure import selectors_of

    if arguments.selector:
        return list(dict.fromkeys(arguments.selector))
    with ClickHouse(settings) as clickhouse:
        found = set(selectors_of(clickhouse, arguments.username))
    return sorted(found | set(_looked_up(settings, arguments.username)))


def _looked_up(settings: Settings, username: str) -> list[str]:
    base = settings.lookup.advertised_url or f"http://{settings.lookup.host}:{settings.lookup.port}"
    key = settings.lookup.api_key.reveal()
    given = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{base}/v1/accounts/{quote(username, safe='')}", headers=given, timeout=LOOKUP_SECONDS)
        if answer.status_code == 404:
            return []
        answer.raise_for_status()
        body: Any = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        text = f"the compactor at {base} cannot be asked for the account ({type(error).__name__}): is it running?"
        from deploy.forgetting import ForgetError

        raise ForgetError(text) from None
    return [str(found["selector"]) for found in body["selectors"]]


def _agreed(selectors: list[str]) -> bool:
    if not sys.stdin.isatty():
        return False
    print("\n".join(selectors))
    return input(f"Erase all that is known of these {len(selectors)} selector(s)? [y/N] ").strip().lower() == "y"


def _fail(text: str, code: int = 1) -> int:
    print(f"pushtokens: {text}", file=sys.stderr)
    return code
