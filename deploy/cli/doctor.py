"""`pushtokens doctor`: what is there, what is missing, what to do."""

import argparse
import logging
import sys
from typing import Final

import msgspec

from schemas.settings import Settings

HELP = "check settings, directory, ports, Java, jars, Kafka, topics, ClickHouse, schema and roles; changes nothing"
EXAMPLES = """\
  pushtokens doctor
  pushtokens doctor --json | python3 -m json.tool     exit code 1 if anything fails"""

_SIGNS: Final = {"ok": "ok  ", "note": "note", "fail": "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON document: a list of check, verdict, detail")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 0: nothing fails; 1: something does."""
    from deploy.doctor import examine

    logging.getLogger().setLevel(logging.CRITICAL)  # what the libraries say of a failed connection is in our findings
    findings = examine(settings)
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode() + "\n")
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            print(f"{_SIGNS[finding.verdict]}  {finding.check:<{width}}  {finding.detail}")
    return 1 if any(finding.verdict == "fail" for finding in findings) else 0
