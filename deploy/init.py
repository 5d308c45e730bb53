"""`pushtokens init`: topics and ClickHouse schema, created or brought up to date; safe to repeat at every start."""

import asyncio
import logging
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from deploy.topic_setup import TopicError, set_up_topics
from schemas.kafka_reach import why_not
from schemas.settings import Settings

_log = logging.getLogger(__name__)

_KAFKA_SECONDS: Final = 90.0
_CLICKHOUSE_SECONDS: Final = 300.0  # a migration may rewrite parts


class InitError(RuntimeError):
    """Something is not as it must be; the text says what to do. `passing`: the same may succeed later."""

    def __init__(self, text: str, *, passing: bool) -> None:
        super().__init__(text)
        self.passing = passing


async def init(settings: Settings) -> None:
    """Create the topics and the ClickHouse schema, side by side.

    Raises:
        InitError: an engine does not answer, a topic is not as the settings say, or the schema cannot be applied.
    """
    results = await asyncio.gather(init_topics(settings), init_schema(settings), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def init_topics(settings: Settings) -> None:
    """The topics' half of `init`."""
    try:
        async with asyncio.timeout(_KAFKA_SECONDS):
            created = await set_up_topics(settings)
    except TopicError as error:
        raise InitError(str(error), passing=False) from None
    except (KafkaError, OSError, TimeoutError) as error:
        text = f"{await why_not(settings, 'init', create_conn)}; `pushtokens up` starts an embedded one"
        raise InitError(text, passing=True) from error
    for name in created:
        _log.info("topic created", extra={"topic": name})


async def init_schema(settings: Settings) -> None:
    """ClickHouse's half of `init`."""
    from processors.clickhouse_errors import AwayError, RefusedError, UntrustedError
    from processors.migrations import SchemaError, migrate

    try:
        async with asyncio.timeout(_CLICKHOUSE_SECONDS):
            await asyncio.to_thread(migrate, settings)
    except SchemaError as error:
        raise InitError(str(error), passing=False) from error
    except RefusedError as error:
        raise InitError(f"{error}: {error.detail}", passing=False) from error
    except UntrustedError as error:
        raise InitError(f"{error} ({settings.clickhouse_url})", passing=True) from error
    except (AwayError, OSError, TimeoutError) as error:
        text = (
            f"ClickHouse at {settings.clickhouse_url} does not answer: is it up? PUSHTOKENS_CLICKHOUSE_URL says where; "
            "`pushtokens up` starts an embedded one."
        )
        raise InitError(text, passing=True) from error
