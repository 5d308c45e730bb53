"""The renderer that the other tests here stand on."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy_files.kustomize import BeyondError, build, merged


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"replicas": 2}, {"replicas": None}, {}),
        (
            {"containers": [{"name": "a", "x": 1}, {"name": "b"}]},
            {"containers": [{"name": "a", "y": 2}]},
            {"containers": [{"name": "a", "x": 1, "y": 2}, {"name": "b"}]},
        ),
        ({"env": [{"name": "a"}]}, {"env": [{"name": "b"}]}, {"env": [{"name": "b"}, {"name": "a"}]}),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
    ],
)
def test_a_strategic_merge(before: Any, patch: Any, after: Any) -> None:
    assert merged(before, patch) == after


def test_a_custom_resource_gets_a_plain_merge() -> None:
    assert merged({"env": [{"name": "a"}]}, {"env": [{"name": "b"}]}, strategic=False) == {"env": [{"name": "b"}]}


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: one}
spec:
  template:
    spec:
      containers: [{name: one, image: ours}]
      volumes: [{name: settings, configMap: {name: settings}}]
"""


def written(folder: Path, kustomization: str) -> Path:
    (folder / "one.yaml").write_text(DEPLOYMENT)
    (folder / "a.toml").write_text("x = 1\n")
    (folder / "kustomization.yaml").write_text("resources: [one.yaml]\n" + kustomization)
    return folder


def test_names_tags_and_the_namespace_are_set(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        "namespace: here\nimages: [{name: ours, newName: mine/ours, newTag: '7'}]\n"
        "configMapGenerator: [{name: settings, files: [a.toml]}]\n",
    )
    deployment, config_map = build(folder)
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "mine/ours:7"
    assert pod["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"] != "settings"
    assert config_map["data"] == {"a.toml": "x = 1\n"}
    assert {each["metadata"]["namespace"] for each in (deployment, config_map)} == {"here"}


def test_other_settings_are_another_config_map(tmp_path: Path) -> None:
    folder = written(tmp_path, "configMapGenerator: [{name: settings, files: [a.toml]}]\n")
    before = build(folder)[1]["metadata"]["name"]
    (folder / "a.toml").write_text("x = 2\n")
    assert build(folder)[1]["metadata"]["name"] != before  # so that pods start anew


@pytest.mark.parametrize(
    "beyond",
    [
        "namePrefix: x-\n",
        "images: [{name: ours, digest: theirs}]\n",
        "configMapGenerator: [{name: settings, literals: [a=1]}]\n",
        "patches: [{path: one.yaml, target: {kind: Deployment}}]\n",
    ],
)
def test_what_it_does_not_know_it_refuses(tmp_path: Path, beyond: str) -> None:
    with pytest.raises(BeyondError):
        build(written(tmp_path, beyond))


def test_a_patch_without_its_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "patch.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: two}\n")
    with pytest.raises(BeyondError):
        build(written(tmp_path, "patches: [{path: patch.yaml}]\n"))
