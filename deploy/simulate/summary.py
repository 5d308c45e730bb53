"""A run's counts as text for people."""

from typing import Any, Final

_LABELS: Final = {
    "accepted": "accepted",
    "refused": "refused, as they should be",
    "gave_up": "given up",
    "unexpected": "unexpected",
}


def text(report: dict[str, Any]) -> str:
    """The lines (str) that `pushtokens simulate` ends with; `report` is what it prints with `--json`."""
    lines = [f"{report['reports']:,} requests of {report['accounts']:,} phones, seed {report['seed']}: "]
    lines[0] += f"{report['seconds']:.1f} s, {report['per_second']:,.0f} requests/s"
    lines += [f"  {report['outcomes'][name]:>9,}  {label}" for name, label in _LABELS.items()]
    lines.append("by kind:")
    for kind, counts in report["kinds"].items():
        lines.append(f"  {sum(counts.values()):>9,}  {kind.replace('_', ' ')}  {_named(counts)}")
    if report["retries"]:
        lines.append(f"sent again: {_named(report['retries'])}")
    if report["latency_ms"]["p50"] is not None:
        lines.append("latency, ms: " + ", ".join(f"{name} {value:.1f}" for name, value in report["latency_ms"].items()))
    lines += [f"  UNEXPECTED {what}: {count}" for what, count in report["surprises"].items()]
    if report.get("interrupted"):
        lines.append("INTERRUPTED")
    if "broken_off" in report:
        lines.append(f"BROKEN OFF: {report['broken_off']}")
    if check := report.get("kafka_check"):
        verdict = "every 200 is in the topic once" if check["holds"] else "THE PROMISE IS BROKEN"
        lines.append(f"Kafka: {verdict} ({_named({name: check[name] for name in check if name != 'holds'})})")
    return "\n".join(lines)


def _named(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
