"""The lookup API over HTTP (aiohttp), with health and metrics: `GET /v1/selectors/…`, `GET /v1/accounts/…`,
`POST /v1/selectors`, `/healthz`, `/readyz`, `/metrics`."""

import hmac
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from processors.compactor.lookup import Lookup
from processors.compactor.metrics import Metrics
from processors.compactor.peers import HOP, UnavailableError
from schemas.lookup import SelectorsQuery
from schemas.settings import Lookup as LookupSettings

audit: Final = logging.getLogger("pushtokens.audit")
logger: Final = logging.getLogger(__name__)

RETRY_AFTER: Final = "1"  # seconds: a take-over with a standby copy takes less
BODY_BYTES: Final = 4 * 1024 * 1024
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class KeyNeededError(Exception):
    """The lookup would be open to others without a key; the text names the setting."""


def must_have_key(settings: LookupSettings) -> None:
    """Refuse to serve beyond the machine without a key.

    Raises:
        KeyNeededError: `lookup.host` is no loopback address and `lookup.api_key` is empty.
    """
    if not settings.api_key and not _loopback(settings.host):
        raise KeyNeededError(
            f"the lookup API would listen on {settings.host} without a key: set PUSHTOKENS_LOOKUP_API_KEY, "
            "or keep PUSHTOKENS_LOOKUP_HOST on 127.0.0.1"
        )


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_server(
    lookup: Lookup, settings: LookupSettings, metrics: Metrics, ready: Callable[[], str | None]
) -> web.Application:
    """The HTTP application.

    Args:
        lookup: answers.
        settings: key and limits.
        metrics: counts lookups, and gives `/metrics`.
        ready: None when this worker can do its work now, else why not.
    """
    routes = _Routes(lookup, settings, metrics, ready)
    app = web.Application(client_max_size=BODY_BYTES, middlewares=[routes.guard])
    app.router.add_get("/healthz", routes.alive)
    app.router.add_get("/readyz", routes.readiness)
    app.router.add_get("/metrics", routes.numbers)
    app.router.add_post("/v1/selectors", routes.many)
    app.router.add_get("/v1/selectors/{selector:.+}", routes.selector)
    app.router.add_get("/v1/accounts/{username:.+}", routes.account)
    return app


class _Routes:
    def __init__(
        self, lookup: Lookup, settings: LookupSettings, metrics: Metrics, ready: Callable[[], str | None]
    ) -> None:
        self._lookup, self._settings, self._metrics, self._ready = lookup, settings, metrics, ready

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The API key, errors as problems, and the audit line of every lookup."""
        if not request.path.startswith("/v1/"):
            return await handler(request)
        answer: web.StreamResponse
        if not self._allowed(request):
            answer = problem(401, "An API key is needed", {"WWW-Authenticate": "Bearer"})
        else:
            try:
                answer = await handler(request)
            except UnavailableError as error:
                logger.info("lookup unavailable: %s", error)
                answer = problem(503, str(error), {"Retry-After": RETRY_AFTER})
            except web.HTTPException as error:
                answer = problem(error.status, error.reason)
        self._note(request, answer.status)
        return answer

    def _allowed(self, request: web.Request) -> bool:
        key = self._settings.api_key.reveal()
        if not key:
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = request.headers.get("X-API-Key", "")
        return hmac.compare_digest(given.strip().encode(), key.encode())

    def _note(self, request: web.Request, status: int) -> None:
        outcome = {200: "found", 404: "unknown", 503: "unavailable"}.get(status, "refused")
        self._metrics.lookup(outcome)
        asked = request.get("asked", "")
        audit.info(
            "lookup",
            extra={"client": request.remote, "method": request.method, "asked": asked, "status": status},
        )

    async def alive(self, _request: web.Request) -> web.Response:
        """The event loop runs."""
        return web.Response(text="ok\n")

    async def readiness(self, _request: web.Request) -> web.Response:
        """Whether the worker can do its work now."""
        reason = self._ready()
        return web.Response(text="ok\n") if reason is None else web.Response(status=503, text=reason + "\n")

    async def numbers(self, _request: web.Request) -> web.Response:
        """Prometheus text."""
        return web.Response(body=self._metrics.text(), content_type="text/plain", charset="utf-8")

    async def selector(self, request: web.Request) -> web.Response:
        """One selector."""
        selector = _last(request, "/v1/selectors/")
        request["asked"] = {"selector": selector}
        found = await self._lookup.selectors([selector], HOP in request.headers)
        if not found.selectors:
            return problem(404, "Unknown selector", as_of=found.as_of[0])
        return _json(found.selectors[0])

    async def account(self, request: web.Request) -> web.Response:
        """All selectors of an account."""
        username = _last(request, "/v1/accounts/")
        request["asked"] = {"username": username}
        hop = HOP in request.headers
        found = await self._lookup.account(username, hop)
        if not found.selectors and not hop:
            return problem(404, "Unknown account", as_of=found.as_of)
        return _json(found)

    async def many(self, request: web.Request) -> web.Response:
        """Many selectors at once."""
        try:
            query = msgspec.json.decode(await request.read(), type=SelectorsQuery)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return problem(400, 'The body must be {"selectors": ["…", …]}')
        request["asked"] = {"selectors": len(query.selectors)}
        if len(query.selectors) > self._settings.max_batch:
            return problem(413, f"At most {self._settings.max_batch} selectors at once")
        return _json(await self._lookup.selectors(query.selectors, HOP in request.headers))


def _last(request: web.Request, prefix: str) -> str:
    """The rest of the path after `prefix`, percent-decoded once (a selector may hold `/`, sent raw or as `%2F`)."""
    raw = request.rel_url.raw_path
    try:
        return unquote(raw[len(prefix) :], errors="strict")
    except UnicodeDecodeError:
        raise web.HTTPBadRequest(reason="The path is not UTF-8") from None


def _json(answer: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type=JSON)


def problem(status: int, title: str, headers: dict[str, str] | None = None, **more: Any) -> web.Response:
    """A problem document (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, **more}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=PROBLEM, headers=headers)
