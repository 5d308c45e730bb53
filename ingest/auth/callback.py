"""Accounts from the operator's own function: `def ha1(username, realm, algorithm)`, plain or async."""

import importlib
import inspect
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from ingest.auth.accounts import HASHES, unknown
from ingest.auth.bounded import Bounded
from ingest.auth.threads import Threads
from ingest.refusal import BusyError
from schemas.settings_ingest import Algorithm

log = logging.getLogger(__name__)

_CAUSE: Final = "accounts_away"
_DETAIL: Final = "the accounts cannot be asked now"


class CallbackError(ValueError):
    """A `module:function` that is not there; the text says which."""


class CallbackAccounts:
    """Asks a function for each request: HA1 (str, hex) of a name, or None. Unless it is async, it runs in a thread."""

    personal = True

    def __init__(self, entry: str, realm: str, algorithms: tuple[Algorithm, ...], limit: int, timeout: float) -> None:
        """Import the function.

        Args:
            entry: `module:function`.
            realm: handed to it.
            algorithms: what Digest offers; none: both.
            limit: calls at once.
            timeout: of a call, s.

        Raises:
            CallbackError: there is no such function.
        """
        self._function = _load(entry)
        self._realm = realm
        self._algorithms = algorithms or tuple(HASHES)
        self._bounded = Bounded(limit, timeout, _DETAIL, _CAUSE)
        self._threads = Threads(limit, _DETAIL, _CAUSE)
        self._unknown = {name: (unknown(name),) for name in HASHES}

    def algorithms(self) -> tuple[Algorithm, ...]:
        """As `Accounts.algorithms`."""
        return self._algorithms

    async def find(self, username: str, algorithm: Algorithm) -> tuple[bytes, ...]:
        """As `Accounts.find`."""
        try:
            found = await self._bounded.run(lambda: self._ask(username, algorithm))
        except BusyError:
            raise
        except Exception as error:
            # Its text may hold what was asked.
            log.error("the callback for accounts failed: %s", type(error).__name__)
            raise BusyError(503, _DETAIL, cause=_CAUSE) from None
        if found is None:
            return self._unknown[algorithm]
        if not isinstance(found, str) or not re.fullmatch(f"[0-9a-fA-F]{{{len(self._unknown[algorithm][0])}}}", found):
            log.error("the callback for accounts returned what is no HA1 of %s", algorithm)
            raise BusyError(503, _DETAIL, cause=_CAUSE)
        return (found.lower().encode(),)

    async def _ask(self, username: str, algorithm: Algorithm) -> object:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(username, self._realm, algorithm)
        return await self._threads.call(self._function, username, self._realm, algorithm)

    async def open(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Threads under way end with the process."""


def _load(entry: str) -> Callable[..., Any]:
    module, _, name = entry.partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise CallbackError(f"cannot import {module}: {type(error).__name__}") from None
    if not callable(found):
        raise CallbackError(f"{module} has no function {name}")
    return found  # type: ignore[no-any-return]
