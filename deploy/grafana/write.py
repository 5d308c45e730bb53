"""Writes the boards (JSON), or with `--check` says which have drifted: `python -m deploy.grafana.write [--check]`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from deploy.grafana.dashboard import grafana
from deploy.grafana.ingress import INGRESS
from deploy.grafana.pipeline import PIPELINE

FOLDER: Final = Path(__file__).parent
BOARDS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "churn.json": grafana,
    "ingress.json": INGRESS.json,
    "pipeline.json": PIPELINE.json,
}


def text(name: str) -> str:
    """The text (JSON) of one of the files."""
    return json.dumps(BOARDS[name](), indent=2, ensure_ascii=False) + "\n"


def drifted() -> list[str]:
    """The names of the files that are not what the code makes of them."""
    files = {name: FOLDER / name for name in BOARDS}
    return [
        name for name, file in files.items() if not file.is_file() or file.read_text(encoding="utf-8") != text(name)
    ]


def main(arguments: list[str]) -> int:
    """Exit code 0: written, or as it should be; 1: a file has drifted."""
    if "--check" not in arguments:
        for name in BOARDS:
            (FOLDER / name).write_text(text(name), encoding="utf-8")
        return 0
    wrong = drifted()
    if wrong:
        names = ", ".join(f"deploy/grafana/{name}" for name in wrong)
        sys.stderr.write(f"{names}: drifted; run `python -m deploy.grafana.write`\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
