"""The deploy files as the tests read them, and what the code says of the things they name."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from deploy.role_targets import ROLES, target
from schemas.settings import Settings
from schemas.settings_source import CONFIG, PREFIX, read_settings
from tests.unit.deploy_files.kustomize import Manifest, build, pod_of

ROOT: Final = Path(__file__).resolve().parent.parent.parent.parent
DEPLOY: Final = ROOT / "deploy"
KUBERNETES: Final = DEPLOY / "kubernetes"
OVERLAYS: Final = ("small", "carrier")
DEFAULTS: Final = Settings()
PORTS: Final = {role: target(DEFAULTS, role).port for role in ROLES}
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
IMAGE: Final = f"push-token-pipeline:{VERSION}"


class Container(NamedTuple):
    """A container of ours on Kubernetes, with what is around it."""

    role: str
    container: Manifest
    pod: Manifest
    workload: Manifest


def compose() -> Manifest:
    """deploy/compose/compose.yaml, its merges done."""
    loaded: Manifest = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


@cache
def overlay(name: str) -> tuple[Manifest, ...]:
    """Every object of an overlay. Shared: not to be changed."""
    return tuple(build(KUBERNETES / "overlays" / name))


def objects(name: str, kind: str) -> dict[str, Manifest]:
    """The objects of one kind, by name."""
    return {each["metadata"]["name"]: each for each in overlay(name) if each["kind"] == kind}


def containers(name: str) -> list[Container]:
    """Our containers in an overlay."""
    return [
        Container(container["name"], container, pod, each)
        for each in overlay(name)
        if (pod := pod_of(each)) is not None
        for container in pod["containers"]
    ]


def settings_with(variables: Mapping[str, str], files: Mapping[str, Path], secret: Path) -> Settings:
    """The settings these variables make. `files`: where a path in the container is on this machine; `secret` stands for
    every secret's file.

    Raises:
        SettingsError: a variable or key that is none, or a value that cannot be.
    """
    given = {name: text for name, text in variables.items() if name.startswith(PREFIX)}
    for name in given:
        if name == CONFIG:
            given[name] = str(files[given[name]])
        elif name.endswith("_FILE") and not name.endswith(("_TLS_CA_FILE", "_TLS_CERT_FILE", "_TLS_KEY_FILE")):
            given[name] = str(secret)
    return read_settings(given)


def texts(*endings: str) -> Iterator[tuple[str, str]]:
    """Every deploy file with one of these endings: its path from the root, and its text."""
    for folder in ("docker", "compose", "prometheus", "kubernetes"):
        for path in sorted((DEPLOY / folder).rglob("*")):
            if path.is_file() and (path.suffix in endings or path.name in endings):
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def variables_in(text: str) -> set[str]:
    """The names of our variables in a text."""
    return set(re.findall(PREFIX + r"[A-Z0-9_]+", text))


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar within, with its path: keys joined by `.`, items of a list as `[]`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, path + "[]")
    else:
        yield path, value
