"""Kafka, ClickHouse, scaling, monitoring and who may talk to whom: names that must fit are the same ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kubernetes.topics import topic_manifests
from deploy.role_targets import ROLES
from schemas.settings import Settings
from schemas.settings_source import CONFIG, read_settings
from schemas.topics import topics
from tests.unit.deploy_files.files import DEPLOY, KUBERNETES, OVERLAYS, PORTS, compose, objects, overlay, walk
from tests.unit.deploy_files.kustomize import Manifest
from tests.unit.deploy_files.test_kubernetes_roles import COMPONENT, NAME, OPERATORS, both

FIELDS = Path(__file__).with_name("operator_fields.txt")


def settings(name: str) -> Settings:
    return read_settings({CONFIG: str(KUBERNETES / "overlays" / name / "pushtokens.toml")})


CARRIER = settings("carrier")


def carrier(kind: str) -> dict[str, Manifest]:
    return objects("carrier", kind)


def test_topics_are_those_that_init_makes() -> None:
    found = carrier("KafkaTopic")
    for spec in topics(CARRIER).all():
        each = found.pop(spec.name)
        assert each["metadata"]["labels"]["strimzi.io/cluster"] in carrier("Kafka")
        assert each["spec"] == {"partitions": spec.partitions, "replicas": spec.replicas, "config": spec.config}
    assert found == {}
    written = KUBERNETES / "overlays" / "carrier" / "topics.yaml"
    assert written.read_text(encoding="utf-8") == topic_manifests(CARRIER)


def test_kafka_keeps_three_copies_and_lets_in_whom_the_settings_name() -> None:
    (kafka,) = carrier("Kafka").values()
    config = kafka["spec"]["kafka"]["config"]
    assert (config["min.insync.replicas"], config["default.replication.factor"]) == (2, CARRIER.replicas)
    assert config["auto.create.topics.enable"] == config["unclean.leader.election.enable"] == "false"
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    host, _, port = CARRIER.bootstrap.partition(":")
    assert (host, int(port)) == (f"{kafka['metadata']['name']}-kafka-bootstrap", listener["port"])
    assert listener["tls"] is True and CARRIER.kafka.security_protocol == "SASL_SSL"
    assert listener["authentication"]["type"] == CARRIER.kafka.sasl_mechanism.lower() == "scram-sha-512"
    (user,) = carrier("KafkaUser").values()
    assert user["metadata"]["name"] == CARRIER.kafka.sasl_username
    assert user["spec"]["authentication"]["type"] == listener["authentication"]["type"]


def test_kafka_has_as_many_brokers_as_copies_each_on_its_own_machine() -> None:
    pools = carrier("KafkaNodePool")
    assert {role for pool in pools.values() for role in pool["spec"]["roles"]} == {"controller", "broker"}
    for name, pool in pools.items():
        assert pool["spec"]["replicas"] >= CARRIER.replicas
        (term,) = pool["spec"]["template"]["pod"]["affinity"]["podAntiAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        cluster = pool["metadata"]["labels"]["strimzi.io/cluster"]
        assert cluster in carrier("Kafka")
        assert term["labelSelector"]["matchLabels"] == {"strimzi.io/cluster": cluster, "strimzi.io/pool-name": name}


def test_clickhouse_is_where_and_what_the_settings_say() -> None:
    (installation,) = carrier("ClickHouseInstallation").values()
    (cluster,) = installation["spec"]["configuration"]["clusters"]
    name = installation["metadata"]["name"]
    assert CARRIER.clickhouse.replicated and CARRIER.clickhouse.cluster == cluster["name"]
    assert cluster["layout"]["replicasCount"] >= 2
    tls = installation["spec"]["configuration"]["settings"]
    port = tls["https_port"]
    assert CARRIER.clickhouse.url == f"https://chi-{name}-{cluster['name']}-0-0:{port}"
    user = CARRIER.clickhouse.user
    assert {key.partition("/")[0] for key in installation["spec"]["configuration"]["users"]} == {user}
    (dashboard,) = (each for each in overlay("carrier") if each["metadata"]["name"] == "pushtokens-dashboard"
                    and each["kind"] == "Deployment")  # fmt: skip
    env = {e["name"]: e["value"] for e in dashboard["spec"]["template"]["spec"]["containers"][0]["env"]}
    service = carrier("Service")["clickhouse"]["spec"]
    assert env["PUSHTOKENS_CLICKHOUSE_URL"] == f"https://clickhouse:{port}"
    assert (service["ports"][0]["port"], service["selector"]["clickhouse.altinity.com/chi"]) == (port, name)
    (keeper,) = carrier("ClickHouseKeeperInstallation").values()
    (node,) = installation["spec"]["configuration"]["zookeeper"]["nodes"]
    assert node["host"] == f"keeper-{keeper['metadata']['name']}"
    (keepers,) = keeper["spec"]["configuration"]["clusters"]
    assert keepers["layout"]["replicasCount"] == 3


def test_clickhouse_has_its_certificate_where_it_looks_for_it() -> None:
    (installation,) = carrier("ClickHouseInstallation").values()
    tls = installation["spec"]["configuration"]["settings"]
    (template,) = installation["spec"]["templates"]["podTemplates"]
    (container,) = template["spec"]["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume["secret"] for volume in template["spec"]["volumes"]}
    for name in ("certificateFile", "privateKeyFile"):
        folder, _, file = tls[f"openSSL/server/{name}"].rpartition("/")
        assert file in {item["path"] for item in volumes[mounts[folder]]["items"]}


def test_clickhouse_is_of_one_version_everywhere() -> None:
    images = [compose()["services"]["clickhouse"]["image"]]
    for kind in ("ClickHouseInstallation", "ClickHouseKeeperInstallation"):
        (each,) = carrier(kind).values()
        for template in each["spec"]["templates"]["podTemplates"]:
            images += [container["image"] for container in template["spec"]["containers"]]
    (version,) = {image.rpartition(":")[2] for image in images}
    # The embedded engine, which every test runs against, is of the same one.
    assert f"ClickHouse {version} " in (DEPLOY.parent / "docs" / "embedded.md").read_text(encoding="utf-8")


def test_templates_of_the_operators_are_defined() -> None:
    for kind in ("ClickHouseInstallation", "ClickHouseKeeperInstallation"):
        (each,) = carrier(kind).values()
        used, defined = each["spec"]["defaults"]["templates"], each["spec"]["templates"]
        assert used["podTemplate"] in {t["name"] for t in defined["podTemplates"]}
        assert used["dataVolumeClaimTemplate"] in {t["name"] for t in defined["volumeClaimTemplates"]}


@pytest.mark.parametrize(("role", "group"), [("compact", CARRIER.compact.group), ("sink", CARRIER.sink.group)])
def test_processors_scale_by_the_lag_of_their_own_group(role: str, group: str) -> None:
    each = carrier("ScaledObject")[f"pushtokens-{role}"]["spec"]
    target = each["scaleTargetRef"]
    workload = carrier(target["kind"])[target["name"]]
    assert workload["apiVersion"] == target["apiVersion"]
    assert "replicas" not in workload["spec"]  # else every `kubectl apply` would undo the scaling
    (trigger,) = each["triggers"]
    asked = trigger["metadata"]
    assert (asked["consumerGroup"], asked["topic"]) == (group, topics(CARRIER).reports.name)
    assert asked["bootstrapServers"].replace(".pushtokens.svc", "") == CARRIER.bootstrap
    assert (asked["sasl"], asked["tls"]) == ("scram_sha512", "enable")
    assert 2 <= each["minReplicaCount"] < each["maxReplicaCount"] <= CARRIER.partition_count
    assert trigger["authenticationRef"]["name"] in carrier("TriggerAuthentication")


@both
def test_the_ingress_scales_by_processor_time(name: str) -> None:
    scaler = objects(name, "HorizontalPodAutoscaler")["pushtokens-ingest"]["spec"]
    workload = objects(name, scaler["scaleTargetRef"]["kind"])[scaler["scaleTargetRef"]["name"]]
    assert "replicas" not in workload["spec"]
    assert "cpu" in workload["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert [metric["resource"]["name"] for metric in scaler["metrics"]] == ["cpu"]
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]


def keys_of_secrets(name: str) -> Iterator[tuple[str, str]]:
    """Every key of every secret that anything refers to."""
    for each in overlay(name):
        for volume in each.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", ()):
            if "items" in (source := volume.get("secret", {})):
                yield from ((source["secretName"], item["key"]) for item in source["items"])
        yield from referred(each)


def referred(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if {"name", "key"} <= set(value):
            yield value["name"], value["key"]
        for inner in value.values():
            yield from referred(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from referred(inner)


def test_the_example_secret_has_every_key_and_no_value() -> None:
    example = yaml.safe_load((KUBERNETES / "secret.example.yaml").read_text(encoding="utf-8"))
    wanted = {key for name in OVERLAYS for key in keys_of_secrets(name)}
    secret = example["metadata"]["name"]
    assert {pair for pair in wanted if pair[0] == secret} == {(secret, key) for key in example["stringData"]}
    # The others hold certificates: the manual says who makes them.
    manual = (DEPLOY.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert {name for name, _ in wanted if name not in manual} == set()
    assert example["metadata"]["namespace"] == "pushtokens"
    values = {key: value for key, value in example["stringData"].items() if key != "kafka-username"}
    assert set(values.values()) == {"REPLACE-ME"}
    assert example["stringData"]["kafka-username"] == CARRIER.kafka.sasl_username
    for name in OVERLAYS:
        assert objects(name, "Secret") == {}


def policies(name: str) -> dict[str, Manifest]:
    return {key: each["spec"] for key, each in objects(name, "NetworkPolicy").items()}


def roles_of(selector: Manifest) -> set[str]:
    """The roles that a pod selector of ours takes; empty: it takes other pods."""
    labels = selector.get("matchLabels", {})
    chosen = {*ROLES, "init"}
    named = labels.get(NAME) == "push-token-pipeline"
    if COMPONENT in labels:
        chosen &= {labels[COMPONENT]}
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        if expression["key"] == NAME:
            named = expression["values"] == ["push-token-pipeline"]
        elif expression["key"] == COMPONENT:
            chosen &= set(expression["values"])
    return chosen if named else set()


@both
def test_what_is_not_allowed_is_refused(name: str) -> None:
    deny = policies(name)["pushtokens-default-deny"]
    assert set(deny) == {"podSelector", "policyTypes"}
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert roles_of(deny["podSelector"]) == {*ROLES, "init"}


@both
def test_every_role_reaches_its_engines_and_no_other_does(name: str) -> None:
    found = policies(name)
    assert roles_of(found["pushtokens-to-kafka"]["podSelector"]) == {"init", "ingest", "compact", "sink"}
    assert roles_of(found["pushtokens-to-clickhouse"]["podSelector"]) == {"init", "sink", "dashboard"}
    kafka = {port["port"] for rule in found["pushtokens-to-kafka"]["egress"] for port in rule["ports"]}
    clickhouse = {port["port"] for rule in found["pushtokens-to-clickhouse"]["egress"] for port in rule["ports"]}
    assert {int(server.rpartition(":")[2]) for server in settings(name).bootstrap.split(",")} <= kafka
    assert int(settings(name).clickhouse_url.rpartition(":")[2]) in clickhouse


@both
def test_ports_in_policies_are_those_of_the_roles_they_select(name: str) -> None:
    for key, each in policies(name).items():
        roles = roles_of(each["podSelector"])
        ports = {port["port"] for rule in each.get("ingress", ()) for port in rule.get("ports", ())}
        if roles and ports:
            assert ports == {PORTS[role] for role in roles if role in PORTS}, key
    assert {PORTS[role] for role in ROLES} == {
        port["port"] for port in policies(name)["pushtokens-metrics"]["ingress"][0]["ports"]
    }


def test_policies_of_the_engines_select_the_pods_that_the_operators_make() -> None:
    found = policies("carrier")
    (kafka,) = carrier("Kafka")
    (installation,) = carrier("ClickHouseInstallation")
    (keeper,) = carrier("ClickHouseKeeperInstallation")
    (to_kafka,) = found["pushtokens-to-kafka"]["egress"][0]["to"]
    assert to_kafka["podSelector"]["matchLabels"] == {"strimzi.io/cluster": kafka, "strimzi.io/kind": "Kafka"}
    assert found["clickhouse"]["podSelector"]["matchLabels"] == {"clickhouse.altinity.com/chi": installation}
    assert found["clickhouse-keeper"]["podSelector"]["matchLabels"] == {"clickhouse-keeper.altinity.com/chk": keeper}
    (listener,) = carrier("Kafka")[kafka]["spec"]["kafka"]["listeners"]
    let_in = [roles_of(peer["podSelector"]) for peer in listener["networkPolicyPeers"] if "podSelector" in peer]
    assert roles_of(found["pushtokens-to-kafka"]["podSelector"]) in let_in
    (by_https, *_) = found["clickhouse"]["ingress"]
    assert [port["port"] for port in by_https["ports"]] == [
        port["port"] for port in found["pushtokens-to-clickhouse"]["egress"][0]["ports"]
    ]
    assert roles_of(by_https["from"][0]["podSelector"]) == roles_of(found["pushtokens-to-clickhouse"]["podSelector"])


def test_prometheus_reads_every_role_and_calls_the_job_by_its_name() -> None:
    (monitor,) = carrier("PodMonitor").values()
    assert roles_of(monitor["spec"]["selector"]) == set(ROLES)
    assert monitor["spec"]["jobLabel"] == COMPONENT
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")


def test_fields_of_operators_are_among_those_that_were_checked() -> None:
    """Their schemas are in no package. The fields used were checked once against the operators' own definitions (of
    August 2026; ClickHouse's of December 2025); one that is not listed must be looked up there first."""
    known = set(FIELDS.read_text(encoding="utf-8").splitlines())
    used = {
        f"{each['apiVersion']} {each['kind']} {path}"
        for each in overlay("carrier")
        if each["apiVersion"].partition("/")[0] in OPERATORS and each["kind"] != "PrometheusRule"
        for path, _ in walk(each)
        # Free text of the user's: Kafka's own names, labels, ClickHouse's users.
        if not any(part in path for part in (".config.", "metadata.", "matchLabels.", ".users.", ".settings."))
    }
    assert used - known == set()
    assert {line.split(" ")[1] for line in known} == {line.split(" ")[1] for line in used}
