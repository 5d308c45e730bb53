"""`pushtokens health`: which port is asked, and what the exit code says."""

from typing import Any

import pytest

from deploy.cli.main import main
from deploy.local import probe
from deploy.local.probe import Target
from deploy.role_targets import ROLES, target
from schemas.settings import Dashboard, Ingest, Lookup, Settings, Sink


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("ingest", Target("ingest", "0.0.0.0", 1)),
        ("compact", Target("compact", "::1", 2)),
        ("sink", Target("sink", "10.0.0.1", 3)),
        ("dashboard", Target("dashboard", "127.0.0.1", 4)),
    ],
)
def test_a_role_is_asked_where_it_listens(role: str, expected: Target) -> None:
    settings = Settings(
        ingest=Ingest(port=1),
        lookup=Lookup(host="::1", port=2),
        sink=Sink(host="10.0.0.1", port=3),
        dashboard=Dashboard(port=4),
    )
    assert target(settings, role) == expected
    assert role in ROLES


def test_an_ingress_with_a_certificate_is_asked_by_tls() -> None:
    assert target(Settings(ingest=Ingest(tls_cert_file="chain.pem")), "ingest").tls


class Answer:
    """Stands in for the role: what it answers, and what it was asked."""

    def __init__(self, answer: tuple[int, str] | None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def get(self, asked: Target, path: str) -> tuple[int, str] | None:
        self.asked.append((asked.name, path))
        return self.answer


@pytest.mark.parametrize(
    ("answer", "code"), [((200, "ok\n"), 0), ((503, "the table is being read in"), 1), ((500, ""), 1), (None, 1)]
)
@pytest.mark.parametrize(("flag", "path"), [((), "/healthz"), (("--ready",), "/readyz")])
def test_the_exit_code_is_the_answer(
    answer: tuple[int, str] | None, code: int, flag: tuple[str, ...], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = Answer(answer)
    monkeypatch.setattr(probe, "get", role.get)
    assert main(["health", "sink", *flag]) == code
    assert role.asked == [("sink", path)]


def test_without_a_role_it_is_the_one_of_process_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    role = Answer((200, "ok"))
    monkeypatch.setattr(probe, "get", role.get)
    first = tmp_path / "cmdline"
    first.write_bytes(b"python\0/opt/pushtokens/bin/pushtokens\0compact\0")
    monkeypatch.setattr("deploy.cli.health._FIRST", first)
    assert main(["health"]) == 0
    assert role.asked == [("compact", "/healthz")]
    first.write_bytes(b"/sbin/init\0")
    assert main(["health"]) == 2
    assert main(["health", "up"]) == 2
