"""The alerts as the Prometheus operator's `PrometheusRule`: the same text, one level deeper."""

from textwrap import indent
from typing import Final

_HEAD: Final = """\
# Written by `make documents` from deploy/prometheus/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: pushtokens
spec:
"""


def rule_manifest(alerts: str) -> str:
    """The resource (YAML text).

    Args:
        alerts: a Prometheus rules file (YAML text in block style, as it stands in deploy/prometheus/alerts.yml).
    """
    return _HEAD + indent(alerts.strip("\n") + "\n", "  ")
