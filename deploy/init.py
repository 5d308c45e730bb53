"""`pushtokens init`: topics and ClickHouse schema, created or brought up to date; safe to repeat at every start."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from deploy.plan import Step
from deploy.schema_plan import look_at_schema
from deploy.topic_setup import TopicError, change_topics, look_at_topics, set_up_topics
from schemas.kafka_reach import why_not
from schemas.settings import Settings

T = TypeVar("T")

_log = logging.getLogger(__name__)

_KAFKA_SECONDS: Final = 90.0
_CLICKHOUSE_SECONDS: Final = 300.0  # a migration may rewrite parts


class InitError(RuntimeError):
    """Something is not as it must be; the text says what to do. `passing`: the same may succeed later.

    `steps`: what the half of a plan that could be made came to.
    """

    def __init__(self, text: str, *, passing: bool) -> None:
        super().__init__(text)
        self.passing = passing
        self.steps: list[Step] = []


async def init(settings: Settings) -> None:
    """Create the topics and the ClickHouse schema, side by side.

    Raises:
        InitError: an engine does not answer, a topic is not as the settings say, or the schema cannot be applied.
    """
    results = await asyncio.gather(init_topics(settings), init_schema(settings), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def plan(settings: Settings, *, change: bool = False) -> list[Step]:
    """What is there and what `init` would do, topics first. Changes nothing.

    Args:
        settings: all of them.
        change: as of `plan_topics`.

    Raises:
        InitError: an engine does not answer; `steps` are those of the other one.
    """
    halves = await asyncio.gather(
        _with_kafka(settings, lambda: look_at_topics(settings, change=change)),
        _with_clickhouse(settings, lambda: look_at_schema(settings)),
        return_exceptions=True,
    )
    steps = [step for half in halves if not isinstance(half, BaseException) for step in half]
    for half in halves:
        if isinstance(half, InitError):
            half.steps = steps
        if isinstance(half, BaseException):
            raise half
    return steps


async def change_configs(settings: Settings) -> None:
    """Set the topics' configs to what the settings say. Raises InitError."""
    await _with_kafka(settings, lambda: change_topics(settings))


async def init_topics(settings: Settings) -> None:
    """The topics' half of `init`."""
    for name in await _with_kafka(settings, lambda: set_up_topics(settings)):
        _log.info("topic created", extra={"topic": name})


async def init_schema(settings: Settings) -> None:
    """ClickHouse's half of `init`."""
    from processors.migrations import migrate

    await _with_clickhouse(settings, lambda: migrate(settings))


async def _with_kafka(settings: Settings, work: Callable[[], Awaitable[T]]) -> T:
    try:
        async with asyncio.timeout(_KAFKA_SECONDS):
            return await work()
    except TopicError as error:
        raise InitError(str(error), passing=False) from None
    except (KafkaError, OSError, TimeoutError) as error:
        text = f"{await why_not(settings, 'init', create_conn, error)}; `pushtokens up` starts an embedded one"
        raise InitError(text, passing=True) from error


async def _with_clickhouse(settings: Settings, work: Callable[[], T]) -> T:
    from processors.clickhouse_errors import AwayError, RefusedError, UntrustedError
    from processors.clickhouse_options import certificate_hint
    from processors.migrations import SchemaError

    try:
        async with asyncio.timeout(_CLICKHOUSE_SECONDS):
            return await asyncio.to_thread(work)
    except SchemaError as error:
        raise InitError(str(error), passing=False) from error
    except RefusedError as error:
        raise InitError(f"{error}: {error.detail}", passing=False) from error
    except UntrustedError as error:
        raise InitError(f"{error} ({settings.clickhouse_url})", passing=True) from error
    except (AwayError, OSError, TimeoutError) as error:
        text = (
            f"ClickHouse at {settings.clickhouse_url} does not answer: is it up? PUSHTOKENS_CLICKHOUSE_URL says where; "
            f"`pushtokens up` starts an embedded one{certificate_hint(settings)}."
        )
        raise InitError(text, passing=True) from error
