"""The part of kustomize that deploy/kubernetes uses, as functions; anything beyond it is an error.

Kustomize itself is no Python package and cannot be had on a clean machine. The two overlays were compared once with
what kustomize 5.8.0 makes of them (the same); staying within this part keeps that comparison worth something.
"""

import hashlib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

Manifest = dict[str, Any]

_FIELDS: Final = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "images", "patches"}
_CLUSTER_WIDE: Final = {"Namespace"}
# Lists that a strategic merge patch merges by a key; every other list is replaced (Kubernetes' OpenAPI,
# x-kubernetes-patch-merge-key).
_MERGE_KEYS: Final = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same language, faster by far
_CORE: Final = {"v1", "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1"}


class BeyondError(Exception):
    """A kustomization uses what this renderer, and so the comparison with kustomize, does not know."""


def build(folder: Path) -> list[Manifest]:
    """The objects that `kubectl apply -k FOLDER` would send."""
    kustomization = _one(folder / "kustomization.yaml")
    if unknown := set(kustomization) - _FIELDS:
        raise BeyondError(f"{folder.name}: {sorted(unknown)}")
    found = [each for name in kustomization["resources"] for each in _resource(folder / name)]
    maps = [_config_map(folder, each) for each in kustomization.get("configMapGenerator", ())]
    for patch in kustomization.get("patches", ()):
        if set(patch) != {"path"}:
            raise BeyondError(f"{folder.name}: a patch is named by its path only")
        _apply(found, _one(folder / patch["path"]))
    for each in found:
        _rename_config_maps(each, {name: generated["metadata"]["name"] for name, generated in maps})
        _set_images(each, kustomization.get("images", ()))
    found += [generated for _, generated in maps]
    for each in found:
        if "namespace" in kustomization and each["kind"] not in _CLUSTER_WIDE:
            each["metadata"]["namespace"] = kustomization["namespace"]
    return found


def merged(before: Any, patch: Any, key: str = "", *, strategic: bool = True) -> Any:
    """`before` with a patch applied: strategic merge, or JSON merge (RFC 7396), as custom resources get it."""
    if isinstance(before, dict) and isinstance(patch, dict):
        result = dict(before)
        for name, value in patch.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = merged(before.get(name), value, name, strategic=strategic)
        return result
    if isinstance(before, list) and isinstance(patch, list) and strategic and key in _MERGE_KEYS:
        return _merged_list(before, patch, _MERGE_KEYS[key])
    return deepcopy(patch)


def _merged_list(before: list[Any], patch: list[Any], key: str) -> list[Any]:
    result = list(before)
    new = []
    for item in patch:
        place = next((at for at, old in enumerate(result) if old[key] == item[key]), None)
        if place is None:
            new.append(deepcopy(item))
        else:
            result[place] = merged(result[place], item)
    return new + result  # kustomize puts what a patch adds in front


def _resource(path: Path) -> list[Manifest]:
    if path.is_dir():
        return build(path)
    return [each for each in yaml.load_all(path.read_text(encoding="utf-8"), Loader=_LOADER) if each]


def _one(path: Path) -> Manifest:
    loaded: Manifest = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    return loaded


def _config_map(folder: Path, generator: Manifest) -> tuple[str, Manifest]:
    if set(generator) != {"name", "files"}:
        raise BeyondError(f"{folder.name}: a config map is made of files")
    data = {name: (folder / name).read_text(encoding="utf-8") for name in generator["files"]}
    suffix = hashlib.sha256(repr(sorted(data.items())).encode()).hexdigest()[:10]  # another hash than kustomize's
    name = generator["name"]
    metadata = {"name": f"{name}-{suffix}"}
    return name, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _apply(found: list[Manifest], patch: Manifest) -> None:
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found]
    target = (patch["apiVersion"], patch["kind"], patch["metadata"]["name"])
    if names.count(target) != 1:
        raise BeyondError(f"a patch for {target}, which is not there once")
    at = names.index(target)
    found[at] = merged(found[at], patch, strategic=patch["apiVersion"] in _CORE)


def pod_of(manifest: Manifest) -> Manifest | None:
    """The pod's spec within a core workload, or None."""
    if manifest["apiVersion"] not in _CORE or "template" not in manifest.get("spec", {}):
        return None
    pod: Manifest = manifest["spec"]["template"]["spec"]
    return pod


def _containers(manifest: Manifest) -> Iterator[Manifest]:
    pod = pod_of(manifest) or {}
    yield from (*pod.get("initContainers", ()), *pod.get("containers", ()))


def _rename_config_maps(manifest: Manifest, names: dict[str, str]) -> None:
    for volume in (pod_of(manifest) or {}).get("volumes", ()):
        if "configMap" in volume:
            volume["configMap"]["name"] = names.get(volume["configMap"]["name"], volume["configMap"]["name"])


def _set_images(manifest: Manifest, images: list[Manifest]) -> None:
    for image in images:
        if not {"name", "newTag"} <= set(image) <= {"name", "newName", "newTag"}:
            raise BeyondError("an image gets a tag and perhaps a name")
        for container in _containers(manifest):
            if container["image"] == image["name"]:
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
