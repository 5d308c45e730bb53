"""`up` under attack: roles and engines killed, the supervisor killed or asked to stop. Nothing may be left behind."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from deploy.local.probe import Target, get
from deploy.local.process import Process, python_path
from tests.poll import until

ROLES = ("ingest", "compact", "sink", "dashboard")
START_SECONDS = 120.0


class Run:
    """One `up` with stand-in roles, on ports and in a directory of its own."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.data = directory / "data"
        names = ("INGEST", "LOOKUP", "SINK", "DASHBOARD", "KAFKA", "CLICKHOUSE")
        self.ports = {name: free_port() for name in names}
        env = {f"PUSHTOKENS_{name}_PORT": str(port) for name, port in self.ports.items()}
        env |= {"PUSHTOKENS_DATA_DIR": str(self.data), "PUSHTOKENS_INGEST_HOST": "127.0.0.1"}
        self.env = env | python_path() | variables
        self.process = Process("up", [sys.executable, "-m", "tests.stand_in_up"], directory / "up.log", self.env)

    def start(self) -> None:
        self.process.start()

    def wait_ready(self, times: int = 1) -> None:
        until(lambda: self.said("Ready in", times) or not self.process.running, "up is ready", START_SECONDS)
        assert self.process.running, self.output()

    def said(self, text: str, times: int = 1) -> bool:
        return self.output().count(text) >= times

    def output(self) -> str:
        return self.process.log.read_text() if self.process.log.exists() else ""

    def children(self) -> dict[str, int]:
        """The processes it started: name to id."""
        marks = {"kafka": "kafka.Kafka", "clickhouse": "clickhouse_server"} | {
            name: f"tests.stand_in_up {name} " for name in ROLES
        }
        found: dict[str, int] = {}
        for pid, command in processes():
            if parent(pid) == self.process.pid:
                found |= {name: pid for name, mark in marks.items() if mark in command}
        return found

    def left(self) -> list[str]:
        """What is still there of it, wherever it hangs now."""
        ports = {str(port) for port in self.ports.values()}
        return [
            command
            for _, command in processes()
            if str(self.data) in command or any(f" {port}" in f"{command} " for port in ports)
        ]


def processes() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if command:
                yield int(entry.name), command


def parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(**variables: str) -> Run:
        made.append(Run(tmp_path / f"run{len(made)}", **variables))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        until(partial(_is_gone, each), "nothing is left after a test", 15.0)


@pytest.fixture
def beside(run: Callable[..., Run], kafka: LocalKafka) -> Callable[..., Run]:
    """A run that uses the session's Kafka (external by setting): it starts roles only, within a second or two."""

    def make(**variables: str) -> Run:
        external = {
            "PUSHTOKENS_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "PUSHTOKENS_KAFKA_TOPIC_PREFIX": f"up{uuid.uuid4().hex[:8]}",
            "PUSHTOKENS_REPLICATION_FACTOR": "1",
            "PUSHTOKENS_CLICKHOUSE_URL": "http://127.0.0.1:1",  # the stand-ins never ask it
        }
        return run(**external | variables)

    return make


def _is_gone(run: Run) -> bool:
    return not run.left()


def test_a_killed_role_and_killed_engines_come_back(run: Callable[..., Run]) -> None:
    up = run()
    up.start()
    up.wait_ready()
    before = up.children()
    assert set(before) == {*ROLES, "kafka", "clickhouse"}
    for name in ("sink", "clickhouse", "kafka"):
        os.kill(before[name], signal.SIGKILL)
    until(lambda: {*ROLES, "kafka", "clickhouse"} == set(up.children()), "all six run again", 60.0)
    after = up.children()
    assert {name for name in before if before[name] != after[name]} == {"sink", "clickhouse", "kafka"}
    for name in ("sink", "clickhouse", "kafka"):
        assert f"{name} ended (killed by SIGKILL)" in up.output()
    until(lambda: answers(up.ports["SINK"], "/readyz"), "the sink answers again")
    until(lambda: answers(up.ports["CLICKHOUSE"], "/ping"), "ClickHouse answers again", START_SECONDS)


def test_a_killed_supervisor_leaves_nothing_and_the_next_one_starts(run: Callable[..., Run]) -> None:
    up = run()
    up.start()
    up.wait_ready()
    assert len(up.children()) == 6
    up.process.kill()
    until(lambda: not up.left(), "everything died with the supervisor", 15.0)
    up.start()
    up.wait_ready(times=2)


def test_sigterm_stops_everything_in_order(run: Callable[..., Run]) -> None:
    up = run()
    up.start()
    up.wait_ready()
    up.process.terminate()
    assert up.process.wait(40.0), up.output()
    assert (up.process.exit_code, up.left()) == (0, [])
    groups = ("ingest …", "compact, sink, dashboard …", "clickhouse, kafka …")
    order = [up.output().index(f"stopping {names}") for names in groups]
    assert order == sorted(order)
    assert "killed after" not in up.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_other_signals_do_too(beside: Callable[..., Run], number: signal.Signals) -> None:
    up = beside()
    up.start()
    up.wait_ready()
    assert set(up.children()) == set(ROLES)  # external Kafka and ClickHouse: neither is started
    assert up.process.pid is not None
    os.kill(up.process.pid, number)
    assert up.process.wait(40.0), up.output()
    assert (up.process.exit_code, up.left()) == (0, [])


def test_a_signal_while_starting_stops_everything(run: Callable[..., Run]) -> None:
    up = run()
    up.start()
    until(lambda: "kafka" in up.children(), "Kafka's process is there", START_SECONDS)
    up.process.terminate()
    assert up.process.wait(40.0), up.output()
    assert (up.process.exit_code, up.left()) == (0, [])


def test_a_role_that_does_not_stop_is_killed_in_the_end(beside: Callable[..., Run]) -> None:
    up = beside(STAND_IN_STUBBORN="sink", PUSHTOKENS_LOCAL_STOP_TIMEOUT="2")
    up.start()
    up.wait_ready()
    up.process.terminate()
    assert up.process.wait(40.0), up.output()
    assert (up.process.exit_code, up.left()) == (0, [])
    assert "killed after 2 s: sink" in up.output()


def test_a_second_signal_kills_what_does_not_stop(beside: Callable[..., Run]) -> None:
    up = beside(STAND_IN_STUBBORN="sink", PUSHTOKENS_LOCAL_STOP_TIMEOUT="300")
    up.start()
    up.wait_ready()
    up.process.terminate()
    until(lambda: up.said("stopping compact, sink, dashboard"), "the stubborn one is asked")
    up.process.terminate()
    assert up.process.wait(20.0), up.output()
    assert (up.process.exit_code, up.left()) == (0, [])


def test_a_role_that_cannot_start_ends_up_with_its_last_words(beside: Callable[..., Run]) -> None:
    up = beside(STAND_IN_FAILS="sink")
    up.start()
    assert up.process.wait(START_SECONDS), up.output()
    assert up.process.exit_code == 1
    assert "sink does not start (exit code 4)" in up.output()
    assert "sink: the last word" in up.output()
    assert f"{up.data}/logs/sink.log" in up.output()
    assert up.left() == []


def test_the_status_line_shows_what_the_roles_count(beside: Callable[..., Run]) -> None:
    up = beside()
    up.start()
    up.wait_ready()
    until(lambda: up.said("in 5 (0/s) | compacted 4, lag 1 | sunk 3, lag 2 | all well"), "the figures", 60.0)


def test_a_port_in_use_is_named_with_its_setting(beside: Callable[..., Run]) -> None:
    import socket

    up = beside()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", up.ports["LOOKUP"]))
        holder.listen(1)
        up.start()
        assert up.process.wait(30.0)
    assert up.process.exit_code == 1
    assert f"port {up.ports['LOOKUP']} is in use" in up.output()
    assert "PUSHTOKENS_LOOKUP_PORT" in up.output()
    assert up.left() == []


def test_two_settings_with_the_same_port_are_named(run: Callable[..., Run]) -> None:
    up = run(PUSHTOKENS_SINK_PORT="15999", PUSHTOKENS_DASHBOARD_PORT="15999")
    up.start()
    assert up.process.wait(30.0)
    assert up.process.exit_code == 1
    assert "PUSHTOKENS_SINK_PORT and PUSHTOKENS_DASHBOARD_PORT both say 15999" in up.output()


def test_a_second_up_on_the_same_directory_is_refused(beside: Callable[..., Run]) -> None:
    first = beside()
    first.start()
    first.wait_ready()
    second = beside(PUSHTOKENS_DATA_DIR=str(first.data))
    second.start()
    assert second.process.wait(30.0)
    assert second.process.exit_code == 1
    assert f"another `pushtokens up` (process {first.process.pid})" in second.output()
    assert len(first.children()) == 4


def test_without_a_network_the_first_start_says_what_to_do(run: Callable[..., Run], tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"), nobody)
    up = run(**proxies, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1", PUSHTOKENS_LOCAL_CACHE_DIR=str(tmp_path / "cache"))
    up.start()
    assert up.process.wait(60.0), up.output()
    assert up.process.exit_code == 1
    assert "HTTPS_PROXY" in up.output()
    assert str(tmp_path / "cache") in up.output()
    assert up.left() == []


def test_a_directory_that_cannot_be_written_is_named(run: Callable[..., Run]) -> None:
    up = run(PUSHTOKENS_DATA_DIR="/proc/nowhere")
    up.start()
    assert up.process.wait(30.0)
    assert up.process.exit_code == 1
    assert "/proc/nowhere cannot be written" in up.output()
    assert "PUSHTOKENS_DATA_DIR" in up.output()


def test_a_reader_that_goes_away_stops_nothing(beside: Callable[..., Run], tmp_path: Path) -> None:
    """`make run | head -1`: the pipe closes, the pipeline goes on."""
    up = beside()
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.stand_in_up"], stdout=writing, env=os.environ | up.env, start_new_session=True
    )
    os.close(writing)
    os.close(reading)
    try:
        until(lambda: answers(up.ports["INGEST"], "/readyz"), "the ingress answers", START_SECONDS)
        assert child.poll() is None
    finally:
        child.terminate()
        assert child.wait(40.0) == 0
    assert up.left() == []


def answers(port: int, path: str) -> bool:
    answer = get(Target("any", "127.0.0.1", port), path)
    return answer is not None and answer[0] == 200
