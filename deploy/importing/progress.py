"""How far an import has come: counts, and the checkpoint file that outlives Kafka's own memory of it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct


class Counts(Struct):
    """What became of the file's records so far."""

    sent: int = 0
    bad: int = 0
    forgotten: int = 0  # erased by `pushtokens forget` after their time
    overtaken: int = 0  # among `sent`: erased when they were on the log already, or on their way to it

    @property
    def done(self) -> int:
        """Records of the file that have been dealt with."""
        return self.sent + self.bad + self.forgotten


class Checkpoint(Struct, frozen=True):
    """`<data_dir>/import/<identity>.json`: the file's name, its counts, and whether all of it has been imported.

    What comes after `counts` may stand on the log from the offsets `starts` on (by partition) of log `log_id`.
    """

    file: str
    counts: Counts
    finished: bool = False
    log_id: str = ""
    starts: dict[int, int] = {}


def path_of(data_dir: str, identity: str) -> Path:
    """Where the checkpoint of a file is."""
    return Path(data_dir) / "import" / f"{identity}.json"


class BusyError(Exception):
    """Another process on this machine imports the same file now."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the file's lock, `path` with `.lock` at its end; it goes with the process.

    Raises:
        BusyError: somebody else holds it.
        OSError: the data directory cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError("this file is being imported by another process") from None
        yield


def load(path: Path) -> Checkpoint | None:
    """The checkpoint, or None if there is none that can be read (Kafka still knows how far the import has come)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in one step.

    Raises:
        OSError: the data directory cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(checkpoint))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
