"""Whether there is an ingress to play against; if not, one clear message and not a count of failures."""

import asyncio
import ssl

from deploy.local.probe import reachable
from deploy.simulate.connection import Target, target
from deploy.simulate.trust import context
from schemas.settings import Ingest


class CannotStartError(Exception):
    """Nothing to play against; the text says what to do."""


def where_of(url: str | None, ca_file: str | None, own: Ingest) -> Target:
    """The ingress to play against: `url`, or that of the settings on this machine.

    Raises:
        ValueError: there is none such; the text says what to give.
    """
    if url:
        found = target(url)
        if ca_file and not found.tls:
            raise ValueError("--ca needs an https URL")
        return Target(found.host, found.port, found.tls, ca_file or "")
    if own.tls_client_ca_file:
        raise ValueError("the ingress wants certificates of its clients (ingest.tls_client_ca_file): phones have none")
    tls = bool(own.tls_cert_file)
    if ca_file and not tls:
        raise ValueError("--ca needs an https URL: this ingress has no TLS (ingest.tls_cert_file)")
    return Target(reachable(own.host), own.port, tls, ca_file or "", "" if ca_file else own.tls_cert_file)


async def reach(where: Target) -> None:
    """Make one connection.

    Raises:
        CannotStartError: it cannot be made.
    """
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(where.host, where.port, ssl=context(where))
        writer.transport.abort()
    except ssl.SSLCertVerificationError as error:
        raise CannotStartError(
            f"the certificate of {where.authority} is not believed ({error.verify_message}): --ca FILE says whose are, "
            "--url the name that it has"
        ) from None
    except ssl.SSLError as error:
        raise CannotStartError(f"{where.authority} does not speak TLS as it should ({error.reason})") from None
    except (OSError, TimeoutError) as error:
        raise CannotStartError(
            f"nothing answers on {where.authority} ({type(error).__name__}): is `make run` running there? "
            "Another address goes after --url, another port into PUSHTOKENS_INGEST_PORT"
        ) from None
