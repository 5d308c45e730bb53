"""The dashboard as an ASGI application: the page, its figures as JSON and CSV, probes and metrics."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.dashboard.charts import CHARTS, Chart
from deploy.dashboard.csv_text import csv_text
from deploy.dashboard.headers import SafeHeaders
from deploy.dashboard.login import Login
from deploy.dashboard.metrics import Metrics
from deploy.dashboard.page import STATIC, page
from deploy.dashboard.pipeline import Pipeline
from deploy.dashboard.refresher import Refresher
from deploy.dashboard.series import draw
from processors.churn.figures import figures
from processors.churn.filters import FilterError, Filters, parse
from processors.clickhouse import AwayError, ClickHouse, RefusedError, Rows
from schemas.pipeline_id import pipeline_id
from schemas.settings import Settings

log = logging.getLogger(__name__)

_QUERIES: Final = 4  # at a time: the embedded engine answers four (`deploy.local.clickhouse`), the rest waits here


class Dashboard:
    """The endpoints, and what they share: the ClickHouse client, the roll-ups' refresher, the pipeline's samples."""

    def __init__(self, settings: Settings) -> None:
        self._clickhouse = ClickHouse(settings)
        self._pipeline = Pipeline(settings)
        self._refresher = Refresher(settings)
        self._metrics = Metrics(self._refresher, pipeline_id(settings))
        self._limit = anyio.CapacityLimiter(_QUERIES)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """From the first request to the last."""
        self._refresher.start()
        watch = asyncio.create_task(self._pipeline.watch())
        try:
            yield
        finally:
            self._refresher.stop()
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            self._clickhouse.close()

    async def index(self, request: Request) -> Response:
        """`GET /`: the page. It comes up without ClickHouse too, and then says in each card what is wrong."""
        filters = _filters(request)
        try:
            rows = await self._rows("app_ids", filters_for_choice(filters))
            app_ids = dict.fromkeys(row["app_id"] for row in rows.dicts())
        except (AwayError, RefusedError):
            app_ids = {}
        return HTMLResponse(page(filters, app_ids, _today()))

    async def chart(self, request: Request) -> Response:
        """`GET /api/charts/{name}`: labels, series and headline of one chart."""
        chart, filters = _chart(request), _filters(request)
        build = self._refresher.build
        if build is None:
            raise HTTPException(
                503, "The first figures are being computed; try again in a moment.", {"retry-after": "2"}
            )
        drawing = draw(chart, await self._rows(chart.metric, filters), filters)
        return _json({**msgspec.to_builtins(drawing), "as_of": f"{build.built_at:%Y-%m-%d %H:%M:%S} UTC"})

    async def chart_csv(self, request: Request) -> Response:
        """`GET /api/charts/{name}.csv`: the metric's rows as the query gives them."""
        chart, filters = _chart(request), _filters(request)
        rows = await self._rows(chart.metric, filters)
        name = f"{chart.metric}_{filters.from_day}_{filters.to_day}.csv"
        return _csv(csv_text(rows.names, rows.rows), name)

    async def pipeline(self, _: Request) -> Response:
        """`GET /api/pipeline`: the two charts of the pipeline's health."""
        return _json(msgspec.to_builtins(self._pipeline.drawings()))

    async def pipeline_csv(self, _: Request) -> Response:
        """`GET /api/pipeline.csv`: the same numbers."""
        drawings = self._pipeline.drawings().values()
        series = [one for drawing in drawings for one in drawing.series]
        labels = next(iter(drawings)).labels
        rows = zip(labels, *(one.values for one in series), strict=True)
        return _csv(csv_text(["time", *(one.label for one in series)], rows), "pipeline.csv")

    async def healthy(self, _: Request) -> Response:
        """`GET /healthz`: alive."""
        return PlainTextResponse("ok")

    async def ready(self, _: Request) -> Response:
        """`GET /readyz`: ClickHouse answers and there are figures."""
        if self._refresher.build is None:
            return PlainTextResponse("no figures computed yet", 503)
        try:
            await self._thread(partial(self._clickhouse.query, "SELECT 1"))
        except (AwayError, RefusedError) as error:
            return PlainTextResponse(str(error), 503)
        return PlainTextResponse("ok")

    async def metrics(self, _: Request) -> Response:
        """`GET /metrics`: Prometheus text."""
        return Response(self._metrics.text(), media_type=self._metrics.content_type)

    async def _rows(self, metric: str, filters: Filters) -> Rows:
        with self._metrics.query(metric):
            return await self._thread(partial(figures, self._clickhouse, metric, filters))

    async def _thread(self, call: Callable[[], Rows]) -> Rows:
        return await anyio.to_thread.run_sync(call, limiter=self._limit)


def make_app(settings: Settings) -> Starlette:
    """The application for these settings."""
    dashboard = Dashboard(settings)
    routes = [
        Route("/", dashboard.index),
        Route("/api/charts/{name}.csv", dashboard.chart_csv),
        Route("/api/charts/{name}", dashboard.chart),
        Route("/api/pipeline", dashboard.pipeline),
        Route("/api/pipeline.csv", dashboard.pipeline_csv),
        Route("/healthz", dashboard.healthy),
        Route("/readyz", dashboard.ready),
        Route("/metrics", dashboard.metrics),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(SafeHeaders), Middleware(Login, settings=settings.dashboard)],
        exception_handlers={
            HTTPException: _problem,
            FilterError: _wrong_filter,
            AwayError: _away,
            RefusedError: _refused,
        },
        lifespan=dashboard.lifespan,
    )


def filters_for_choice(filters: Filters) -> Filters:
    """The filters under which the app ids to choose from are looked up: the same days, nothing else."""
    return Filters(from_day=filters.from_day, to_day=filters.to_day)


def _filters(request: Request) -> Filters:
    return parse(request.query_params, _today())


def _chart(request: Request) -> Chart:
    found = CHARTS.get(request.path_params["name"])
    if found is None:
        raise HTTPException(404, "There is no such chart.")
    return found


def _today() -> date:
    return datetime.now(UTC).date()


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


def _csv(text: str, name: str) -> Response:
    return Response(text, media_type="text/csv", headers={"content-disposition": f'attachment; filename="{name}"'})


def _say(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"status": status, "detail": detail}, status, headers, media_type="application/problem+json")


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _say(error.status_code, error.detail, dict(error.headers or {}))


async def _wrong_filter(_: Request, error: Exception) -> Response:
    return _say(400, str(error))


async def _away(_: Request, error: Exception) -> Response:
    log.warning("%s", error)
    return _say(503, "ClickHouse does not answer now.", {"retry-after": "5"})


async def _refused(_: Request, error: Exception) -> Response:
    log.error("%s", error)
    return _say(500, "ClickHouse refused the query; the log of the dashboard says why.")
