"""How many open files a number of connections needs."""

import logging
import resource

import pytest

from ingest import descriptors

NONE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("connections", "soft", "hard", "limit"),
    [
        (10_000, 1024, 1_048_576, 10_256),
        (10_000, 20_000, 20_000, 20_000),
        (10_000, 1024, 4096, 4096),
        (10_000, 1024, 1024, 1024),
        (10_000, 1024, NONE, 10_256),
        (10_000, NONE, NONE, NONE),
        (100, 1024, 4096, 1024),
    ],
)
def test_the_limit_is_raised_as_far_as_needed_and_allowed(connections: int, soft: int, hard: int, limit: int) -> None:
    assert descriptors.limit_for(connections, soft, hard) == limit


@pytest.mark.parametrize(
    ("hard", "fitting", "warned"), [(4096, 3840, True), (20_000, 10_000, False), (NONE, 10_000, False)]
)
def test_what_does_not_fit_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hard: int, fitting: int, warned: bool
) -> None:
    limits = [(1024, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, found: limits.append(found))
    assert descriptors.make_room(10_000, 10_000) == fitting
    assert limits[-1] == (min(10_256, hard) if hard != NONE else 10_256, hard)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert bool(said) == warned and all("ingest.max_connections = 10000" in text and "ulimit" in text for text in said)
