"""The roles on Kubernetes: settings, commands, ports, probes and times are the code's, in every overlay."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest

from deploy.cli.main import COMMANDS
from deploy.role_targets import ROLES
from ingest.builtin import builtin
from processors.compactor.processes import GRACE_SECONDS
from processors.sink.runner import DRAIN_SECONDS
from schemas.settings import Settings
from schemas.settings_source import CONFIG
from tests.unit.deploy_files.files import (
    DEFAULTS,
    DEPLOY,
    IMAGE,
    KUBERNETES,
    OVERLAYS,
    PORTS,
    Container,
    containers,
    objects,
    overlay,
    settings_with,
    variables_in,
)
from tests.unit.deploy_files.kustomize import Manifest

# The oldest release that is supported today, and the newest that the schemas know (kubernetes-validate 1.37).
RELEASES = ("1.34", "1.37")
OPERATORS = (
    "kafka.strimzi.io",
    "clickhouse.altinity.com",
    "clickhouse-keeper.altinity.com",
    "keda.sh",
    "monitoring.coreos.com",
)
NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
PROBES = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}

both = pytest.mark.parametrize("name", OVERLAYS)


def of_kubernetes(name: str) -> Iterator[Manifest]:
    """The objects that are no operator's."""
    return (each for each in overlay(name) if each["apiVersion"].partition("/")[0] not in OPERATORS)


def variables(each: Container) -> dict[str, str]:
    pod_name = f"pushtokens-{each.role}-0"
    return {
        entry["name"]: entry["value"].replace("$(POD_NAME)", pod_name)
        for entry in each.container["env"]
        if "value" in entry
    }


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("a secret")
    return path


def settings_of(each: Container, overlay_name: str, secret: Path) -> Settings:
    """What the container would read."""
    toml = KUBERNETES / "overlays" / overlay_name / "pushtokens.toml"
    return settings_with(variables(each), {"/etc/pushtokens/pushtokens.toml": toml}, secret)


@pytest.fixture
def schemas_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads 1 MB of definitions for each object anew."""
    kept = cache(kubernetes_validate.utils.schema_contents)
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", kept)


@pytest.mark.usefixtures("schemas_kept")
@pytest.mark.parametrize("release", RELEASES)
def test_every_object_is_what_kubernetes_takes(release: str) -> None:
    found = [each for name in OVERLAYS for each in of_kubernetes(name)]
    different = {json.dumps(each, sort_keys=True): each for each in found}  # most are the same in both
    assert len(different) > 25
    for each in different.values():
        kubernetes_validate.validate(each, release, strict=True)


def test_a_wrong_field_would_be_found() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"port": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, RELEASES[0], strict=True)


@both
def test_names_are_there_once(name: str) -> None:
    found = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in overlay(name)]
    assert len(found) == len(set(found))
    assert {each["metadata"].get("namespace") for each in overlay(name) if each["kind"] != "Namespace"} == {
        "pushtokens"
    }


@both
def test_it_runs_init_and_every_role_from_the_one_image(name: str) -> None:
    found = containers(name)
    assert sorted(each.role for each in found) == sorted(("init", *ROLES))
    for each in found:
        assert each.container["image"] == IMAGE
        assert each.container["args"][0] == each.role and each.role in COMMANDS
        assert "command" not in each.container
        for labels in (each.workload["metadata"]["labels"], each.workload["spec"]["template"]["metadata"]["labels"]):
            assert (labels[NAME], labels[COMPONENT]) == ("push-token-pipeline", each.role)
        if each.role != "init":
            assert each.workload["spec"]["selector"]["matchLabels"] == {
                NAME: "push-token-pipeline",
                COMPONENT: each.role,
            }


@both
def test_settings_are_valid_for_each_container(name: str, secret: Path) -> None:
    for each in containers(name):
        settings = settings_of(each, name, secret)
        assert settings.data_dir == "/var/lib/pushtokens"
        assert settings.replicas == 3
        assert settings.kafka.security_protocol == "SASL_SSL"
        assert not settings.embedded_kafka and not settings.embedded_clickhouse
        if each.role != "dashboard":
            assert settings.kafka.sasl_password.reveal() == "a secret"
        if each.role in ("init", "sink", "dashboard"):
            assert settings.clickhouse.password.reveal() == "a secret"
        # Beyond the pod, the lookup only with a key and the pages only with a login.
        if each.role == "compact":
            assert settings.lookup.host == "0.0.0.0" and settings.lookup.api_key
            assert settings.compact.instance_id == "pushtokens-compact-0"
            assert (
                settings.lookup.advertised_url == f"http://pushtokens-compact-0.pushtokens-compact:{PORTS['compact']}"
            )
            assert settings.compact.processes == 1  # one port a pod is open
        if each.role == "dashboard":
            assert settings.dashboard.host == "0.0.0.0" and settings.dashboard.password
        assert settings.sink.host == "0.0.0.0" and settings.ingest.public_metrics


def test_every_variable_named_anywhere_is_a_setting() -> None:
    known = {CONFIG} | {
        f"PUSHTOKENS_{section}_{field}".upper()
        for section in Settings.__struct_fields__
        for field in getattr(getattr(DEFAULTS, section), "__struct_fields__", ())
    }
    known |= {f"PUSHTOKENS_{name}".upper() for name in Settings.__struct_fields__}
    for path in DEPLOY.rglob("*"):
        if path.suffix in (".yaml", ".yml", ".toml", ".md") or path.name == "Dockerfile":
            named = variables_in(path.read_text(encoding="utf-8"))
            assert {variable.removesuffix("_FILE") for variable in named} - {
                v.removesuffix("_FILE") for v in known
            } == (set()), path


@both
def test_ports_and_probes_are_the_roles(name: str) -> None:
    for each in containers(name):
        if each.role == "init":
            assert not set(PROBES) & set(each.container)
            continue
        assert each.container["ports"] == [{"name": "http", "containerPort": PORTS[each.role]}]
        for probe, path in PROBES.items():
            assert each.container[probe]["httpGet"] == {"path": path, "port": "http"}
        # A start may take a while on a busy machine; a life that ends must not be cut short by a slow answer.
        startup, liveness = each.container["startupProbe"], each.container["livenessProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= DEFAULTS.local.start_timeout
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


@both
def test_there_is_time_to_drain(name: str, secret: Path) -> None:
    for each in containers(name):
        settings = settings_of(each, name, secret)
        sleep = each.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed = {
            "init": 0.0,
            "ingest": sleep + settings.ingest.drain_timeout + 10,
            "compact": GRACE_SECONDS,
            "sink": DRAIN_SECONDS + 10,
            "dashboard": 5.0,
        }
        assert each.pod["terminationGracePeriodSeconds"] > needed[each.role], each.role
        if each.role == "ingest":
            assert sleep > 0


@both
def test_pods_are_confined(name: str) -> None:
    for each in containers(name):
        context = each.pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert each.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert each.pod["automountServiceAccountToken"] is False
        resources = each.container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}
        assert resources["limits"] == {"memory": resources["requests"]["memory"]}
    assert "10001:10001" in (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")


@both
def test_mounts_are_what_there_is(name: str) -> None:
    for each in containers(name):
        volumes = {volume["name"]: volume for volume in each.pod["volumes"]}
        claims = {claim["metadata"]["name"] for claim in each.workload["spec"].get("volumeClaimTemplates", ())}
        assert {mount["name"] for mount in each.container["volumeMounts"]} == set(volumes) | claims
        assert claims == ({"data"} if each.role == "compact" else set())
        # The settings' file is in the config map, and every secret's file among the items that are mounted.
        assert volumes["settings"]["configMap"]["name"] in objects(name, "ConfigMap")
        (config_map,) = objects(name, "ConfigMap").values()
        assert variables(each)[CONFIG] == "/etc/pushtokens/pushtokens.toml"
        assert set(config_map["data"]) == {"pushtokens.toml"}
        wanted = {text.rpartition("/")[2] for key, text in variables(each).items() if key.endswith("_FILE")}
        assert {item["path"] for item in volumes["secrets"]["secret"]["items"]} == wanted
        writable = {m["mountPath"] for m in each.container["volumeMounts"] if not m.get("readOnly")}
        assert writable == {"/var/lib/pushtokens", "/tmp"}


@both
def test_authorities_are_mounted_where_the_settings_look(name: str, secret: Path) -> None:
    for each in containers(name):
        settings = settings_of(each, name, secret)
        mounts = {m["mountPath"]: m["name"] for m in each.container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in each.pod["volumes"]}
        for path, secret_name, roles in (
            (settings.kafka.tls_ca_file, "push-token-cluster-ca-cert", {"init", "ingest", "compact", "sink"}),
            (settings.clickhouse.tls_ca_file, "clickhouse-tls", {"init", "sink", "dashboard"}),
        ):
            if path and each.role in roles:
                folder, _, file = path.rpartition("/")
                source = volumes[mounts[folder]]["secret"]
                assert (source["secretName"], file) == (secret_name, "ca.crt")
    for cluster in objects(name, "Kafka"):
        assert f"{cluster}-cluster-ca-cert" == "push-token-cluster-ca-cert"


def selected(name: str, selector: Any) -> set[str]:
    """The roles whose pods carry these labels."""
    return {
        each.role
        for each in containers(name)
        if selector.items() <= each.workload["spec"]["template"]["metadata"]["labels"].items()
    }


@both
def test_services_and_budgets_select_their_role(name: str) -> None:
    services = {key: each for key, each in objects(name, "Service").items() if key.startswith("pushtokens-")}
    assert set(services) == {f"pushtokens-{part}" for part in ("ingest", "compact", "lookup", "dashboard")}
    for each in services.values():
        (role,) = selected(name, each["spec"]["selector"])
        assert each["spec"]["ports"] == [{"name": "http", "port": PORTS[role], "targetPort": "http"}]
    compact = objects(name, "StatefulSet")["pushtokens-compact"]
    assert services[compact["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"
    budgets = objects(name, "PodDisruptionBudget")
    assert {next(iter(selected(name, each["spec"]["selector"]["matchLabels"]))) for each in budgets.values()} == {
        "ingest",
        "compact",
        "sink",
    }
    assert {each["spec"]["maxUnavailable"] for each in budgets.values()} == {1}


@both
def test_copies_are_kept_apart(name: str) -> None:
    for each in containers(name):
        if each.role in ("ingest", "compact", "sink"):
            affinity = each.pod["affinity"]["podAntiAffinity"]
            terms = [
                *affinity.get("requiredDuringSchedulingIgnoredDuringExecution", ()),
                *(t["podAffinityTerm"] for t in affinity.get("preferredDuringSchedulingIgnoredDuringExecution", ())),
            ]
            for term in (*terms, *each.pod["topologySpreadConstraints"]):
                assert selected(name, term["labelSelector"]["matchLabels"]) == {each.role}
            assert [term["topologyKey"] for term in terms] == ["kubernetes.io/hostname"]


@both
def test_the_public_paths_are_the_built_in_templates_and_no_other(name: str) -> None:
    (public,) = objects(name, "Ingress").values()
    (rule,) = public["spec"]["rules"]
    paths = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}
    fixed = {urlsplit(template.source.url).path.split("/")[1] for template in builtin()}
    assert set(paths) == {f"/{part}" for part in fixed}
    for service in paths.values():
        assert service["name"] in objects(name, "Service") and service["port"] == {"name": "http"}
    assert public["spec"]["tls"][0]["hosts"] == [rule["host"]]
