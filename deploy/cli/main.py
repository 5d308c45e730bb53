"""The `pushtokens` command: reads settings once, finds the subcommand's module, runs it."""

import argparse
import importlib
import logging
import os
import sys
from typing import Final, cast

from deploy.cli.command import Command
from schemas.settings_source import SettingsError, read_settings

# Name on the command line to module; a module is imported only when its command or its help is asked for.
COMMANDS: Final[dict[str, str]] = {
    "up": "deploy.cli.up",
    "ingest": "deploy.cli.ingest",
    "compact": "deploy.cli.compact",
    "sink": "deploy.cli.sink",
    "dashboard": "deploy.cli.dashboard",
    "init": "deploy.cli.init",
    "doctor": "deploy.cli.doctor",
    "health": "deploy.cli.health",
    "simulate": "deploy.cli.simulate",
    "lookup": "deploy.cli.lookup",
    "churn": "deploy.cli.churn",
    "account-xml": "deploy.cli.account_xml",
    "import": "deploy.cli.import_file",
    "forget": "deploy.cli.forget",
    "release": "deploy.cli.release",
    "rebuild": "deploy.cli.rebuild",
    "adopt-log": "deploy.cli.adopt_log",
    "repartition": "deploy.cli.repartition",
    "kafka": "deploy.cli.kafka_tools",
}

_PIPE: Final = 141  # as a shell says of a program that SIGPIPE ended


def main(argv: list[str] | None = None) -> int:
    """Run `pushtokens ARGUMENTS` and return the exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    given = sys.argv[1:] if argv is None else argv
    parser = _parser(given)
    arguments = parser.parse_args(given)
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        print(f"pushtokens: {error}", file=sys.stderr)
        return 2
    logging.getLogger().addHandler(logging.NullHandler())  # a role sets logging up; a command's answer is its output
    try:
        code = load(arguments.command).run(arguments, settings)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has what it wanted (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may the interpreter's end write to it
        return _PIPE
    except SettingsError as error:  # what shows only in use: a certificate file that is none
        print(f"pushtokens: {error}", file=sys.stderr)
        return 2


def load(name: str) -> Command:
    """The module of one subcommand."""
    return cast(Command, importlib.import_module(COMMANDS[name]))


def _parser(given: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pushtokens", description="The push-token pipeline.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = next((word for word in given if word in COMMANDS), None)
    for name in COMMANDS if wanted is None else (wanted,):
        module = load(name)
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
