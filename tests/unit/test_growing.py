"""docs/growing.md: commands that exist, settings that the program reads, ports that agree. (The whole page is typed by
tests/cluster/test_growing.py.)"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.cli.main import COMMANDS, _parser
from deploy.dashboard.addresses import addresses
from deploy.local.kafka_tools import TOOLS
from deploy.local.services import targets
from schemas.settings import Settings
from schemas.settings_source import read_settings
from schemas.topics import topics
from tests.growing import BROKERS, FIRST, PAGE, SECOND, block, steps, with_ports
from tests.unit.test_house import ROOT

SHELL = "\n".join(text for blocks in steps().values() for text in blocks)


def shell(directory: Path, *blocks: str) -> None:
    subprocess.run(["bash", "-euc", "\n".join(blocks)], cwd=directory, check=True, capture_output=True, timeout=30)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The directory with the files that the page writes."""
    (tmp_path / "data" / "cluster").mkdir(parents=True)
    second = block("second.env <<END").partition("mkdir -p")[0]
    shell(tmp_path, block("start_broker()"), block("pushtokens.env <<END"), second)
    (tmp_path / "data" / "cluster" / "kafka-password").write_text("secret")
    (tmp_path / "data" / "cluster" / "ca.pem").write_text("")
    return tmp_path / "data" / "cluster"


def pairs(*files: Path) -> dict[str, str]:
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return dict(line.split("=", 1) for line in lines if not line.startswith("SSL_CERT_FILE="))


def second(cluster: Path) -> Settings:
    return read_settings(pairs(cluster / "pushtokens.env", cluster / "second.env"))


def test_the_shell_understands_it() -> None:
    done = subprocess.run(["bash", "-n"], input=SHELL, text=True, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_its_commands_exist() -> None:
    text = SHELL.replace("\\\n", " ")
    tools = re.findall(r"\bpushtokens kafka ([a-z-]+)", PAGE.replace("\\\n", " "))
    assert {"server", "storage", "features", "metadata-quorum", "acls", "consumer-groups"} <= set(tools) <= set(TOOLS)
    commands = re.findall(r"(?<!-name )\bpushtokens (?!kafka|\$)(\w[^>;|\n]*)", text)
    assert len(commands) > 5
    for command in commands:
        words = shlex.split(command)
        assert words[0] in COMMANDS
        _parser(words).parse_args(words)


def test_the_roles_read_its_settings(written: Path) -> None:
    first = read_settings(pairs(written / "pushtokens.env"))
    assert (first.kafka.security_protocol, first.kafka.sasl_mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert first.kafka.sasl_password.reveal() == "secret"
    assert first.partition_count == Settings().partition_count, "what `make run` has made"
    assert topics(first).reports.replicas == 3 and topics(first).reports.config["min.insync.replicas"] == "2"
    assert first.embedded_clickhouse and not second(written).embedded_clickhouse
    assert second(written).clickhouse_url == first.clickhouse_url
    assert second(written).data_dir != first.data_dir
    workers = {role: set(urls) for role, urls in addresses(first).items()}
    for one in (first, second(written)):
        for each in targets(one):
            if each.name in workers:
                there = f"https://localhost:{each.port}" if each.tls else f"http://127.0.0.1:{each.port}"
                workers[each.name].remove(there)
    assert workers == {"ingest": set(), "compact": set(), "sink": set()}, "the dashboard is told of all"


def test_the_brokers_listen_where_the_others_look(written: Path) -> None:
    clients, brokers, controllers = BROKERS
    for number in (1, 2, 3):
        found = pairs(written / f"kafka{number}.properties")
        assert found["node.id"] == str(number) and found["log.dirs"].endswith(f"/data/kafka{number}")
        listeners = dict(text.split("://localhost:") for text in found["listeners"].split(","))
        assert listeners == {
            name: str(port + number - 1)
            for name, port in (("CLIENTS", clients), ("BROKERS", brokers), ("CONTROLLER", controllers))
        }
        assert set(listeners) == {text.split(":")[0] for text in found["listener.security.protocol.map"].split(",")}
        assert found["controller.quorum.bootstrap.servers"] == ",".join(
            f"localhost:{controllers + n}" for n in range(3)
        )
    settings = read_settings(pairs(written / "pushtokens.env"))
    assert settings.kafka.bootstrap == ",".join(f"localhost:{clients + n}" for n in range(3))


def test_prometheus_asks_every_process(written: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    config = yaml.safe_load(text)
    asked = {
        (job["job_name"].removesuffix("-tls"), int(target.rpartition(":")[2]), job.get("scheme") == "https")
        for job in config["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    there = {(each.name, each.port, each.tls) for each in targets(Settings())}
    there |= {(each.name, each.port, each.tls) for each in targets(second(written)) if each.name != "dashboard"}
    assert asked == there
    (renamed,) = [job for job in config["scrape_configs"] if job["job_name"].endswith("-tls")]
    assert renamed["relabel_configs"] == [{"target_label": "job", "replacement": "ingest"}]
    assert (ROOT / "deploy" / "prometheus" / config["rule_files"][0]).is_file()


def test_the_table_of_ports_names_those_in_use() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| "))
    ports = [*(first + n for first in BROKERS for n in range(3)), *FIRST, *SECOND]
    assert [port for port in ports if str(port) not in table] == []
    assert with_ports("1909$n 19092 8080 18080", {19091: 21001, 8080: 21010, 18080: 21020}) == (
        "$((21000 + $n)) 21002 21010 21020"
    )
