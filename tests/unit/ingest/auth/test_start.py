"""What is looked at before a port is opened."""

import json
from pathlib import Path

import pytest

from ingest.auth.gates import gates, with_nonce_key
from ingest.role import run
from ingest.template_set import template_set
from schemas.secret import Secret
from schemas.settings import Ingest, Log, Settings, Template
from tests.unit.ingest.auth.client import URL, ha1


def settings_of(template: Template, **ingest: object) -> Settings:
    return Settings(templates=(template,), ingest=Ingest(**ingest), log=Log(level="DEBUG"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (Template(name="t", url=URL, auth="digest", auth_users_file="/nowhere"), "cannot read /nowhere"),
        (Template(name="t", url=URL, auth="basic", auth_callback="no.module:f"), "cannot import no.module"),
        (Template(name="t", url=URL, auth_password=Secret("s3cret")), "auth `none` does not use auth_password"),
    ],
)
def test_settings_that_cannot_be_used(template: Template, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(settings_of(template)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in json.loads(line)["message"] and "template `t`" in json.loads(line)["message"]
    assert "s3cret" not in line


def test_a_key_for_the_nonces_of_all_workers(tmp_path: Path) -> None:
    """At random, and told; the operator's own is kept. Never the password of all: any challenge would give it away to
    who guesses it."""
    users = tmp_path / "users"
    users.write_text(f"a:push-token:{ha1('MD5', 'a', 'b')}\n")
    people = Template(name="t", url=URL, auth="digest", auth_users_file=str(users))
    shared = Template(name="t", url=URL, auth="digest", auth_username="a", auth_password=Secret("b"))
    for template in (people, shared):
        one, other = (with_nonce_key(settings_of(template)).ingest.auth_nonce_key for _ in range(2))
        assert one and other and one != other
    own = settings_of(people, auth_nonce_key=Secret("own"))
    assert with_nonce_key(own) is own
    basic = settings_of(Template(name="t", url=URL, auth="basic", auth_username="a", auth_password=Secret("b")))
    assert with_nonce_key(basic) is basic


def test_open_templates_have_no_gate() -> None:
    assert gates(template_set(Settings()).templates, Ingest()) == {}


def test_a_removal_beside_an_authenticated_report_has_a_closed_one() -> None:
    removal = Template(name="gone", kind="removal", url="https://h/gone?s=%selector%")
    key = Template(name="t", url=URL, auth="header", auth_header="X", auth_password=Secret("b"))
    found = gates(template_set(Settings(templates=(removal, key))).templates, Ingest())
    assert {name: type(gate).__name__ for name, gate in found.items()} == {"gone": "ClosedGate", "t": "HeaderGate"}
