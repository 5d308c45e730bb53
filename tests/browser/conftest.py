"""A real Chromium, and a dashboard over the real engine with a made-up fleet's history."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from benchmarks.churn_history.made import make_history
from deploy.local.environment import environment
from processors.churn.rollup import rebuild
from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from schemas.settings import Settings
from tests.engines import make_settings
from tests.poll import until

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
INSTALL_SECONDS = 600
SELECTORS, REPORTS, DAYS = 600, 10, 200


def find_chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: one that is there, or Debian's, installed where that is possible. Fails otherwise."""
    if found := find_chromium():
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.fail(f"no browser: none of {', '.join(NAMES)} is on PATH; on Debian: apt-get install chromium")
    said = ""
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        said += done.stdout[-1000:] + done.stderr[-1000:]
    found = find_chromium()
    if not found:
        pytest.fail(f"no browser, and apt-get could not install Debian's `chromium`: {said}")
    return found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
    yield started
    started.close()


class Served(Struct, frozen=True):
    """A dashboard under test: its settings and address."""

    settings: Settings
    url: str


@contextmanager
def serving(settings: Settings, *, ready: bool = True) -> Iterator[Served]:
    """Runs `pushtokens dashboard` until the block ends; it must then end by itself, with exit code 0."""
    url = f"http://127.0.0.1:{settings.dashboard.port}"
    env = environment(settings, os.environ)
    process = subprocess.Popen([sys.executable, "-m", "deploy.cli.main", "dashboard"], env=env)
    try:
        path = "/readyz" if ready else "/healthz"
        until(
            lambda: process.poll() is not None or httpx.get(url + path, trust_env=False).status_code == 200,
            f"{path} of the dashboard",
            60.0,
            bearing=(httpx.HTTPError,),
        )
        assert process.poll() is None, f"the dashboard ended with {process.returncode}"
        yield Served(settings, url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


@pytest.fixture(scope="session")
def history(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a database with a fleet's history up to today, rolled up."""
    settings = make_settings(tmp_path_factory.mktemp("history"), "127.0.0.1:1", clickhouse)
    migrate(settings)
    with ClickHouse(settings, timeout=120.0) as connected:
        make_history(connected, selectors=SELECTORS, reports=REPORTS, days=DAYS, last=today())
        rebuild(connected)
    return settings


@pytest.fixture(scope="session")
def dashboard(history: Settings) -> Iterator[Served]:
    with serving(history) as served:
        yield served


class Watched(Struct):
    """A page and what it did that it should not."""

    page: Page
    errors: list[str]
    outside: list[str]

    def show(self, url: str) -> None:
        self.page.goto(url)
        self.wait()

    def wait(self) -> None:
        """Until every chart of the figures is drawn."""
        self.page.locator("[data-chart]").first.wait_for(state="attached")
        for card in self.page.locator("[data-chart]").all():
            name = card.get_attribute("id")
            self.page.locator(f"#{name}[data-state=ready]").wait_for(timeout=30_000)


Open = Callable[..., Watched]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens pages: `opened(width=390, color_scheme="dark")`; every error and every outside request is kept."""
    contexts: list[BrowserContext] = []

    def make(width: int = 1280, height: int = 900, **options: object) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        watched = Watched(context.new_page(), [], [])
        page = watched.page
        page.on("console", lambda message: note(watched, message.type, message.text))
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on("requestfailed", lambda request: watched.errors.append(f"{request.url}: {request.failure}"))
        page.on("request", lambda request: note_request(watched, request.url))
        return watched

    yield make
    for context in contexts:
        context.close()


def note(watched: Watched, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        watched.errors.append(text)


def note_request(watched: Watched, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("data", "blob", "file", "about") and parts.hostname != "127.0.0.1":
        watched.outside.append(url)


def today() -> date:
    return datetime.now(UTC).date()
