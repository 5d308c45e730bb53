"""docs/growing.md as a script: its blocks in their order, the ports exchanged for free ones."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = (ROOT / "docs" / "growing.md").read_text(encoding="utf-8")

# The first of the three of brokers; those of the first worker with the setting that names them; those of the second.
BROKERS: Final = (19091, 19191, 19291)
FIRST: Final = {
    8080: "PUSHTOKENS_INGEST_PORT",
    6066: "PUSHTOKENS_LOOKUP_PORT",
    8090: "PUSHTOKENS_SINK_PORT",
    8088: "PUSHTOKENS_DASHBOARD_PORT",
    8123: "PUSHTOKENS_CLICKHOUSE_PORT",
}
SECOND: Final = {
    18080: "PUSHTOKENS_INGEST_PORT",
    16066: "PUSHTOKENS_LOOKUP_PORT",
    18090: "PUSHTOKENS_SINK_PORT",
}


def steps() -> dict[str, list[str]]:
    """The blocks of shell by the heading they stand under, in the page's order."""
    found: dict[str, list[str]] = {}
    for section in PAGE.split("\n## "):
        heading, _, text = section.partition("\n")
        found[heading] = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {heading: blocks for heading, blocks in found.items() if blocks}


def block(beginning: str) -> str:
    """The one block that has this in it."""
    (found,) = [each for blocks in steps().values() for each in blocks if beginning in each]
    return found


def with_ports(text: str, ports: Mapping[int, int]) -> str:
    """The text with other ports: of brokers `19091` and `1909$n`, of the others the number."""
    for page, other in ports.items():
        if page in BROKERS:
            text = text.replace(f"{page // 10}$n", f"$(({other - 1} + $n))")
            for offset in range(3):
                text = re.sub(rf"\b{page + offset}\b", str(other + offset), text)
        else:
            text = re.sub(rf"\b{page}\b", str(other), text)
    return text
