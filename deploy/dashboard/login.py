"""Who may see the page: HTTP Basic (RFC 7617) where a password is set, this machine's own names where none is."""

import base64
import binascii
import hmac
import ipaddress
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.settings import Dashboard

# Probes and scrapers have no login; these answer with nothing about selectors.
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Whether binding to `host` keeps the page on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Login:
    """Lets requests through that may pass; answers 401 or, for another machine's name without a password set, 403.

    Without a password the page is for this machine only. A web page elsewhere could still point its own name at
    127.0.0.1 (DNS rebinding), so the Host must then be one of this machine's names.
    """

    def __init__(self, app: ASGIApp, settings: Dashboard) -> None:
        self._app = app
        self._user = settings.user.encode()
        self._password = settings.password.reveal().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._password:
            if self._known(headers.get("authorization", "")):
                await self._app(scope, receive, send)
                return
            refusal = PlainTextResponse(
                "Log in.", 401, {"www-authenticate": 'Basic realm="push tokens", charset="UTF-8"'}
            )
        elif _name(headers.get("host", "")) in _LOCAL_NAMES:
            await self._app(scope, receive, send)
            return
        else:
            refusal = PlainTextResponse("Set a dashboard password to use another name than this machine's own.", 403)
        await refusal(scope, receive, send)

    def _known(self, header: str) -> bool:
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        # Both are compared, in constant time, so that the answer's time tells neither.
        return hmac.compare_digest(user, self._user) & hmac.compare_digest(password, self._password)


def _name(host: str) -> str:
    return host.rsplit(":", 1)[0].lower() if not host.endswith("]") else host.lower()
