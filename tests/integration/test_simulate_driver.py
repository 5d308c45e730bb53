"""The fleet's client against a scripted server: order, patience, bounds, and what it makes of odd answers."""

import asyncio
import json
import re
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import pytest

from deploy.cli.main import main
from deploy.local.ports import free_port
from deploy.simulate.connection import Connection, NoAnswerError, Target
from deploy.simulate.driver import AbandonedError, Drive, Driver
from deploy.simulate.fleet import Plan, requests
from deploy.simulate.ledger import Ledger
from deploy.simulate.tally import Tally

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
AGENT = re.compile(rb"\r\nUser-Agent: (.*)\r\n")


@dataclass
class Server:
    """Answers each request with what `script` says of its number of times seen before; None: breaks off."""

    script: Callable[[bytes, int], bytes | None]
    port: int = 0
    seen: list[bytes] = field(default_factory=list)
    times: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        agent = AGENT.findall(head)[0]
        self.seen.append(agent)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        await asyncio.wait([asyncio.create_task(asyncio.to_thread(bytes))])  # lets the others in
        self.open_now -= 1
        answer = self.script(head + body, self.times[agent])
        self.times[agent] += 1
        if answer is None:
            return False
        writer.write(answer)
        await writer.drain()
        return b"\r\nConnection: close\r\n" not in head


@asynccontextmanager
async def serving(
    script: Callable[[bytes, int], bytes | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    found = Server(script)
    server = await asyncio.start_server(found.connected, "127.0.0.1", 0, limit=1 << 20, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found
        await asyncio.wait_for(asyncio.gather(*found.tasks), 10)  # the clients have closed by now


async def play(server: Server, plan: Plan, **given: float) -> tuple[Tally, Ledger]:
    tally, ledger = Tally(), Ledger(plan.reports)
    options = {"silence": 0.01, "timeout": 2.0, "concurrency": 8, **given}
    drive = Drive(target=Target("127.0.0.1", server.port), total=plan.reports, **options)  # type: ignore[arg-type]
    await Driver(drive, tally, ledger).run(requests(plan))
    return tally, ledger


PLAN = Plan(accounts=30, reports=300, seed=5, marked=True)
GOOD = sum(request.expect == 200 for request in requests(PLAN))


async def test_every_request_is_sent_once_and_a_phones_in_order() -> None:
    async with serving(lambda _, __: OK) as server:
        tally, ledger = await play(server, PLAN)
    numbers = [int(agent.rpartition(b"-")[2]) for agent in server.seen]
    assert sorted(numbers) == list(range(300))
    phones = {request.number: request.phone for request in requests(PLAN)}
    order: dict[int, list[int]] = defaultdict(list)
    for number in numbers:
        order[phones[number]].append(number)
    assert all(sent == sorted(sent) for sent in order.values())
    assert (tally.outcomes["accepted"], tally.outcomes["unexpected"]) == (GOOD, 300 - GOOD), "200 for a broken one"
    assert sum(ledger.accepted) == GOOD
    closes = sum(request.close for request in requests(PLAN))
    assert closes > 0 and server.connections <= 8 + closes, "connections are kept alive"


async def test_busy_is_later_again() -> None:
    async with serving(lambda _, times: BUSY if times < 2 else OK) as server:
        tally, ledger = await play(server, PLAN)
    assert tally.retries["503"] == 600
    assert len(server.seen) == 900
    assert set(ledger.attempts) == {3}
    assert tally.outcomes["accepted"] == GOOD


async def test_patience_has_an_end() -> None:
    async with serving(lambda _, __: BUSY) as server:
        tally, _ = await play(server, PLAN, attempts=2)
    assert tally.outcomes == {"gave_up": 300}
    assert len(server.seen) == 600
    assert not tally.as_expected


@pytest.mark.parametrize("answer", [BUSY, None], ids=["503", "silence"])
async def test_a_day_without_end_is_broken_off(answer: bytes | None) -> None:
    async with serving(lambda _, __: answer) as server:
        with pytest.raises(AbandonedError, match=r"nothing was accepted or refused for 0\.3 s"):
            await play(server, PLAN, attempts=1_000_000, patience=0.3)


async def test_a_slow_day_is_not_broken_off() -> None:
    busy = BUSY.replace(b"Retry-After: 0", b"Retry-After: 1")
    async with serving(lambda _, times: busy if times == 0 else OK) as server:
        tally, _ = await play(server, Plan(accounts=3, reports=3, marked=True), patience=0.5, concurrency=1, rate=1.0)
    assert tally.as_expected and tally.retries["503"] == 3


async def test_broken_connections_are_tried_again() -> None:
    async with serving(lambda _, times: None if times == 0 else OK) as server:
        tally, _ = await play(server, PLAN)
    assert tally.outcomes["accepted"] == GOOD
    assert tally.retries["no answer"] == 300


async def test_retry_after_is_honoured() -> None:
    busy = BUSY.replace(b"Retry-After: 0", b"Retry-After: 1")
    async with serving(lambda _, times: busy if times == 0 else OK) as server:
        began = perf_counter()
        await play(server, Plan(accounts=1, reports=1))
        assert 1.0 <= perf_counter() - began < 3.0


async def test_the_day_is_compressed_to_the_rate() -> None:
    async with serving(lambda _, __: OK) as server:
        began = perf_counter()
        await play(server, Plan(accounts=10, reports=100), rate=100.0)
        assert 0.8 < perf_counter() - began < 3.0


async def test_many_phones_at_once_and_no_more_than_asked() -> None:
    async with serving(lambda _, __: OK) as server:
        await play(server, PLAN, concurrency=3)
        assert 1 < server.most_open <= 3


@pytest.mark.parametrize(
    "odd",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK[:10], None],
    ids=["not HTTP", "cut body", "cut head", "nothing"],
)
async def test_no_whole_answer_is_none(odd: bytes | None) -> None:
    async with serving(lambda _, __: odd) as server:
        connection = Connection(Target("127.0.0.1", server.port))
        with pytest.raises(NoAnswerError):
            await connection.ask(b"GET / HTTP/1.1\r\nUser-Agent: x\r\n\r\n", 0.5)
        connection.close()


async def test_an_answer_is_read_whole() -> None:
    problem = (
        b"HTTP/1.1 429 Slow\r\nretry-after: 7\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with serving(lambda _, __: problem) as server:
        connection = Connection(Target("127.0.0.1", server.port))
        answer = await connection.ask(b"GET / HTTP/1.1\r\nUser-Agent: x\r\n\r\n", 2)
        connection.close()
    assert (answer.status, answer.retry_after, answer.content_type, answer.body) == (429, 7.0, "text/plain", b"abcde")
    assert answer.keep


def run_command(server_script: Callable[[bytes, int], bytes | None], *arguments: str) -> int:
    """`pushtokens simulate` (which has a loop of its own) against a server in this thread's loop."""

    async def both() -> int:
        async with serving(server_script) as server:
            url = f"http://127.0.0.1:{server.port}"
            return await asyncio.to_thread(main, ["simulate", "--url", url, "--attempts", "2", *arguments])

    return asyncio.run(both())


SMALL = ("--accounts", "20", "--reports", "20", "--seed", "2")  # a day without a broken request


def test_the_command_writes_counts_and_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "accepted.jsonl"
    assert run_command(lambda _, __: OK, *SMALL, "--json", "--record", str(file)) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["outcomes"] == {"accepted": 20, "refused": 0, "gave_up": 0, "unexpected": 0}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(line["number"] for line in lines) == list(range(20))
    assert all(line["user_agent"].endswith(f" sim/2-{line['number']}") for line in lines)


def test_the_command_fails_when_the_server_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda _, __: b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", *SMALL) == 1
    shown = capsys.readouterr().out
    assert "20  unexpected" in shown and "500 instead of 200" in shown


def test_nobody_there_is_one_clear_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--url", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "is `make run` running there?" in capsys.readouterr().err
