"""Whose address it is: proxies from the right, only trusted ones, IPv6 by prefix."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.limits.address import Addresses, networks
from ingest.refusal import UnusableError
from tests.unit.ingest.many import many

TRUSTED = networks("10.0.0.0/8, 2001:db8:ff::/48,192.0.2.7")
XFF, FORWARDED = "x-forwarded-for", "forwarded"


def key(peer: str, value: str | None = None, *more: str, header: str = XFF, prefix: int = 64) -> bytes:
    headers = [(header.encode(), text.encode()) for text in ([] if value is None else [value, *more])]
    return Addresses(TRUSTED, header, prefix).key(peer, [(b"host", b"h"), *headers])


@pytest.mark.parametrize(
    ("peer", "value", "client"),
    [
        ("203.0.113.1", None, "203.0.113.1"),
        # A peer that is not trusted speaks for itself only.
        ("203.0.113.1", "198.51.100.9", "203.0.113.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("2001:db8:ff::1", "198.51.100.9", "198.51.100.9"),
        # What the client wrote itself stands on the left and is never reached.
        ("10.0.0.1", "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9, 10.9.9.9, 192.0.2.7", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("10.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"),
        # Nonsense: the last one that somebody vouched for.
        ("10.0.0.1", "198.51.100.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9, x, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", ",", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1," + "10.0.0.2," * 50, "10.0.0.1"),
    ],
)
def test_x_forwarded_for(peer: str, value: str | None, client: str) -> None:
    assert key(peer, value) == key(client)


def test_lines_of_a_header_are_one_list() -> None:
    assert key("10.0.0.1", "198.51.100.9", "203.0.113.4, 10.0.0.2") == key("203.0.113.4")


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=198.51.100.9", "198.51.100.9"),
        ('For="198.51.100.9:4711";proto=https;by=203.0.113.43', "198.51.100.9"),
        ("for=1.1.1.1, for=198.51.100.9;by=10.0.0.1, for=10.0.0.9", "198.51.100.9"),
        ('by=1.1.1.1;for="[2001:db8:1:2::3]:80"', "2001:db8:1:2::3"),
        ("for=unknown", "10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ("198.51.100.9", "10.0.0.1"),
    ],
)
def test_forwarded(value: str, client: str) -> None:
    assert key("10.0.0.1", value, header=FORWARDED) == key(client, header=FORWARDED)


def test_the_other_header_is_not_believed() -> None:
    found = Addresses(TRUSTED, XFF, 64).key("10.0.0.1", [(b"forwarded", b"for=198.51.100.9")])
    assert found == key("10.0.0.1")


def test_ipv6_by_prefix_and_never_like_an_ipv4() -> None:
    assert key("2001:db8:1:2::3") == key("2001:db8:1:2:ffff::9") != key("2001:db8:1:3::3")
    assert key("2001:db8:1:2::3", prefix=56) == key("2001:db8:1:ff::3", prefix=56)
    assert key("2001:db8::1", prefix=128) != key("2001:db8::2", prefix=128)
    assert len(key("1.2.3.4")) != len(key("2001:db8::1"))
    assert key("::1.2.3.4", prefix=128) != key("1.2.3.4", prefix=128)


@many(200)
@given(st.text(max_size=60), st.sampled_from([XFF, FORWARDED]))
def test_any_header_gives_some_key(value: str, header: str) -> None:
    headers = [(header.encode(), value.encode("utf-8", "surrogatepass"))]
    assert len(Addresses(TRUSTED, header, 64).key("10.0.0.1", headers)) in (4, 17)


@many(100)
@given(st.ip_addresses(), st.ip_addresses())
def test_an_untrusted_peer_is_its_own_address(peer: ipaddress.IPv4Address, claimed: ipaddress.IPv4Address) -> None:
    found = Addresses((), XFF, 128)
    assert found.key(str(peer), [(XFF.encode(), str(claimed).encode())]) == found.key(str(peer), [])


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example.com", "10.0.0.1/8", "a,b"])
def test_a_list_that_is_none(text: str) -> None:
    with pytest.raises(UnusableError, match="trusted_proxies"):
        networks(text)


def test_an_empty_list() -> None:
    assert networks("") == networks(" , ") == ()
