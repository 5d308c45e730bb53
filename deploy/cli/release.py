"""`pushtokens release`: frees a selector from the account that it is bound to, or binds it to another one."""

import argparse
import asyncio
import json
import sys
from typing import Any, Final

import msgspec

from schemas.secret import mask_token
from schemas.settings import Settings

HELP: Final = "release a selector from the account that it is bound to"
EXAMPLES: Final = """\
  pushtokens release 12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14 --to janedoe
  pushtokens release 12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14
  pushtokens release SELECTOR --to janedoe --wait 120 --json

  Where accounts are authenticated, a selector is bound to the first one that reports it; what comes under another one
  goes to the topic push-token.rejected (reason bound_to_other, with the selector). Without --to it is bound to
  whichever account reports next, and that may be the former one; what was received before does not bind it. The
  compactor must be running."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    parser.add_argument("selector", metavar="SELECTOR", help="as the app reports it")
    parser.add_argument("--to", metavar="USERNAME", help="bind it to this account at once")
    parser.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="for the compactor")
    parser.add_argument("--json", action="store_true", help="print what is known of the selector now, tokens masked")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Release. Returns 0 when the compactor has applied it; 1 when that is not known; 2 for a wrong argument."""
    from aiokafka.errors import KafkaError

    from deploy.barrier import UnfinishedError
    from deploy.cli.kafka import said
    from deploy.releasing import release
    from processors.log_identity import TopicMissingError

    to = None if arguments.to is None else arguments.to.strip()  # as the ingress keeps names
    if not arguments.selector or to == "":
        return _fail("an empty selector or user name belongs to nobody", 2)
    try:
        found = asyncio.run(release(settings, arguments.selector, to, arguments.wait))
    except (UnfinishedError, TopicMissingError) as error:
        return _fail(str(error))
    except (KafkaError, OSError, TimeoutError) as error:
        return _fail(f"{said(settings, error)}. Run the same command again")
    print(_as_json(found) if arguments.json else said_of(found, to))
    return 0


def said_of(found: Any, to: str | None) -> str:
    """The line for people; `found` as of `deploy.releasing.release`."""
    if found is None:
        return "applied; the selector has no pair now (removed, or never reported: is it spelled right?)"
    bound = found.bound_to or None
    if bound == to:
        return "applied: released" if to is None else f"applied: bound to {to}"
    return "applied, but a later record has " + ("released it" if bound is None else f"bound it to {bound}")


def _as_json(found: Any) -> str:
    known: dict[str, Any] | None = None if found is None else msgspec.to_builtins(found)
    for slot in ("calls", "other"):
        if known is not None and known[slot] is not None:
            known[slot]["token"] = mask_token(known[slot]["token"])
    return json.dumps({"applied": True, "known": known}, ensure_ascii=False, indent=2)


def _fail(text: str, code: int = 1) -> int:
    print(f"pushtokens: {text}", file=sys.stderr)
    return code
