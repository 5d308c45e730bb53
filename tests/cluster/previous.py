"""The version before this one, from the repository's own history: its code, to run beside ours."""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from tests.cluster.crew import HERE

# The last version before selectors could be bound to accounts: records without `authenticated_username`, states without
# `bound_to`. Move it on with every release (docs/cluster.md).
COMMIT: Final = "da36b7e"
PACKAGES: Final = ("schemas", "ingest", "processors", "deploy")
SECONDS: Final = 60.0


def unpack(directory: Path) -> Path:
    """Put its code under `directory`; returns that.

    Raises:
        AssertionError: the history is not here.
    """
    command = ["git", "-C", str(HERE), "archive", "--format=tar", COMMIT, "--", *PACKAGES]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, (
        f"commit {COMMIT} is not to be had ({done.stderr.decode().strip()}): this test needs the repository with its "
        "history (`git fetch --unshallow`)"
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory
