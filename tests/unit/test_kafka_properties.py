"""The embedded broker's configuration."""

from pathlib import Path

from deploy.local.kafka import new_cluster_id
from deploy.local.kafka_properties import Node, properties, render

NODE = Node(node_id=1, port=9092, controller_port=19093, data=Path("/data/kafka"))


def test_nothing_listens_beyond_this_machine() -> None:
    found = properties(NODE, {})
    addresses = [part.partition("://")[2].rpartition(":")[0] for part in found["listeners"].split(",")]
    assert addresses == ["127.0.0.1", "127.0.0.1"]
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"


def test_one_node_is_enough_for_every_internal_topic() -> None:
    found = properties(NODE, {})
    replicated = {name: value for name, value in found.items() if name.endswith((".replication.factor", ".min.isr"))}
    assert set(replicated.values()) == {"1"}
    assert found["auto.create.topics.enable"] == "false"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:19093"


def test_a_second_broker_follows_the_first_ones_controller() -> None:
    second = Node(node_id=2, port=9192, controller_port=19193, data=Path("/two"), votes_for=(1, 19093))
    found = properties(second, {})
    assert found["process.roles"] == "broker"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:19093"
    assert "CONTROLLER://" not in found["listeners"]


def test_overrides_win() -> None:
    assert properties(NODE, {"num.io.threads": "9"})["num.io.threads"] == "9"


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    made = {new_cluster_id() for _ in range(2000)}
    assert len(made) == 2000
    assert {len(each) for each in made} == {22}
    assert not any(each.startswith("-") for each in made)


def test_backslashes_survive_a_properties_file() -> None:
    assert render({"log.dirs": r"C:\data"}) == "log.dirs=C:\\\\data\n"
