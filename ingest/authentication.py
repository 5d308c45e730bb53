"""Whether a request may report by its template: Digest, Basic, a shared secret, or nothing to check. Pure."""

import base64
import binascii
import hmac
import time
from collections.abc import Iterable
from typing import Final

from ingest.digest import REALM, DigestError, StaleError, challenges, verify
from ingest.gate import Asked, Gate
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.template import Compiled

_CHALLENGE: Final = b"www-authenticate"


class TemplateGate:
    """The gate of one template: Digest, Basic, a shared secret, or a removal that is off."""

    def __init__(self, template: Compiled, lifetime: float) -> None:
        self._template = template
        self._lifetime = lifetime

    def before(self, asked: Asked) -> None:
        """As `Gate.before`."""
        check_header(self._template, asked.authorization, asked.method, asked.target, time.time(), self._lifetime)

    async def after(self, asked: Asked, reading: Reading) -> str | None:
        """As `Gate.after`."""
        check_secret(self._template, reading.secrets)
        return None


def gates(templates: Iterable[Compiled], nonce_timeout: float) -> dict[str, Gate]:
    """The gates of all templates that have one, by template name."""
    return {
        template.name: TemplateGate(template, nonce_timeout)
        for template in templates
        if template.auth != "none" or template.removals_off
    }


def check_header(template: Compiled, authorization: str, method: str, target: str, now: float, lifetime: float) -> None:
    """Check what the `Authorization` header says, before anything is read.

    Args:
        template: whose `auth` says what to check.
        authorization: the header (str, may be empty).
        method, target: the request's, as they came.
        now: seconds since the epoch.
        lifetime: of a Digest nonce, s.

    Raises:
        RefusedError: 401 with a challenge; 403 for a removal that is off.
    """
    if template.removals_off:
        detail = "removals without authentication are off, since reports are authenticated"
        raise RefusedError(403, "removal_off", detail)
    if template.auth == "basic":
        _basic(template, authorization)
    elif template.auth == "digest":
        _digest(template, authorization, method, target, now, lifetime)


def check_secret(template: Compiled, given: list[str]) -> None:
    """Check the shared secret that came as a parameter (`given`: every value of it, str).

    Raises:
        RefusedError: 403. There is no challenge for a parameter, so it is not a 401.
    """
    if template.auth != "parameter":
        return
    expected = template.auth_secret.reveal().encode()
    if not given or not all(hmac.compare_digest(expected, text.encode("utf-8", "replace")) for text in given):
        raise RefusedError(403, "wrong_secret", "the shared secret is missing or wrong", template.auth_parameter)


def _basic(template: Compiled, authorization: str) -> None:
    scheme, _, credentials = authorization.partition(" ")
    expected = f"{template.auth_username}:{template.auth_secret.reveal()}".encode()
    try:
        given = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    if scheme.lower() != "basic" or not hmac.compare_digest(expected, given):
        raise _unauthorized([f'Basic realm="{REALM}", charset="UTF-8"'])


def _digest(template: Compiled, authorization: str, method: str, target: str, now: float, lifetime: float) -> None:
    scheme, _, parameters = authorization.partition(" ")
    stale = False
    try:
        if scheme.lower() == "digest":
            verify(parameters.strip(), method, target, template.auth_username, template.auth_secret, now, lifetime)
            return
    except StaleError:
        stale = True
    except DigestError:
        pass
    raise _unauthorized(challenges(template.auth_secret, now, stale=stale))


def _unauthorized(found: list[str]) -> RefusedError:
    headers = tuple((_CHALLENGE, challenge.encode()) for challenge in found)
    return RefusedError(401, "unauthorized", "the request must authenticate", headers=headers)
