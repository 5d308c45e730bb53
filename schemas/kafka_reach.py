"""Why Kafka cannot be reached, in words that name the setting to look at. Imports no client: it is given one.

aiokafka tells its callers "unable to bootstrap" and puts the reason (a certificate nobody trusts, a password that is
refused) into its own log. So after such an error one connection is made by hand, and what that fails with is explained.
No text holds a password.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from schemas.kafka_client import client_options
from schemas.settings import Kafka, Settings
from schemas.tls import explain_tls

Connect = Callable[..., Awaitable[Any]]
"""aiokafka's `create_conn(host, port, **options)`."""

SECONDS: Final = 3.0  # for one server; on the same network it takes milliseconds, with SCRAM's 4096 rounds 20


async def why_not(settings: Settings, role: str, connect: Connect, error: BaseException | None = None) -> str:
    """One line (str, no full stop at its end) that says why no server of `kafka.bootstrap` can be talked to.

    Args:
        settings: where Kafka is, and as whom.
        role: as of `client_options`.
        connect: aiokafka's `create_conn`.
        error: what has failed, for a server that can be connected to.
    """
    options = client_options(settings, role)
    said, handled = "", sys.exception()
    for server in str(options.pop("bootstrap_servers")).split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            async with asyncio.timeout(SECONDS):
                connection = await connect(host.strip("[]"), int(port), **options)
        except Exception as failure:
            _forget(handled, failure)
            said = said or explain(settings.kafka, server.strip(), failure)
            continue
        connection.close()
        name = "" if error is None else f" ({type(error).__name__})"
        return (
            f"Kafka at {server.strip()} takes connections and then does not answer{name}: is it only starting, or "
            "does that port want a login (PUSHTOKENS_KAFKA_SECURITY_PROTOCOL)?"
        )
    return said


def explain(kafka: Kafka, server: str, error: Exception) -> str:
    """What it means that connecting to `server` as `kafka` says fails with `error`; as `why_not`."""
    chain = tuple(_chain(error))
    for each in chain:
        if said := explain_tls("PUSHTOKENS_KAFKA", each):
            return f"Kafka at {server} {said}"
    names = {base.__name__ for each in chain for base in type(each).__mro__}
    if names & {"SaslAuthenticationFailed", "AuthenticationFailedError"}:
        return (
            f"Kafka at {server} does not let user `{kafka.sasl_username}` in by {kafka.sasl_mechanism}: see "
            "PUSHTOKENS_KAFKA_SASL_USERNAME and PUSHTOKENS_KAFKA_SASL_PASSWORD (or _FILE)"
        )
    if "UnsupportedSaslMechanismError" in names:
        return f"Kafka at {server} has no {kafka.sasl_mechanism}: see PUSHTOKENS_KAFKA_SASL_MECHANISM"
    if "IllegalSaslStateError" in names:
        return f"Kafka at {server} wants no login on that port: see PUSHTOKENS_KAFKA_SECURITY_PROTOCOL"
    if names & {"KafkaConnectionError", "ConnectionResetError", "BrokenPipeError", "IncompleteReadError"}:
        return f"Kafka at {server} closes the connection: {_closed(kafka)}"
    kind = type(error).__name__
    return f"Kafka at {server} does not answer ({kind}): is it up? PUSHTOKENS_KAFKA_BOOTSTRAP says where"


def _closed(kafka: Kafka) -> str:
    if not kafka.security_protocol.endswith("SSL"):
        return f"does that port speak TLS? PUSHTOKENS_KAFKA_SECURITY_PROTOCOL is {kafka.security_protocol}"
    return (
        "does it want a client certificate (PUSHTOKENS_KAFKA_TLS_CERT_FILE), or is it not a port for "
        f"{kafka.security_protocol} (PUSHTOKENS_KAFKA_SECURITY_PROTOCOL)?"
    )


def _forget(handled: BaseException | None, error: BaseException) -> None:
    """What the caller handles meanwhile is the context of every error from here: it is no cause of this one."""
    for each in list(_chain(error)):
        if handled is not None and each.__context__ is handled:
            each.__context__ = None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
