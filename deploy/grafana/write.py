"""Writes `churn.json`, or with `--check` says whether it has drifted: `python -m deploy.grafana.write [--check]`."""

import json
import sys
from pathlib import Path
from typing import Final

from deploy.grafana.dashboard import grafana

FILE: Final = Path(__file__).with_name("churn.json")


def text() -> str:
    """The file's text (JSON)."""
    return json.dumps(grafana(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Exit code 0: written, or as it should be; 1: it has drifted."""
    if "--check" not in arguments:
        FILE.write_text(text(), encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write("deploy/grafana/churn.json has drifted: run `python -m deploy.grafana.write`\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
