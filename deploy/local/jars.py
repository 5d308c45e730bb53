"""The jars of the embedded broker: pinned by coordinate, size and SHA-256 (`jars.txt`).

Fetched once, checked at every start. Each jar is downloaded beside the cache, checked, and moved in by an atomic
rename: what a broken-off download left is never taken for a jar, and what it finished is kept.
"""

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct

KAFKA_VERSION: Final = "4.4.0"
CACHE: Final = "~/.cache/push-token-pipeline"
_CONNECTIONS: Final = 6  # jars fetched at once: small ones wait on round trips; more brings nothing
_ATTEMPTS: Final = 3
_RETRY_SECONDS: Final = 0.5
_STAGING: Final = ".download-"
_STALE: Final = 3600  # seconds after which a staging directory is a killed download's, not a running one's
_TIMEOUT: Final = 20  # seconds without a byte before an attempt is given up

Progress = Callable[[int, int], None]
"""Told the bytes that are there and the bytes that there are to be, now and then, from any thread."""


class JarsError(RuntimeError):
    """The jars are not to be had; the text says what to do."""


class Jar(Struct, frozen=True):
    """One pinned jar: Maven coordinate `group:artifact:version`, its length in bytes, its SHA-256 in hex."""

    coordinate: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name: `artifact-version.jar`."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def pinned() -> tuple[Jar, ...]:
    """Every jar of the broker's class path, in the order of `jars.txt`."""
    lines = files("deploy.local").joinpath("jars.txt").read_text(encoding="ascii").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return tuple(Jar(coordinate, int(size), sha256) for coordinate, size, sha256 in rows)


def jars_dir(cache_dir: str = "") -> Path:
    """Where the jars are kept: `kafka-4.4.0` in `cache_dir`, or in the default cache when that is empty."""
    return Path(cache_dir or CACHE).expanduser() / f"kafka-{KAFKA_VERSION}"


def missing(directory: Path) -> list[Jar]:
    """The pinned jars that are absent from `directory` or differ from their pin (about 0.1 s for all 45)."""
    return [jar for jar in pinned() if not _is_good(directory / jar.name, jar)]


def ensure(directory: Path, progress: Progress = lambda done, total: None) -> list[Path]:
    """Make sure that every jar is in `directory`, downloading what is missing; returns the class path (list of paths).

    Raises:
        JarsError: no network, a jar that differs from its pin, or a directory that cannot be written.
    """
    wanted = missing(directory)
    if wanted:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _sweep(directory.parent)
            with TemporaryDirectory(prefix=_STAGING, dir=directory.parent) as staging:
                _Download(Path(staging), directory, wanted, progress).run()
        except OSError as error:
            raise JarsError(_explain(directory, wanted, error)) from error
    return [directory / jar.name for jar in pinned()]


class _Download:
    """One round of downloads: `staging` is a Maven repository layout, `directory` the flat result."""

    def __init__(self, staging: Path, directory: Path, wanted: list[Jar], progress: Progress) -> None:
        self._staging = staging
        self._directory = directory
        self._wanted = wanted
        self._progress = progress
        self._total = sum(jar.size for jar in pinned())
        self._done = self._total - sum(jar.size for jar in wanted)
        self._lock = threading.Lock()

    def run(self) -> None:
        self._add(0)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            tasks = [pool.submit(self._fetch, jar) for jar in self._wanted]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _fetch(self, jar: Jar) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                found = self._resolve(jar, attempt)
                break
            except (
                OSError,
                RuntimeError,
            ) as error:  # requests' errors are OSErrors; jgo's "not found" is a RuntimeError
                if attempt == _ATTEMPTS:
                    raise JarsError(_explain(self._directory, self._wanted, error)) from error
                time.sleep(_RETRY_SECONDS * attempt)
        if not _is_good(found, jar):
            raise JarsError(
                f"{jar.coordinate} as downloaded differs from its pinned SHA-256, so it was not used. "
                "A proxy or mirror that changes files is the usual cause; try again without it."
            )
        found.replace(self._directory / jar.name)

    def _resolve(self, jar: Jar, attempt: int) -> Path:
        from jgo.maven import MavenContext, PythonResolver

        group, artifact, version = jar.coordinate.split(":")
        resolver = PythonResolver(progress_callback=self._watch)
        repository = self._staging / str(attempt)  # a fresh place: jgo takes any file that is there for complete
        context = MavenContext(resolver=resolver, repo_cache=repository, timeout=_TIMEOUT)
        return Path(context.project(group, artifact).at_version(version).artifact().resolve())

    @contextmanager
    def _watch(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        counted = 0

        def count(length: int) -> None:
            nonlocal counted
            counted += length
            self._add(length)

        try:
            yield count
        except BaseException:
            self._add(-counted)
            raise

    def _add(self, length: int) -> None:
        with self._lock:
            self._done += length
            done = self._done
        self._progress(done, self._total)


def _sweep(cache: Path) -> None:
    for left in cache.glob(_STAGING + "*"):
        if time.time() - left.stat().st_mtime > _STALE:
            shutil.rmtree(left, ignore_errors=True)


def _is_good(path: Path, jar: Jar) -> bool:
    try:
        if path.stat().st_size != jar.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except OSError:
        return False


def _explain(directory: Path, wanted: list[Jar], error: Exception) -> str:
    megabytes = sum(jar.size for jar in wanted) / 1e6
    return (
        f"Kafka's jars are not there yet ({len(wanted)} of {len(pinned())} missing, {megabytes:.0f} MB) and could not "
        f"be put into {directory} ({type(error).__name__}). The first start needs Maven Central (behind a proxy set "
        "HTTPS_PROXY) and a directory it may write (PUSHTOKENS_LOCAL_CACHE_DIR names another). Finished files are "
        "kept: run the same command again, or copy that directory from a machine that has it. "
        "Or use a Kafka of your own: PUSHTOKENS_KAFKA_BOOTSTRAP=host:port."
    )
