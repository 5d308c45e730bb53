"""docs/growing.md, typed as it stands (but for the ports): one machine's data becomes a cluster's. Long form only."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from deploy.local.ports import free_port
from tests.growing import BROKERS, FIRST, SECOND, block, steps, with_ports

SECONDS = 900
KAFKA_CHECK = "every 200 is in the topic once"

# The other terminal: `make run`, here without make (the test's environment is there already).
BEGIN = """
make_run() { nohup pushtokens up > up$1.log 2>&1 & echo $! > up.pid; until grep -q Ready up$1.log; do sleep 0.5; done; }
export PATH="$PWD/.venv/bin:$PATH"
make_run 1
curl -sf 'http://127.0.0.1:8080/token/?username=johndow&token_calls=a2VwdA&appid_calls=a&selector=KEPT:00000000'
pushtokens simulate --accounts 50 --reports 100 --rate 30 --seed 1 --kafka-check
kill $(cat up.pid); wait $(cat up.pid)
"""
END = """
kill -9 $(cat data/cluster/ingest.pid data/cluster/compact.pid data/cluster/sink.pid)
set -a; . data/cluster/pushtokens.env
pushtokens simulate --accounts 50 --reports 100 --rate 10 --seed 4 --kafka-check
until curl -sf http://127.0.0.1:6066/v1/accounts/johndow; do sleep 0.5; done
"""


def script(ports: dict[int, int]) -> str:
    """The page from step 2 on, between what was there before and what is done to it at the end."""
    running = block("\nmake run")
    stop = block("cluster/ingest.pid data/")
    blocks = [text for blocks in steps().values() for text in blocks if text != stop]
    typed = [f"({text.replace('make run', 'make_run 2')})" if text == running else text for text in blocks]
    return with_ports("\n".join([BEGIN, *typed, END]), ports)


def test_one_machine_becomes_a_cluster_as_written(tmp_path: Path) -> None:
    ports = {port: free_port() for port in (*BROKERS, *FIRST, *SECOND)}
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PUSHTOKENS_")}
    env |= {setting: str(ports[port]) for port, setting in FIRST.items()} | {"PUSHTOKENS_KAFKA_PORT": str(free_port())}
    log = tmp_path / "typed.log"
    with log.open("wb") as out:
        terminal = subprocess.Popen(
            ["bash", "-uxc", script(ports)],
            cwd=tmp_path,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = terminal.wait(SECONDS)
        finally:
            os.killpg(terminal.pid, signal.SIGKILL)
    said = log.read_text(encoding="utf-8", errors="replace")
    assert code == 0, said[-5000:]
    judge(said)


def judge(said: str) -> None:
    """What the terminal shows at the end of it all."""
    shown = [line for line in said.splitlines() if not line.startswith("+")]
    plain = "\n".join(shown)
    assert plain.count(KAFKA_CHECK) == 4, "before, at each ingress, and with one worker of each role"
    known = [line for line in shown if line.startswith('{"username":"johndow"')]
    assert len(known) == 3, "by both compactors, and by the one that was left"
    for selector in ("KEPT:00000000", "12869E0E6E553673C54F29105A0647204C416A2A:00000001", "…A:00000002"):
        assert all(selector.removeprefix("…") in line for line in known), selector
    (rows,) = re.findall(r"^(\d+)\t(\d+)$", plain, re.MULTILINE)
    assert rows[0] == rows[1] and int(rows[0]) > 1_200
    assert re.findall(r"^(?:FAIL|note) .*", plain, re.MULTILINE) == [], "the doctor is content"
    assert plain.count("min.insync.replicas: 1 to 2") == 5
    assert re.findall(r"^ok +topic .*replication factor 3$", plain, re.MULTILINE), "and so is the plan"
