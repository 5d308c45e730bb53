"""The sink's small HTTP server: `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import Callable

from aiohttp import web

from processors.sink.metrics import Metrics


def make_server(metrics: Metrics, not_ready: Callable[[], str | None]) -> web.AppRunner:
    """A server that is not started yet; `not_ready` gives the reason while the sink cannot work, else None."""

    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        reason = not_ready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503, headers={"Retry-After": "1"})

    async def numbers(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", numbers)])
    return web.AppRunner(app, access_log=None, handle_signals=False)
