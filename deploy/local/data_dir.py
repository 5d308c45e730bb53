"""The data directory: made, proved writable, and held by one `up` at a time."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final

LOCK: Final = "up.lock"
_PATIENCE: Final = 3.0  # seconds: a killed `up` and its children may be gone a moment later


class DataDirError(RuntimeError):
    """The directory cannot be used; the text says what to do."""


class DataDir:
    """Holds the directory for the length of a `with`.

    Raises:
        DataDirError: it cannot be made or written, or another `up` holds it.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self._file: int | None = None

    def __enter__(self) -> Path:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise DataDirError(
                f"the data directory {self.path} cannot be written ({error.strerror}): "
                "make it yours, or choose another with PUSHTOKENS_DATA_DIR=DIRECTORY"
            ) from None
        self._lock(self._file)
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())
        return self.path

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)  # and with it the lock

    def _lock(self, file: int) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    holder = os.pread(file, 20, 0).decode("ascii", "replace") or "unknown"
                    os.close(file)
                    raise DataDirError(
                        f"another `pushtokens up` (process {holder}) uses {self.path}: stop that one, or give this one "
                        "a directory and ports of its own (PUSHTOKENS_DATA_DIR, PUSHTOKENS_INGEST_PORT, …)"
                    ) from None
                time.sleep(0.1)
