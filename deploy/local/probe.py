"""Asks the roles how they are, in a thread of its own: `/healthz`, `/readyz`, `/metrics`; keeps the newest answers."""

import http.client
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.status import Samples

_TIMEOUT: Final = 3.0  # seconds for one answer
_PAUSE: Final = 0.5
_MAX_BODY: Final = 4 << 20


class Target(Struct, frozen=True):
    """A role's own HTTP port."""

    name: str
    host: str
    port: int
    tls: bool = False


class Health(Struct, frozen=True):
    """A role's newest answers. `alive_at` is when (monotonic seconds) it last answered `/healthz` with 200."""

    ready: bool = False
    alive_at: float = 0.0
    samples: Samples = []


class Probe:
    """Asks each target in turn until closed. `health` may be read from any thread."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = tuple(targets)
        self._health = {target.name: Health() for target in targets}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; returns when the thread has (at most the answers under way)."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(4 * _TIMEOUT)

    def knows(self, name: str) -> bool:
        """Whether this is one of the targets (the engines are not)."""
        return name in self._health

    def health(self, name: str) -> Health:
        """The newest answers of one role."""
        return self._health[name]

    def _run(self) -> None:
        while not self._closed.is_set():
            for target in self._targets:
                if self._closed.is_set():
                    return
                self._health[target.name] = ask(target, self._health[target.name])
            self._closed.wait(_PAUSE)


def ask(target: Target, before: Health) -> Health:
    """Ask one role everything; `before` is kept where it gives no answer."""
    alive = get(target, "/healthz")
    if alive is None or alive[0] != 200:
        return Health(ready=False, alive_at=before.alive_at, samples=[])
    ready = get(target, "/readyz")
    metrics = get(target, "/metrics")
    samples = parse(metrics[1]) if metrics is not None and metrics[0] == 200 else []
    return Health(ready=ready is not None and ready[0] == 200, alive_at=time.monotonic(), samples=samples)


def get(target: Target, path: str) -> tuple[int, str] | None:
    """Status and body (text) of a GET, None without an answer in 3 s."""
    host = reachable(target.host)
    connection = (
        http.client.HTTPSConnection(host, target.port, timeout=_TIMEOUT, context=_any_certificate())
        if target.tls
        else http.client.HTTPConnection(host, target.port, timeout=_TIMEOUT)
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_BODY).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _any_certificate() -> ssl.SSLContext:
    """It is the public name's, not this machine's; and what is asked here is no secret."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def parse(text: str) -> Samples:
    """The samples of a Prometheus text exposition; empty if it is not one."""
    try:
        return [
            (sample.name, sample.labels, float(sample.value))
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]
    except ValueError:
        return []


def reachable(host: str) -> str:
    """The address at which a server bound to `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
