"""The OpenAPI document held against a running ingress: schemathesis makes up requests for every operation."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest.template import RESERVED
from tests.fuzz.asking import SEED, TIMES
from tests.fuzz.conftest import Bench
from tests.fuzz.count import COUNTS
from tests.ingress import records

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "schemas" / "openapi.json"
OWN = r"^/(token/|pushToken/|account-removal/|healthz|readyz|metrics)"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
)
REQUEST_SECONDS = 20  # beyond the deadline of any answer


def test_the_ingress_is_what_its_document_says(bench: Bench, tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml")),
            *("run", str(DOCUMENT), "--url", f"http://127.0.0.1:{bench.port}", "--include-path-regex", OWN),
            *("--phases", "examples,coverage,fuzzing", "--mode", "all", "--checks", ",".join(CHECKS)),
            *("--request-timeout", str(REQUEST_SECONDS), "--max-examples", str(25 * TIMES), "--seed", str(SEED)),
            *("--continue-on-failure", "--workers", "2", "--report", "ndjson", "--report-ndjson-path", str(report)),
        ],
        cwd=tmp_path,  # what it keeps between runs stays out of the tree
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=3000 if TIMES > 1 else 280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    found = answers(report)
    assert found[200] > 100 and found[400] > 100, found
    # Every 200 for a report or removal has its record; the ingress's own pages have none.
    assert found["accepted"] == len(asyncio.run(records(bench.settings, "reports")))
    total = sum(count for status, count in found.items() if status != "accepted")
    shown = ", ".join(f"{status}: {found[status]}" for status in sorted(found.keys() - {"accepted"}))
    COUNTS.append(f"{total} requests from the OpenAPI document (seed {SEED}); answers {shown}")


def answers(report: Path) -> Counter[int | str]:
    """How many requests were answered how; `accepted`: 200 for a report or removal."""
    found: Counter[int | str] = Counter()
    for line in report.read_text(encoding="utf-8").splitlines():
        finished: dict[str, Any] = json.loads(line).get("ScenarioFinished", {})
        for interaction in finished.get("recorder", {}).get("interactions", {}).values():
            assert interaction["response"] is not None, interaction["request"]["uri"]
            status = interaction["response"]["status_code"]
            found[status] += 1
            if status == 200 and urlsplit(interaction["request"]["uri"]).path not in RESERVED:
                found["accepted"] += 1
    return found
