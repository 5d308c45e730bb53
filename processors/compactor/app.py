"""The Faust application: consumer group, agent, and which worker holds which partition.

Faust's manual explains each piece: an App with a transport of its own ("Transports"), one agent that hands every event
on and acknowledges it itself ("Streams", `noack`), and the partition assignor, whose metadata says who holds what.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import faust
from faust.app.base import BootStrategy
from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types import TP, EventT, Message, StreamT
from yarl import URL

from processors.compactor.claims import Claim, granted
from processors.compactor.intake import Batch
from processors.compactor.table import Table
from processors.compactor.transport import Consumer, Reports, Transport
from processors.compactor.urls import member_url, reached_at, workers_behind
from schemas.kafka_client import client_options, member_request_ms
from schemas.settings import Settings
from schemas.topics import topics

STREAM_BUFFER: Final = 16  # events (fetched lists) between the fetcher and the agent, which only hands them on
# A partition and request: some 2,800 reports with their headers (740 bytes each), so a backlog makes one batch of each.
# Two in a batch (`max_batch` 6,000) were no faster, and took 50 MiB more (100,000 new selectors, two processes).
FETCH_BYTES: Final = 2 * 1024 * 1024


class CompactorApp(faust.App):
    """The Faust app with the table service beside it."""

    table: Table

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)


class Boot(BootStrategy):
    """Faust's producer, web server and table endpoints stay off: the table has its own, per partition, and the lookup
    is `processors.compactor.lookup`."""

    enable_kafka_producer = False
    enable_web = False


class Lists(faust.Schema[Any, Any]):
    """The events are lists of records already; nothing is decoded."""

    def compile(self, app: Any, **_: Any) -> Any:
        """The decoder of messages that Faust asks a schema for."""

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:
            return cast(EventT[Any], app.create_event(None, message.value, {}, message))

        return decode


def make_app(settings: Settings, reports: Reports, fail: Callable[[BaseException], None]) -> CompactorApp:
    """The app; `app.table` has to be set before it is started.

    Args:
        settings: all of them.
        reports: gets the consumer as soon as there is one.
        fail: called with what the worker cannot go on from.
    """
    compact = settings.compact
    topic_name = topics(settings).reports.name

    class Assignor(PartitionAssignor):
        """Faust's assignor (sticky, promotes standbys) with our number of copies; Faust would use a plain round robin
        without any metadata for an app that has no Faust table and no standby."""

        def __init__(self, app: Any, replicas: int = 0) -> None:
            super().__init__(app, replicas=compact.standbys)

        @property
        def _metadata(self) -> Any:
            """What this member says it has: what its store has a good copy of, also as it joins for the first time. The
            assignor leaves partitions where they are."""
            found, standbys = super()._metadata, self._assignment.standbys
            claimed = app.table.claims - {at for held in standbys.values() for at in held}
            return found.derive(assignment=ClientAssignment(actives={topic_name: sorted(claimed)}, standbys=standbys))

        def _perform_assignment(self, cluster: Any, member_metadata: Any) -> Any:
            """Hand out the partitions, by what is granted of the members' claims (`processors.compactor.claims`)."""
            told = {member: self._get_client_metadata(found) for member, found in member_metadata.items()}
            self.replicas = min(compact.standbys, workers_behind(each.url for each in told.values()) - 1)
            claims = {
                member: Claim(each.assignment.actives.get(topic_name, ()), bool(each.external_topic_distribution))
                for member, each in told.items()
            }
            for member, partitions in granted(claims, settings.partition_count).items():
                had = ClientAssignment({topic_name: partitions}, told[member].assignment.standbys)
                found = member_metadata[member]
                user_data = told[member].derive(assignment=had).dumps()
                member_metadata[member] = type(found)(found.version, found.subscription, user_data)
            return super()._perform_assignment(cluster, member_metadata)

    directory = Path(settings.data_dir) / "compactor" / "faust"
    directory.parent.mkdir(parents=True, exist_ok=True)  # Faust makes the last part only
    app = CompactorApp(
        compact.group,
        broker=[URL(f"kafka://{server.strip()}") for server in settings.bootstrap.split(",")],
        boot_strategy=Boot,
        PartitionAssignor=Assignor,
        table_standby_replicas=1,
        consumer_group_instance_id=compact.instance_id or None,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=10_000,  # as `following_options`
        broker_request_timeout=member_request_ms(compact.session_timeout) / 1000,
        broker_client_id=f"{settings.kafka.client_id}-compact",
        broker_max_poll_records=4 * compact.max_batch,
        broker_session_timeout=compact.session_timeout,
        broker_heartbeat_interval=compact.session_timeout / 4,
        broker_rebalance_timeout=max(60.0, 2 * compact.session_timeout),
        stream_buffer_maxsize=STREAM_BUFFER,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        canonical_url=member_url(settings),
        datadir=str(directory),
        autodiscover=False,
        origin=None,
        **_security(settings),
    )
    topic = app.topic(topic_name, schema=Lists())

    @app.agent(topic, name="compactor")
    async def compact_batches(stream: StreamT[Any]) -> None:
        async for event in cast(faust.Stream[Any], stream).noack().events():
            try:
                app.table.offer(event.message.partition, Batch(event.value, event.ack))
            except Exception as error:
                fail(error)
                raise

    async def on_assigned(_sender: Any, /, *given: Any, signal: Any, **_: Any) -> None:
        assigned: set[TP] = given[0]
        reports.consumer = cast(Consumer, app.consumer)
        standby = app.assignor.assigned_standbys()
        await app.table.assign({tp.partition for tp in assigned}, {tp.partition for tp in standby})

    app.on_partitions_assigned.connect(on_assigned, weak=False)
    return app


def holders(app: CompactorApp, topic: str) -> dict[int, str]:
    """Which worker (URL) holds each partition of `topic`, as of the last rebalance."""
    distribution = cast(PartitionAssignor, app.assignor).external_topics_metadata()
    return {partition: reached_at(url) for url, held in distribution.items() for partition in held.get(topic, ())}


def _security(settings: Settings) -> dict[str, Any]:
    """TLS and SASL, in Faust's terms."""
    options = client_options(settings, "compact")
    protocol = options["security_protocol"]
    if protocol.startswith("SASL"):
        return {
            "broker_credentials": faust.SASLCredentials(
                username=options["sasl_plain_username"],
                password=options["sasl_plain_password"],
                mechanism=options["sasl_mechanism"],
                ssl_context=options.get("ssl_context"),
            )
        }
    return {"broker_credentials": faust.SSLCredentials(context=options["ssl_context"])} if protocol == "SSL" else {}
