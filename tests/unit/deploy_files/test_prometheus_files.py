"""deploy/prometheus: jobs are roles, targets are theirs, and alerts ask only for metrics that exist."""

import re
from typing import Any

import yaml

from deploy.kubernetes.alerts import rule_manifest
from deploy.kubernetes.write import drifted
from deploy.role_targets import ROLES
from tests.unit.deploy_files.files import DEPLOY, PORTS, ROOT, compose, texts

CONFIG: Any = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
DURATION = re.compile(r"\d+(ms|s|m|h|d)")
# What a family of a histogram or a counter is called in a query.
SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")


def test_the_configuration_has_the_form_that_prometheus_reads() -> None:
    assert set(CONFIG) == {"global", "rule_files", "scrape_configs"}
    assert all(DURATION.fullmatch(text) for text in CONFIG["global"].values())
    for job in CONFIG["scrape_configs"]:
        assert set(job) in ({"job_name", "dns_sd_configs"}, {"job_name", "static_configs"})
        for sd in job.get("dns_sd_configs", ()):
            assert set(sd) == {"names", "type", "port", "refresh_interval"}


def test_every_role_is_read_at_its_port_by_its_name() -> None:
    jobs = {job["job_name"]: job for job in CONFIG["scrape_configs"]}
    assert set(jobs) == {*ROLES, "prometheus"}
    for role in ROLES:
        found = jobs[role]["dns_sd_configs"]
        assert all((sd["names"], sd["type"]) == ([role], "A") for sd in found)
        assert [sd["port"] for sd in found] == [PORTS[role] + process for process in range(processes(role))]


def processes(role: str) -> int:
    """How many ports a container of Compose answers on: each process of a compactor has one of its own."""
    environment = compose()["services"][role].get("environment", {})
    return int(environment.get("PUSHTOKENS_COMPACT_PROCESSES", 1)) if role == "compact" else 1


def test_its_files_are_mounted_beside_each_other() -> None:
    mounts = [mount.split(":") for mount in compose()["services"]["prometheus"]["volumes"]]
    inside = {target: source for source, target, *_ in mounts}
    for name in ("prometheus.yml", *CONFIG["rule_files"]):
        assert inside[f"/etc/prometheus/{name}"] == f"../prometheus/{name}"
        assert (DEPLOY / "prometheus" / name).is_file()
    assert "--config.file=/etc/prometheus/prometheus.yml" in compose()["services"]["prometheus"]["command"]


def metrics_in_the_code() -> set[str]:
    """The names in every call that declares a metric: whole, or with the prefix that the module puts in front."""
    found: set[str] = set()
    for package, prefix in (("ingest", "ingest"), ("processors/compactor", "compactor"), ("processors/sink", "sink")):
        text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / package).rglob("*.py"))
        found |= set(re.findall(r'"(pushtokens_[a-z0-9_]+)"', text))
        found |= {f"pushtokens_{prefix}_{name}" for name in re.findall(r'_(?:counter|gauge)\(\s*"([a-z_]+)"', text)}
        found |= {f"pushtokens_{prefix}_{name}" for name in re.findall(r'^\s+"([a-z_]+)": "', text, re.MULTILINE)}
    dashboard = (DEPLOY / "dashboard" / "metrics.py").read_text(encoding="utf-8")
    return found | set(re.findall(r'"(pushtokens_[a-z0-9_]+)"', dashboard))


def test_every_metric_named_in_the_deploy_files_exists() -> None:
    known = {name + suffix for name in metrics_in_the_code() for suffix in SUFFIXES}
    named = {
        (path, name) for path, text in texts(".yml", ".yaml") for name in re.findall(r"\bpushtokens_[a-z0-9_]+", text)
    }
    assert {(path, name) for path, name in named if name not in known} == set()
    assert {
        "pushtokens_ingest_requests_total",
        "pushtokens_compactor_lag_records",
        "pushtokens_sink_rows_total",
    } <= known


def test_kubernetes_has_the_same_alerts() -> None:
    manifest = yaml.safe_load(rule_manifest(ALERTS))
    assert manifest["spec"] == yaml.safe_load(ALERTS)
    assert drifted() == []
