"""A closed loop of keep-alive connections that send the specification's GET example, each with another selector."""

import argparse
import asyncio
import json
import sys
import time
from typing import Final, cast

import uvloop

REQUEST: Final = (
    b"GET /token/?username=johndow&password=12345678&selector=%040X:7C3A0D14"
    b"&token_msgs=QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J&appid_msgs=com.cloudsoftphone.app"
    b"&token_calls=Udl99X2JFP1bWwS5gR%%2FwGeLE1hmAB2CMpr1Ej0wxkrY%%3D&appid_calls=com.cloudsoftphone.app.pushkit"
    b" HTTP/1.1\r\nHost: example.com\r\nCache-Control: max-age=0\r\nUser-Agent: CloudSoftphone/1.5.6\r\n\r\n"
)


class Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    numbers = iter(range(1 << 40))

    def __init__(self, until: float, times: list[float], failures: list[bytes]) -> None:
        self._until = until
        self._times = times
        self._failures = failures
        self._started = 0.0
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Answers here have no body."""
        self._answer += data
        if b"\r\n\r\n" not in self._answer:
            return
        now = time.perf_counter()
        self._times.append(now - self._started)
        accepted = self._answer.startswith(b"HTTP/1.1 200 ") and self._answer.endswith(b"\r\n\r\n")
        if not accepted:
            self._failures.append(self._answer[:200])
        if accepted and now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._answer = b""
        self._started = time.perf_counter()
        self._transport.write(REQUEST % next(self.numbers))


async def run(port: int, connections: int, seconds: float, first: int) -> dict[str, float]:
    """Load for `seconds`; requests/s, latencies in ms, failures."""
    Connection.numbers = iter(range(first, 1 << 40))
    times: list[float] = []
    failures: list[bytes] = []
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Connection(begun + seconds, times, failures), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for connection in made))
    took = time.perf_counter() - begun
    times.sort()
    return {
        "requests": len(times),
        "per_second": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[len(times) * 99 // 100] * 1000,
        "failures": len(failures),
    }


def main() -> None:
    """Run once and write the figures as JSON to standard output."""
    parser = argparse.ArgumentParser()
    for name, kind in (("port", int), ("connections", int), ("seconds", float), ("first", int)):
        parser.add_argument(name, type=kind)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(run(given.port, given.connections, given.seconds, given.first))
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
