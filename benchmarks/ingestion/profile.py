"""Where one worker's time goes under load: py-spy on `pushtokens ingest` while wrk reports to it.

python -m benchmarks.ingestion.profile [--mix post] [--connections 512] [--seconds 20] [--native]

Writes `benchmarks/results/ingress-profile.md`. Time in C (httptools, uvloop, msgspec, system calls) is its Python
caller's own; `--native` tells it apart, as far as the libraries have symbols. Waiting for a core that Kafka or wrk has
counts as well. py-spy has to read the server's memory: root, or a machine on which ptrace is open to its user.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.ingestion import topic, wrk
from benchmarks.ingestion.contender import CONTENDERS, OURS
from benchmarks.ingestion.race import Stage, wait_for
from benchmarks.ingestion.usage import wait_until_quiet
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port

RESULT: Final = Path(__file__).parent.parent / "results" / "ingress-profile.md"
_HERTZ: Final = 200
_TOP: Final = 25


def main(given: Sequence[str]) -> int:
    """Profile and write; 0, or 1 with the reason."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingestion.profile")
    parser.add_argument("--mix", choices=("get", "post"), default="get")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--native", action="store_true", help="C functions too")
    parser.add_argument("--output", type=Path, default=RESULT)
    asked = parser.parse_args(given)
    with tempfile.TemporaryDirectory(prefix="push-token-bench-") as scratch:
        kafka = LocalKafka(Path(scratch) / "kafka", free_port(), heap_mb=1024)
        try:
            tool = wrk.find(print)
            kafka.start()
            stacks, load = record(Stage(kafka.bootstrap, tool, Path(scratch)), tool, asked, Path(scratch))
        except (wrk.LoadError, OSError, subprocess.SubprocessError) as error:
            print(f"no profile: {error}")
            return 1
        finally:
            kafka.stop()
    text = (
        f"`{' '.join(['python -m benchmarks.ingestion.profile', *given])}`, {load.rate:,.0f} reports/s meanwhile.\n\n"
    )
    text += "\n".join(markdown(stacks)) + "\n"
    asked.output.write_text(text, encoding="utf-8")
    print(text)
    return 0


def record(stage: Stage, tool: wrk.Wrk, asked: argparse.Namespace, scratch: Path) -> tuple[list[str], wrk.Load]:
    """Collapsed stacks (`outer;…;inner count`) and what wrk saw."""
    settings = stage.settings(asked.partitions)
    topic.create(settings)
    server = CONTENDERS[OURS].process(settings, scratch / "ingest.log")
    output = scratch / "stacks"
    try:
        server.start()
        wait_for(server, settings.ingest.port)
        assert server.pid is not None
        wait_until_quiet(server.pid, 1)
        tool.run(settings.ingest.port, asked.mix, asked.connections, 2, 1)
        command = [str(Path(sys.executable).with_name("py-spy")), "record", "--format", "raw", "--function"]
        command += ["--rate", str(_HERTZ), "--duration", str(asked.seconds), "--pid", str(server.pid)]
        command += ["--output", str(output), *(["--native"] if asked.native else [])]
        spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        load = tool.run(settings.ingest.port, asked.mix, asked.connections, asked.seconds + 1, 2)
        _, said = spy.communicate(timeout=60)
        if spy.returncode:
            raise OSError(f"py-spy: {said.strip()[-300:]}")
    finally:
        server.stop(25.0)
    return output.read_text(encoding="utf-8").splitlines(), load


def own_and_below(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Samples in which each function was innermost, and in which it was anywhere on the stack."""
    own: Counter[str] = Counter()
    anywhere: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            anywhere[frame] += int(count)
    return own, anywhere


def markdown(stacks: Sequence[str]) -> list[str]:
    """Two tables: own time by package, and the functions with the most of it."""
    own, anywhere = own_and_below(stacks)
    total = max(1, own.total())
    packages: Counter[str] = Counter()
    for frame, count in own.items():
        packages[package(frame)] += count
    lines = ["| package | own time |", "|---|---|"]
    lines += [f"| {name} | {count / total:.1%} |" for name, count in packages.most_common(10)]
    lines += ["", "| function | own time | with what it calls |", "|---|---|---|"]
    return lines + [
        f"| `{frame}` | {count / total:.1%} | {anywhere[frame] / total:.1%} |" for frame, count in own.most_common(_TOP)
    ]


def package(frame: str) -> str:
    """`publish (ingest/kafka_sink.py:64)` is of `ingest`; of a file without folder, or a C library, the file itself."""
    place = frame.rpartition("(")[2].rstrip(")").partition(":")[0]
    return place.partition("/")[0] if place else frame


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
