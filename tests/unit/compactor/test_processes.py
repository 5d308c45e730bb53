"""Several processes of one worker: what each is told, and how many workers a group has."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from yarl import URL

from processors.compactor.app import holders
from processors.compactor.processes import settings_of
from processors.compactor.urls import member_url, reached_at, workers_behind
from schemas.settings import Compact, Lookup, Settings


def told(*, url: str = "", instance: str = "") -> list[Settings]:
    settings = Settings(
        data_dir="/d", lookup=Lookup(advertised_url=url, port=7000), compact=Compact(processes=3, instance_id=instance)
    )
    return [settings_of(settings, number) for number in range(3)]


def test_each_has_a_port_a_store_and_a_url_of_its_own() -> None:
    found = told()
    assert [each.lookup.port for each in found] == [7000, 7001, 7002]
    assert [reached_at(member_url(each)) for each in found] == [
        f"http://127.0.0.1:{port}" for port in (7000, 7001, 7002)
    ]
    assert [each.data_dir for each in found] == ["/d", "/d/compactor/process-1", "/d/compactor/process-2"]
    assert [each.compact.instance_id for each in found] == ["", "", ""]


def test_static_members_have_names_of_their_own() -> None:
    assert [each.compact.instance_id for each in told(instance="blue")] == ["blue", "blue.process-1", "blue.process-2"]


@pytest.mark.parametrize(
    ("url", "first"),
    [("http://blue.example:7000", 7000), ("https://blue.example:8000/x", 8000), ("https://blue.example", 443)],
)
def test_an_advertised_url_gets_the_ports(url: str, first: int) -> None:
    found = [urlsplit(reached_at(member_url(each))) for each in told(url=url)]
    assert [each.port for each in found] == [first, first + 1, first + 2]
    assert {each._replace(netloc=each.hostname or "").geturl() for each in found} == {url.replace(f":{first}", "")}


def test_a_host_may_be_an_ipv6_address() -> None:
    own = settings_of(Settings(lookup=Lookup(host="::1", port=7000), compact=Compact(processes=2)), 1)
    assert reached_at(member_url(own)) == "http://[::1]:7001"


@pytest.mark.parametrize("url", ["http://h:7000", "http://h:7000#w", "http://h:7000/x#w"])
def test_the_url_of_a_holder_is_the_one_it_advertises(url: str) -> None:
    """Faust puts a member's URL through yarl, which adds a slash before a fragment."""
    told = SimpleNamespace(external_topics_metadata=lambda: {str(URL(url)): {"t": [3]}})
    app: Any = SimpleNamespace(assignor=told)
    assert holders(app, "t") == {3: url.partition("#")[0]}


def test_processes_of_one_worker_count_as_one() -> None:
    one = [member_url(each) for each in told()]
    assert workers_behind(one) == 1
    assert workers_behind([*one, "http://green.example:7000"]) == 2
    assert workers_behind(["http://127.0.0.1:1", "http://127.0.0.1:2"]) == 2


def test_the_parent_of_several_imports_nothing_that_only_they_need() -> None:
    """80 MB of the 600 that issue 4 allows a worker."""
    heavy = ("faust", "aiokafka", "rocksdict", "aiohttp", "uvloop")
    code = f"import sys, deploy.cli.compact, processors.compactor.role; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
