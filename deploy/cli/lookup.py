"""`pushtokens lookup`: asks a running compactor for the newest pairs of a selector, or for an account's selectors."""

import argparse
import json
import sys
from typing import Any, Final
from urllib.parse import quote

import httpx

from deploy.hint import hint
from schemas.cloudevents import rfc3339
from schemas.secret import mask_token
from schemas.settings import Settings

HELP: Final = "look up the newest token pairs of a selector or an account"
EXAMPLES: Final = """\
  pushtokens lookup 12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14
  pushtokens lookup --username johndow --show-tokens
  pushtokens lookup --username +441632960000 --json
  PUSHTOKENS_LOOKUP_API_KEY=… pushtokens lookup --url http://10.0.0.7:6066 SELECTOR"""

SECONDS: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("selector", nargs="?", metavar="SELECTOR", help="the selector, as the app reports it")
    asked.add_argument("--username", metavar="NAME", help="the account, as the app reports it")
    parser.add_argument("--url", help="where a compactor answers (default: the lookup settings)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON, tokens included")
    parser.add_argument("--show-tokens", action="store_true", help="print the tokens, not only their length")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Ask and print. Returns 0 when found; 1 when unknown, refused or unreachable."""
    base = arguments.url or f"http://{settings.lookup.host}:{settings.lookup.port}"
    by_name = arguments.username is not None
    path = f"/v1/accounts/{quote(arguments.username, safe='')}" if by_name else _selector_path(arguments.selector)
    key = settings.lookup.api_key.reveal()
    try:
        answer = httpx.get(base.rstrip("/") + path, headers=_headers(key), timeout=SECONDS)
        body = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return _fail(
            f"no answer from {base} ({type(error).__name__}): is `pushtokens compact` running there?{hint(settings)}"
        )
    if answer.status_code != 200:
        return _fail(_reason(answer.status_code, body))
    if arguments.json:
        print(json.dumps(body, ensure_ascii=False, indent=2))
        return 0
    for found in body["selectors"] if by_name else [body]:
        _print(found, arguments.show_tokens)
    return 0


def _selector_path(selector: str) -> str:
    return f"/v1/selectors/{quote(selector, safe='')}"


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _fail(text: str) -> int:
    print(f"pushtokens: {text}", file=sys.stderr)
    return 1


def _reason(status: int, body: Any) -> str:
    title = body.get("title", "") if isinstance(body, dict) else ""
    if status == 404:
        return f"{title}: no report with a token has been applied for it"
    if status == 503:
        return f"not now, try again in a moment: {title}"
    if status == 401:
        return f"{title}: set PUSHTOKENS_LOOKUP_API_KEY"
    return f"refused ({status}): {title}"


def _print(found: dict[str, Any], show_tokens: bool) -> None:
    as_of = found["as_of"]
    print(f"selector    {found['selector']}")
    print(f"username    {found['username'] or '-'}")
    print(f"bound to    {found.get('bound_to', '-')}")
    for name in ("calls", "other"):
        slot = found[name]
        if slot is None:
            print(f"{name:<11} -")
        else:
            token = slot["token"] if show_tokens else mask_token(slot["token"])
            print(f"{name:<11} {token}  {slot['app_id'] or '-'}  since {rfc3339(slot['since'])}")
            print(f"{'':<11} rotated {slot['rotations']} times")
    print(f"first seen  {rfc3339(found['first_seen'])}")
    print(f"last seen   {rfc3339(found['last_seen'])} (written at most once per touch interval)")
    print(f"as of       partition {as_of['partition']}, offset {as_of['offset']}, lag {as_of['lag']}")
