"""Room for connections: each is a file descriptor, and the usual limit of a process is 1,024."""

import logging
import resource
from typing import Final

log = logging.getLogger(__name__)

# Kafka's connections, logs, metrics of each worker, and newcomers that are about to be refused.
_OWN: Final = 256


def make_room(connections: int, wanted: int) -> int:
    """Raise this process's limit of open files, so that `wanted` connections fit, or as far as it may.

    Returns:
        How many of `connections` fit; with a warning if that is less than all.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = limit_for(wanted, soft, hard)
    if limit != soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (ValueError, OSError) as error:
            log.warning("the limit of open files stays at %d: %s", soft, error)
            limit = soft
    fitting = connections if limit == resource.RLIM_INFINITY else max(1, min(connections, limit - _OWN))
    if fitting < connections:
        log.warning(
            "only %d of ingest.max_connections = %d fit: this process may open %d files; raise its hard limit "
            "(ulimit -Hn, LimitNOFILE) to %d",
            fitting,
            connections,
            limit,
            connections + _OWN,
        )
    return fitting


def limit_for(connections: int, soft: int, hard: int) -> int:
    """The soft limit (files) under which `connections` fit: never below `soft`, never above `hard`. Pure."""
    needed = connections + _OWN
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return soft
    return needed if hard == resource.RLIM_INFINITY else max(soft, min(needed, hard))
