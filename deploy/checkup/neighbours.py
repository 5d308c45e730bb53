"""Who is behind a port: a role or an engine of this pipeline, or a stranger's, which another pipeline's are too."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from deploy.checkup.finding import Finding
from deploy.local.data_dir import LOCK
from deploy.local.ports import PortInUseError, check_port
from deploy.local.probe import Target, get, parse
from deploy.local.services import ports, targets
from deploy.local.status import Samples
from schemas.pipeline_id import LABEL, METRIC, pipeline_id
from schemas.settings import Settings

_OTHERS: Final = "another pipeline"


def whose(samples: Samples) -> str | None:
    """The pipeline that a role says it is part of, by its metrics; None: it does not say."""
    return next((labels.get(LABEL) for name, labels, value in samples if name == METRIC and value), None)


def is_ours(settings: Settings, target: Target) -> bool | None:
    """Whether the role that answers there is of this pipeline; None: nobody answers as a role does."""
    if get(target, "/healthz") is None:
        return None
    answer = get(target, "/metrics")
    return answer is not None and whose(parse(answer[1])) == pipeline_id(settings)


def up_is_running(settings: Settings) -> bool:
    """Whether a `pushtokens up` holds the data directory: only then are the embedded engines' ports its own."""
    try:
        file = os.open(Path(settings.data_dir).absolute() / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def kafka_is_ours(settings: Settings) -> bool:
    """Whether the embedded broker of this data directory answers."""
    from deploy.local.kafka_probe import answers

    return up_is_running(settings) and answers(settings.kafka.port)


def clickhouse_is_ours(settings: Settings) -> bool:
    """Whether the embedded ClickHouse of this data directory answers."""
    from deploy.local.clickhouse import answers

    return up_is_running(settings) and answers(settings.clickhouse.port)


def look_at_ports(settings: Settings) -> Iterator[Finding]:
    """Each port that a role or an engine binds: free, in use by this pipeline, or by a stranger."""
    roles = {target.port: is_ours(settings, target) for target in targets(settings)}
    if settings.embedded_kafka:
        roles[settings.kafka.port] = kafka_is_ours(settings) or None
    if settings.embedded_clickhouse:
        roles[settings.clickhouse.port] = clickhouse_is_ours(settings) or None
    for host, port, setting in ports(settings):
        check = f"port {port}"
        if roles.get(port):
            yield Finding(check, "ok", f"in use by the running pipeline ({setting})")
        elif roles.get(port) is False:
            text = f"{_OTHERS} (other topics, database or data directory) has port {port}: stop that one, or choose "
            yield Finding(check, "fail", f"{text}another with {setting}=PORT")
        else:
            try:
                check_port(host, port, setting)
            except PortInUseError as error:
                yield Finding(check, "fail", str(error))
            else:
                yield Finding(check, "ok", f"free ({setting})")


def look_at_roles(settings: Settings) -> Iterator[Finding]:
    """Whether each role of this pipeline on this machine can do its work."""
    for target in targets(settings):
        ours = is_ours(settings, target)
        answer = get(target, "/readyz") if ours else None
        where = f"{target.host}:{target.port}"
        if ours is False:
            yield Finding(target.name, "note", f"not running: {where} is {_OTHERS}'s")
        elif answer is None:
            yield Finding(target.name, "note", f"not running on {where}")
        elif answer[0] == 200:
            yield Finding(target.name, "ok", "ready")
        else:
            yield Finding(target.name, "fail", f"runs but is not ready: {_reason(answer[1])}")


def _reason(body: str) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict)["reason"])
    except (msgspec.MsgspecError, KeyError):
        return "see its log"
