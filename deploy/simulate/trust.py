"""Which certificate of the ingress the phones take."""

import ssl
from functools import lru_cache

from deploy.simulate.connection import Target


@lru_cache(maxsize=8)  # a context takes longer to make than a connection
def context(where: Target) -> ssl.SSLContext | None:
    """The TLS context for `where`; None: no TLS.

    Raises:
        ValueError: a file that cannot be read, or holds no certificate.
    """
    if not where.tls:
        return None
    name = where.own_file or where.ca_file or None
    try:
        found = ssl.create_default_context(cafile=name)
    except OSError as error:  # ssl.SSLError too
        raise ValueError(f"{name} cannot be used as a certificate: {error.strerror or error}") from None
    if where.own_file:
        # The very certificate that the ingress is to show, whoever signed it; its name is the public one.
        found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        found.check_hostname = False
    return found
