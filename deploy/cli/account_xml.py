"""`pushtokens account-xml`: what to paste into the account XML so that apps report here."""

import argparse
import sys
from typing import Final

from ingest.account_xml import account_xml, templates_in_force
from ingest.builtin import HOST
from ingest.template_set import template_set
from ingest.template_text import TemplateError
from schemas.settings import Settings

HELP: Final = "print the account-XML keys of the templates in force"
EXAMPLES: Final = """  pushtokens account-xml --base-url https://push.example.net
  pushtokens account-xml --template removal
  pushtokens account-xml --show-secrets > account.xml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own arguments."""
    parser.add_argument("--template", metavar="NAME", help="only this one (default: each report template)")
    parser.add_argument("--base-url", metavar="URL", default="", help="where the ingress is reached from outside")
    parser.add_argument("--show-secrets", action="store_true", help="print passwords and shared secrets, not a mask")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Check the templates and print their XML. Returns 0, or 2 when a template or argument cannot be used."""
    try:
        template_set(settings)
        print(_xml(arguments, settings))
    except TemplateError as error:
        print(f"pushtokens: {error}", file=sys.stderr)
        return 2
    if not settings.templates and not arguments.base_url:
        print(f"note: {HOST} stands for your own host; name it with --base-url", file=sys.stderr)
    return 0


def _xml(arguments: argparse.Namespace, settings: Settings) -> str:
    found = list(templates_in_force(settings))
    if arguments.template:
        named = [template for template in found if template.name == arguments.template]
        if not named:
            raise TemplateError(arguments.template, f"not one of {', '.join(template.name for template in found)}")
        found = named
    return account_xml(found, arguments.base_url, show_secrets=arguments.show_secrets)
