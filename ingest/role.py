"""The ingest role: checks the templates, opens the port, runs one worker or several."""

import logging
import signal
from typing import Final

from ingest.auth.gates import gates, with_nonce_key
from ingest.limits.address import networks
from ingest.refusal import UnusableError
from ingest.server import certificates_of, listen, serve
from ingest.template_set import template_set
from ingest.template_text import TemplateError
from ingest.workers import run_workers
from schemas.kafka_client import client_options
from schemas.logs import set_up
from schemas.settings import Settings
from schemas.settings_source import SettingsError

log = logging.getLogger(__name__)

_WRONG_SETTINGS: Final = 2


def quiet_libraries(settings: Settings) -> None:
    """uvicorn logs a line for every bad request; below INFO it would log more than that."""
    level = logging.INFO if settings.log.level == "DEBUG" else logging.ERROR
    logging.getLogger("uvicorn").setLevel(level)


def _nothing_to_drain(*_: object) -> None:
    """SIGTERM before anything was accepted."""
    raise SystemExit(0)


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, drain. Returns 0; 1 if it cannot serve; 2 if the settings cannot be used."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _nothing_to_drain)
    set_up(settings.log, "ingest", texts=False)
    quiet_libraries(settings)
    try:
        templates = template_set(settings)
        # Files and callbacks are looked at before a port is opened.
        gates(templates.templates, settings.ingest)
        certificates_of(settings.ingest)
        networks(settings.ingest.trusted_proxies)
        client_options(settings, "ingest")
    except (TemplateError, UnusableError, SettingsError) as error:
        log.error("%s", error)
        return _WRONG_SETTINGS
    for template in templates.templates:
        if template.removals_off:
            log.warning("template `%s` is off: it removes without authentication, reports need one", template.name)
    settings = with_nonce_key(settings)
    try:
        listener = listen(settings)
    except OSError as error:
        where = f"{settings.ingest.host}:{settings.ingest.port}"
        log.error("cannot listen on %s: %s (PUSHTOKENS_INGEST_PORT sets the port)", where, error.strerror)
        return 1
    log.info("listening on %s port %d", settings.ingest.host, settings.ingest.port)
    if settings.ingest.workers == 1:
        return serve(settings, listener)
    return run_workers(settings, listener)
