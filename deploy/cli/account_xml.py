"""`pushtokens account-xml`: what to paste into the account XML so that apps report here."""

import argparse
import sys
from datetime import UTC, datetime
from typing import Final

from ingest.account_xml import Account, account_xml, templates_in_force
from ingest.auth.account import possible
from ingest.builtin import HOST
from ingest.template_set import template_set
from ingest.template_text import TemplateError
from schemas.secret import MASK
from schemas.settings import Settings

HELP: Final = "print the account-XML keys of the templates in force"
EXAMPLES: Final = """  pushtokens account-xml --base-url https://push.example.net
  pushtokens account-xml --template removal
  pushtokens account-xml --show-secrets > account.xml
  pushtokens account-xml --account johndow --expires 2027-12-31 --show-secrets"""


class WrongArgumentError(Exception):
    """An argument that cannot be used; the text says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    parser.add_argument("--template", metavar="NAME", help="only this one (default: each report template)")
    parser.add_argument("--base-url", metavar="URL", default="", help="where the ingress is reached from outside")
    parser.add_argument("--account", metavar="USERNAME", help="whose: signs URLs for it, where templates are signed")
    parser.add_argument("--expires", metavar="DATE", help="first day (UTC, YYYY-MM-DD) that a signed URL is refused")
    parser.add_argument("--show-secrets", action="store_true", help="print passwords, secrets, signatures, not a mask")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Check the templates and print their XML. Returns 0, or 2 when a template or argument cannot be used."""
    try:
        template_set(settings)
        text = _xml(arguments, settings, _account(arguments))
    except (TemplateError, WrongArgumentError) as error:
        print(f"pushtokens: {error}", file=sys.stderr)
        return 2
    print(text)
    if MASK in text and not arguments.show_secrets:
        print(f"note: {MASK} stands for what --show-secrets prints", file=sys.stderr)
    if not settings.templates and not arguments.base_url:
        print(f"note: {HOST} stands for your own host; name it with --base-url", file=sys.stderr)
    return 0


def _account(arguments: argparse.Namespace) -> Account | None:
    """Whose keys are wanted.

    Raises:
        WrongArgumentError: a name that no account can have, or a date that is none or has passed.
    """
    if arguments.account is None:
        if arguments.expires is not None:
            raise WrongArgumentError("--expires goes with --account")
        return None
    if not possible(arguments.account):
        raise WrongArgumentError("--account must be a name, without control characters")
    if arguments.expires is None:
        return Account(arguments.account)
    try:
        day = datetime.strptime(arguments.expires, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise WrongArgumentError("--expires must be a date, YYYY-MM-DD") from None
    if day <= datetime.now(UTC):
        raise WrongArgumentError("--expires has passed")
    return Account(arguments.account, int(day.timestamp()))


def _xml(arguments: argparse.Namespace, settings: Settings, account: Account | None) -> str:
    found = list(templates_in_force(settings))
    if arguments.template:
        named = [template for template in found if template.name == arguments.template]
        if not named:
            raise TemplateError(arguments.template, f"not one of {', '.join(template.name for template in found)}")
        found = named
    return account_xml(found, arguments.base_url, show_secrets=arguments.show_secrets, account=account)
