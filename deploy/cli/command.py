"""What a subcommand is: a module with a name, a help line, its arguments and a function to run."""

import argparse
from typing import Protocol

from schemas.settings import Settings


class Command(Protocol):
    """The members that every module named in `deploy.cli.main.COMMANDS` has."""

    HELP: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def run(self, arguments: argparse.Namespace, settings: Settings) -> int:
        """Do it. Returns the exit code: 0 done, 1 failed, 2 wrong usage or settings."""
