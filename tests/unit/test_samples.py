"""The samples for production say nothing that the code does not know. (They are validated here, never run.)"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.main import COMMANDS
from schemas.settings import Settings
from schemas.settings_source import read_settings

SAMPLES = Path(__file__).resolve().parent.parent.parent / "deploy" / "samples"
MANIFESTS = sorted((SAMPLES / "kubernetes").glob("*.yaml"))
ROLES = ("ingest", "compact", "sink", "dashboard")
DEFAULTS = Settings()
PORTS = {
    "ingest": DEFAULTS.ingest.port,
    "compact": DEFAULTS.lookup.port,
    "sink": DEFAULTS.sink.port,
    "dashboard": DEFAULTS.dashboard.port,
}


def documents() -> dict[str, Any]:
    """Every Kubernetes object by kind and name."""
    found = [each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


def compose() -> Any:
    return yaml.safe_load((SAMPLES / "compose.yaml").read_text(encoding="utf-8"))


def containers() -> Iterator[tuple[str, Any, Any]]:
    """Each container of ours: its command, the container, the pod around it."""
    for each in documents().values():
        pod = each.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", ()):
            yield container["args"][0], container, pod


def readable(variables: dict[str, str], tmp_path: Path) -> Settings:
    """The settings these variables make; secret files stand in for the mounted ones."""
    (tmp_path / "secret").write_text("a secret")
    given = {name: str(tmp_path / "secret") if name.endswith("_FILE") else text for name, text in variables.items()}
    return read_settings({name: text for name, text in given.items() if name.startswith("PUSHTOKENS_")})


def test_the_full_sample_is_the_defaults() -> None:
    assert read_settings({"PUSHTOKENS_CONFIG": str(SAMPLES / "full.toml")}) == Settings()


def test_the_full_sample_names_every_setting() -> None:
    tree = tomllib.loads((SAMPLES / "full.toml").read_text(encoding="utf-8"))
    for name in Settings.__struct_fields__:
        value = getattr(DEFAULTS, name)
        if name == "templates":
            continue  # a list of tables: shown in a remark, since an example there would switch the built-in ones off
        if hasattr(value, "__struct_fields__"):
            assert set(tree[name]) == set(value.__struct_fields__)
        else:
            assert name in tree


def test_the_minimal_sample_is_an_external_kafka_and_clickhouse() -> None:
    settings = read_settings({"PUSHTOKENS_CONFIG": str(SAMPLES / "minimal.toml")})
    assert not settings.embedded_kafka
    assert not settings.embedded_clickhouse
    assert (settings.partition_count, settings.replicas) == (8, 3)


@pytest.mark.parametrize("path", [*MANIFESTS, SAMPLES / "compose.yaml"], ids=lambda path: path.name)
def test_every_variable_named_is_a_setting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    names = set(re.findall(r"PUSHTOKENS_[A-Z_]+", text))
    known = {f"PUSHTOKENS_{name.upper()}" for name in _names()}
    assert {name.removesuffix("_FILE") for name in names} <= known


def _names() -> Iterator[str]:
    for name in Settings.__struct_fields__:
        value = getattr(DEFAULTS, name)
        yield from (f"{name}_{field}" for field in getattr(value, "__struct_fields__", ()))
        yield name


def test_kubernetes_runs_init_and_every_role() -> None:
    assert sorted(command for command, _, _ in containers()) == sorted(("init", *ROLES))
    assert {*ROLES, "init"} <= set(COMMANDS)


def test_kubernetes_settings_are_valid_for_each_container(tmp_path: Path) -> None:
    shared = documents()["ConfigMap/pushtokens"]["data"]
    for command, container, _ in containers():
        own = {entry["name"]: entry["value"] for entry in container.get("env", ()) if "value" in entry}
        own = {name: text.replace("$(POD_NAME)", "pod-1") for name, text in own.items()}
        settings = readable(shared | own, tmp_path)
        assert settings.partition_count == 24, command
        assert settings.replicas == 3


def test_kubernetes_ports_probes_and_grace_fit_the_roles(tmp_path: Path) -> None:
    for command, container, pod in containers():
        if command == "init":
            continue
        assert [port["containerPort"] for port in container["ports"]] == [PORTS[command]]
        for probe, path in (("readinessProbe", "readyz"), ("livenessProbe", "healthz")):
            assert f"127.0.0.1:{PORTS[command]}/{path}" in container[probe]["exec"]["command"][-1]
        assert pod["terminationGracePeriodSeconds"] > DEFAULTS.local.stop_timeout
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_kubernetes_mounts_and_services_hang_together() -> None:
    found = documents()
    for command, container, pod in containers():
        volumes = {volume["name"] for volume in pod["volumes"]}
        if command == "compact":
            volumes |= {
                claim["metadata"]["name"]
                for claim in found["StatefulSet/pushtokens-compact"]["spec"]["volumeClaimTemplates"]
            }
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    for name, each in found.items():
        if name.startswith("Service/"):
            role = each["spec"]["selector"]["role"]
            assert [port["port"] for port in each["spec"]["ports"]] == [PORTS[role]]


def test_whatever_listens_beyond_loopback_has_a_key_or_a_login(tmp_path: Path) -> None:
    services = compose()["services"]
    everything = [container.get("env", ()) for _, container, _ in containers()]
    variables = [{entry["name"]: entry.get("value", "") for entry in env} for env in everything]
    variables += [service.get("environment", {}) for service in services.values()]
    for each in variables:
        if each.get("PUSHTOKENS_LOOKUP_HOST"):
            assert "PUSHTOKENS_LOOKUP_API_KEY_FILE" in each
        if each.get("PUSHTOKENS_DASHBOARD_HOST"):
            assert "PUSHTOKENS_DASHBOARD_PASSWORD_FILE" in each
        assert "PUSHTOKENS_SINK_HOST" not in each


def test_compose_runs_init_and_every_role_with_valid_settings(tmp_path: Path) -> None:
    services = compose()["services"]
    assert set(services) == {"kafka", "clickhouse", "init", *ROLES}
    for name in ("init", *ROLES):
        assert services[name]["command"][0] == name
        settings = readable(services[name]["environment"], tmp_path)
        assert (settings.bootstrap, settings.partition_count, settings.replicas) == ("kafka:9092", 8, 1)
    for name in ROLES:
        for published in services[name].get("ports", ()):
            assert published.rpartition(":")[2] == str(PORTS[name])


def test_compose_names_only_secrets_and_volumes_it_defines() -> None:
    found = compose()
    for service in found["services"].values():
        assert set(service.get("secrets", ())) <= set(found["secrets"])
        assert {mount.partition(":")[0] for mount in service.get("volumes", ())} <= set(found["volumes"])


def test_the_image_copies_every_package_and_starts_the_command() -> None:
    text = (SAMPLES / "Dockerfile").read_text(encoding="utf-8")
    for package in ("schemas", "ingest", "processors", "deploy"):
        assert f"COPY {package} {package}" in text
    assert 'ENTRYPOINT ["pushtokens"]' in text
