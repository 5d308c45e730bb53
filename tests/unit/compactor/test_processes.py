"""Several processes of one worker: what each is told, and how many workers a group has."""

from urllib.parse import urlsplit

import pytest

from processors.compactor.app import advertised_url, member_url, workers_behind
from processors.compactor.processes import settings_of
from schemas.settings import Compact, Lookup, Settings


def told(*, url: str = "", instance: str = "") -> list[Settings]:
    settings = Settings(
        data_dir="/d", lookup=Lookup(advertised_url=url, port=7000), compact=Compact(processes=3, instance_id=instance)
    )
    return [settings_of(settings, number) for number in range(3)]


def test_each_has_a_port_a_store_and_a_url_of_its_own() -> None:
    found = told()
    assert [each.lookup.port for each in found] == [7000, 7001, 7002]
    assert [advertised_url(each) for each in found] == [f"http://127.0.0.1:{port}" for port in (7000, 7001, 7002)]
    assert [each.data_dir for each in found] == ["/d", "/d/compactor/process-1", "/d/compactor/process-2"]
    assert [each.compact.instance_id for each in found] == ["", "", ""]


def test_static_members_have_names_of_their_own() -> None:
    assert [each.compact.instance_id for each in told(instance="blue")] == ["blue", "blue-1", "blue-2"]


@pytest.mark.parametrize("url", ["http://blue.example:7000", "https://blue.example:7000/x"])
def test_an_advertised_url_gets_the_ports(url: str) -> None:
    ports = [urlsplit(advertised_url(each)).port for each in told(url=url)]
    assert ports == [7000, 7001, 7002]


def test_processes_of_one_worker_count_as_one() -> None:
    one = [member_url(each) for each in told()]
    assert workers_behind(one) == 1
    assert workers_behind([*one, "http://green.example:7000"]) == 2
    assert workers_behind(["http://127.0.0.1:1", "http://127.0.0.1:2"]) == 2
