"""What the compactor leans on inside Faust, mode and aiokafka.

An upgrade that changes one of these fails here: read the change, look whether `processors.compactor` still holds, and
write the new checksum down.
"""

import hashlib
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.producer.sender import BaseHandler, EndTxnHandler, Sender
from aiokafka.producer.transaction_manager import TransactionManager
from faust.app.base import App
from faust.assignor.copartitioned_assignor import CopartitionedAssignor
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.threads import ServiceThread

READ: dict[str, tuple[Any, str]] = {
    # The consumer that `processors.compactor.transport` replaces parts of.
    "Consumer.getmany": (Consumer.getmany, "4b168d84882a70d6"),
    "Consumer._wait_next_records": (Consumer._wait_next_records, "6218e1969a636b3f"),
    "Consumer._drain_messages": (Consumer._drain_messages, "44a2500309e83c63"),
    "Consumer.ack": (Consumer.ack, "5fcf41cf45153475"),
    "Consumer.commit": (Consumer.commit, "a354437baaa08bf8"),
    "Consumer.wait_empty": (Consumer.wait_empty, "e4662fe24f094819"),
    "Consumer.on_buffer_full": (Consumer.on_buffer_full, "c8961679e0bcdce5"),
    "Consumer.on_buffer_drop": (Consumer.on_buffer_drop, "4b57e8a418d5ad9c"),
    "ConsumerThread._create_worker_consumer": (AIOKafkaConsumerThread._create_worker_consumer, "c2701bfc3e6f6cad"),
    "ConsumerThread._seek_wait": (AIOKafkaConsumerThread._seek_wait, "9d221e816d940467"),
    "ConsumerThread.on_start": (AIOKafkaConsumerThread.on_start, "38b4e8bd1e10723a"),
    # The order of a rebalance, and how the app stops.
    "App._on_partitions_revoked": (App._on_partitions_revoked, "d5c895bbe57dc73a"),
    "App._on_partitions_assigned": (App._on_partitions_assigned, "de932b7927db85b3"),
    "App._stop_consumer": (App._stop_consumer, "55854a5de12c3f52"),
    "Recovery._resume_streams": (Recovery._resume_streams, "d986a6710c1aca98"),
    "PartitionAssignor.on_assignment": (PartitionAssignor.on_assignment, "72f34bf053d696b5"),
    "PartitionAssignor._metadata": (vars(PartitionAssignor)["_metadata"].fget, "966368ad7e0cd58b"),
    "PartitionAssignor._perform_assignment": (PartitionAssignor._perform_assignment, "1e0bf2c5c8f42574"),
    "CopartitionedAssignor": (CopartitionedAssignor, "71f50fd84ef06b98"),
    "ServiceThread.__init__": (ServiceThread.__init__, "82979878990cdff5"),
    # aiokafka's transactions and positions.
    "GroupCoordinator._do_heartbeat": (GroupCoordinator._do_heartbeat, "dc1d6632aaa68e96"),
    "FetchResult": (FetchResult, "d7db13f06de8248c"),
    "PartitionRecords": (PartitionRecords, "94aa0da0dbec8d1b"),
    "AIOKafkaConsumer.position": (AIOKafkaConsumer.position, "2512259a90a2ebd7"),
    "AIOKafkaProducer.stop": (AIOKafkaProducer.stop, "43ef97147111893b"),
    "BatchBuilder": (BatchBuilder, "8050802ca7514186"),
    "MessageBatch": (MessageBatch, "36a7b1dac89d2910"),
    "AIOKafkaProducer.send_batch": (AIOKafkaProducer.send_batch, "bf42b0f0c5c0646d"),
    "MessageAccumulator": (MessageAccumulator, "562530971ca9bd19"),
    "TransactionManager": (TransactionManager, "d0932794d69a6780"),
    "Sender": (Sender, "46ef144176b79ef8"),
    "BaseHandler": (BaseHandler, "41fc76293ab9b0b3"),
    "EndTxnHandler": (EndTxnHandler, "47656efcfc994fbe"),
}


@pytest.mark.parametrize(
    ("package", "pinned"), [("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1"), ("aiokafka", "0.14.0")]
)
def test_the_versions_that_were_read(package: str, pinned: str) -> None:
    assert version(package) == pinned


@pytest.mark.parametrize("name", READ)
def test_unchanged_since_it_was_read(name: str) -> None:
    code, known = READ[name]
    found = hashlib.sha256(inspect.getsource(inspect.unwrap(code)).encode()).hexdigest()[:16]
    assert found == known, f"{name} has changed: it was {known}, now {found}"
