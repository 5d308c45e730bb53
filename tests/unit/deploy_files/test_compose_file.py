"""deploy/compose: settings, ports and commands are the code's, and nothing else is open.

`make check` validates the file by the Compose specification's schema, too.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.main import COMMANDS
from deploy.local.jars import KAFKA_VERSION
from deploy.role_targets import ROLES
from processors.sink.runner import DRAIN_SECONDS
from schemas.settings import Settings
from tests.unit.deploy_files.files import DEFAULTS, DEPLOY, IMAGE, PORTS, compose, settings_with

SERVICES: dict[str, Any] = compose()["services"]
OURS = ("init", *ROLES)
HARD = ("read_only", "tmpfs", "cap_drop", "security_opt")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Settings]:
    (tmp_path / "secret").write_text("a secret")
    return {name: settings_with(SERVICES[name]["environment"], {}, tmp_path / "secret") for name in OURS}


def seconds(text: str) -> int:
    assert text[-1] == "s"
    return int(text[:-1])


def test_it_runs_init_every_role_the_engines_and_what_watches_them() -> None:
    assert set(SERVICES) == {"kafka", "clickhouse", *OURS, "prometheus", "grafana"}
    assert set(OURS) <= set(COMMANDS)
    for name in OURS:
        assert SERVICES[name]["command"][0] == name
        assert SERVICES[name]["image"] == IMAGE
        assert (DEPLOY / "compose" / SERVICES[name]["build"]["context"]).resolve() == DEPLOY.parent
        assert (DEPLOY.parent / SERVICES[name]["build"]["dockerfile"]).is_file()


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        tag = service["image"].rpartition(":")[2]
        assert tag[:1] in "v0123456789" and any(sign.isdigit() for sign in tag), name
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_settings_are_valid_and_agree(settings: dict[str, Settings]) -> None:
    for each in settings.values():
        assert (each.bootstrap, each.partition_count, each.replicas) == ("kafka:9092", 8, 1)
    for name in ("init", "sink", "dashboard"):
        assert settings[name].clickhouse_url == f"http://clickhouse:{DEFAULTS.clickhouse.port}"
        assert settings[name].clickhouse.user == SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"]
        assert settings[name].clickhouse.password.reveal() == "a secret"
    # Whoever has nothing to do with ClickHouse has no password to it.
    for name in ("ingest", "compact"):
        assert "clickhouse_password" not in SERVICES[name].get("secrets", ())


def test_kafka_is_where_the_roles_look_for_it() -> None:
    environment = SERVICES["kafka"]["environment"]
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    for name in ("OFFSETS_TOPIC_REPLICATION_FACTOR", "TRANSACTION_STATE_LOG_REPLICATION_FACTOR"):
        assert environment[f"KAFKA_{name}"] == "1"


def test_only_the_ingress_is_reached_from_outside() -> None:
    for name, service in SERVICES.items():
        for published in service.get("ports", ()):
            address, _, port = published.rpartition(":")
            assert name == "ingest" or address.startswith("127.0.0.1:")
            if name in ROLES:
                assert port == str(PORTS[name])
    assert compose()["networks"]["inside"]["internal"] is True
    for name in ("kafka", "clickhouse", "init", "sink"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_whatever_listens_beyond_loopback_has_a_key_or_a_login(settings: dict[str, Settings]) -> None:
    assert settings["compact"].lookup.host == "0.0.0.0" and settings["compact"].lookup.api_key
    assert settings["dashboard"].dashboard.host == "0.0.0.0" and settings["dashboard"].dashboard.password
    assert settings["sink"].sink.host == "0.0.0.0" and "ports" not in SERVICES["sink"]
    assert "GF_SECURITY_ADMIN_PASSWORD__FILE" in SERVICES["grafana"]["environment"]


def test_order_health_and_restart() -> None:
    for name in ROLES:
        assert SERVICES[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
        assert SERVICES[name]["healthcheck"]["test"] == ["CMD", "pushtokens", "health", name]
        assert SERVICES[name]["restart"] == "unless-stopped"
    assert "health" in COMMANDS
    assert SERVICES["init"]["depends_on"] == {
        engine: {"condition": "service_healthy"} for engine in ("kafka", "clickhouse")
    }
    for name in ("kafka", "clickhouse", "prometheus", "grafana"):
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_there_is_time_to_drain() -> None:
    needed = {"ingest": DEFAULTS.ingest.drain_timeout + 10, "compact": 40, "sink": DRAIN_SECONDS + 10, "dashboard": 5}
    for name, least in needed.items():
        assert seconds(SERVICES[name]["stop_grace_period"]) >= least, name


def test_containers_of_ours_can_write_nowhere_but_to_their_data() -> None:
    for name in OURS:
        assert [SERVICES[name][key] for key in HARD] == [True, ["/tmp"], ["ALL"], ["no-new-privileges:true"]]
        mounts = [mount.partition(":")[2] for mount in SERVICES[name].get("volumes", ())]
        assert mounts == (["/var/lib/pushtokens"] if name == "compact" else [])


def test_it_names_only_what_it_defines_and_what_is_there() -> None:
    whole = compose()
    for name, service in SERVICES.items():
        assert set(service.get("secrets", ())) <= set(whole["secrets"]), name
        assert set(service["networks"]) <= set(whole["networks"])
        for key, value in service.get("environment", {}).items():
            if isinstance(value, str) and value.startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {key}"
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).exists(), source
            else:
                assert source in whole["volumes"]
    for secret in whole["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    assert "/deploy/compose/secrets/" in (DEPLOY.parent / ".gitignore").read_text().splitlines()


def test_the_dashboard_asks_the_roles_where_they_are(settings: dict[str, Settings]) -> None:
    asked = settings["dashboard"].dashboard
    for name, urls in (("ingest", asked.ingest_urls), ("compact", asked.compact_urls), ("sink", asked.sink_urls)):
        assert urls == f"http://{name}:{PORTS[name]}"
    assert settings["compact"].lookup.advertised_url == f"http://compact:{PORTS['compact']}"
    assert settings["ingest"].ingest.public_metrics  # Prometheus comes from another container


def grafana(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "compose" / "grafana" / name).read_text(encoding="utf-8"))


def test_grafana_finds_its_sources_and_boards() -> None:
    sources = {each["type"]: each for each in grafana("datasources.yaml")["datasources"]}
    assert sources["prometheus"]["url"] == "http://prometheus:9090"
    clickhouse = sources["grafana-clickhouse-datasource"]
    assert clickhouse["type"] == SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    wanted = {
        "host": "clickhouse",
        "port": DEFAULTS.clickhouse.port,
        "defaultDatabase": DEFAULTS.clickhouse.database,
        "username": SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"],
    }
    assert wanted.items() <= clickhouse["jsonData"].items()
    assert clickhouse["secureJsonData"]["password"] == "$__file{/run/secrets/clickhouse_password}"
    (provider,) = grafana("boards.yaml")["providers"]
    mounts = {target: source for source, target, *_ in (m.split(":") for m in SERVICES["grafana"]["volumes"])}
    assert list((DEPLOY / "compose" / mounts[provider["options"]["path"]]).resolve().glob("*.json"))
    for name in ("datasources", "boards"):
        assert f"./grafana/{name}.yaml" in mounts.values()
