"""What the tests of the cluster say on the terminal, whether they pass or fail: the gaps they measured."""

import os
import sys
from collections.abc import Callable

import pytest

# The long form alone (`make soak`): an hour of it.
LONG = [
    "test_clickhouse_distributed.py",
    "test_cluster_cut.py",
    "test_cluster_few.py",
    "test_cluster_workers.py",
    "test_growing.py",
]
collect_ignore = [] if os.environ.get("SOAK") else LONG


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line of the result."""

    def written(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {line}")
            sys.stdout.flush()

    return written
