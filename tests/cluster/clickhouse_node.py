"""The embedded ClickHouse with a cluster of one shard, itself: enough for `Distributed` tables, not for replicas."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local import clickhouse_engine, clickhouse_server
from deploy.local.clickhouse import LocalClickHouse

CLUSTER: Final = "carrier"
# The address is the server's own (`tcp_port`), by which it takes the replica for itself; nothing listens there.
_CONFIG: Final = f"""<clickhouse><tcp_port>29000</tcp_port><remote_servers><{CLUSTER}><shard>
<internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>29000</port></replica>
</shard></{CLUSTER}></remote_servers></clickhouse>
"""


class ClusterNode(LocalClickHouse):
    """A `LocalClickHouse` that knows the cluster `CLUSTER`."""

    def command(self) -> Sequence[str]:
        """As the parent's, but this module."""
        return [sys.executable, "-m", __name__, *super().command()[3:]]

    def environment(self) -> dict[str, str]:
        """The parent's, and where this module is."""
        return super().environment() | {"PYTHONPATH": str(Path(__file__).parents[2])}


def _with_cluster(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    file = path / "cluster.xml"
    file.write_text(_CONFIG, encoding="ascii")
    return file


if __name__ == "__main__":
    clickhouse_engine._allow_backups = _with_cluster
    raise SystemExit(clickhouse_server.main(sys.argv[1:]))
