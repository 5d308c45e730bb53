"""TLS of the ingress: certificates that can be replaced while it serves, and never by something broken.

Every handshake asks for the certificate in force (by the callback for SNI, which OpenSSL calls without SNI too), so a
new one takes one assignment, and connections under way keep theirs. Loading into the context in use would leave it with
a new certificate and an old key when the second file is wrong.
"""

import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from msgspec import Struct
from prometheus_client import Gauge

from ingest.refusal import UnusableError
from schemas.settings import Ingest

log = logging.getLogger(__name__)

_ALPN: Final = ["http/1.1"]  # RFC 7301; nothing else is spoken here
_EXPIRES_SOON: Final = timedelta(days=14)  # ACME clients renew 30 days before: then something is wrong
_REMIND_SECONDS: Final = 86400.0
# Of this module, which is imported only where TLS is on: without it there is no such figure, rather than a 0.
_EXPIRES: Final = Gauge(
    "pushtokens_ingest_certificate_expires_timestamp_seconds",
    "When the TLS certificate in force expires (s since the epoch).",
    multiprocess_mode="livemin",
)

# Of each file: where it is, its size and its time of change.
Stamp = tuple[tuple[int, int, int] | None, ...]


class Loaded(Struct, frozen=True):
    """A certificate in force."""

    context: ssl.SSLContext
    starts: datetime
    ends: datetime


class Certificates:
    """The certificate of a port. `context` is for the listening side; `look` notices new files."""

    def __init__(self, settings: Ingest) -> None:
        """Load the files that the settings name.

        Raises:
            UnusableError: they cannot be used. (One that has expired can: apps may be lenient, and a start is not
                the time to find out.)
        """
        self._cert = settings.tls_cert_file
        self._key = settings.tls_key_file or settings.tls_cert_file
        self._ca = settings.tls_client_ca_file
        self._seen = self._used = self._stamp()
        self._remind_at = 0.0
        self._force(self._load())
        self.context = self._context()
        self.context.sni_callback = self._choose

    def look(self, now: float) -> None:
        """Take new files into use; called every second or so with a time in s. Errors are logged, and change nothing.

        Files are read once they have been the same for two looks, since a certificate and its key are two files.
        """
        stamp = self._stamp()
        settled, self._seen = stamp == self._seen, stamp
        if settled and stamp != self._used:
            self._used = stamp
            self._replace()
        if now >= self._remind_at:
            self._remind_at = now + _REMIND_SECONDS
            self._remind()

    def _replace(self) -> None:
        try:
            loaded = self._load()
            if not loaded.starts <= datetime.now(UTC) < loaded.ends:
                raise UnusableError(f"{self._cert} is valid from {loaded.starts} to {loaded.ends} only")
        except UnusableError as error:
            log.error("the new TLS certificate is not used, the old one stays: %s", error)
            return
        self._force(loaded)
        log.info("a new TLS certificate is in use, valid until %s", loaded.ends.isoformat())

    def _force(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._remind_at = 0.0
        _EXPIRES.set(loaded.ends.timestamp())

    def _remind(self) -> None:
        left = self._loaded.ends - datetime.now(UTC)
        if left < timedelta(0):
            log.error("the TLS certificate has expired: apps will not connect")
        elif left < _EXPIRES_SOON:
            log.warning("the TLS certificate expires in %d days", left.days)

    def _choose(self, handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        handshake.context = self._loaded.context

    def _stamp(self) -> Stamp:
        return tuple(_stamp(Path(file)) for file in (self._cert, self._key, self._ca) if file)

    def _load(self) -> Loaded:
        context = self._context()
        try:
            leaf = x509.load_pem_x509_certificates(Path(self._cert).read_bytes())[0]
        except OSError as error:
            raise UnusableError(f"cannot read {self._cert}: {error.strerror}") from None
        except ValueError:
            raise UnusableError(f"{self._cert} holds no PEM certificate") from None
        return Loaded(context, leaf.not_valid_before_utc, leaf.not_valid_after_utc)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 section 3.1.1
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(_ALPN)
        try:
            # The password is one that no key has: OpenSSL would ask at the terminal for another.
            context.load_cert_chain(self._cert, self._key, password="")
        except OSError as error:  # ssl.SSLError is one
            raise UnusableError(f"{self._cert} with {self._key}: {_told(error)}") from None
        if self._ca:
            try:
                context.load_verify_locations(self._ca)
            except OSError as error:
                raise UnusableError(f"{self._ca}: {_told(error)}") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _told(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return (reason or "cannot be read").replace("_", " ").lower()


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
