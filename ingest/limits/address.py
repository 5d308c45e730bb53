"""Whose address a request came from, proxies that are trusted taken away. Pure."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from ingest.refusal import UnusableError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAX_HOPS: Final = 16  # read from the right; what a client wrote itself stands further left
_PORT: Final = re.compile(r"(\[[^]]*\]|[0-9.]+)(?::[0-9_A-Za-z.-]+)?")  # `[2001:db8::1]:4711`, `192.0.2.1:4711`
_FOR: Final = re.compile(r'(?:^|;)\s*for=("?)([^";]*)\1\s*(?:;|$)', re.IGNORECASE)


def networks(text: str) -> tuple[Network, ...]:
    """The networks (`10.0.0.0/8,2001:db8::7`) of a setting.

    Raises:
        UnusableError: a part that is neither an address nor a network.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise UnusableError(f"ingest.trusted_proxies: {error}") from None
    return tuple(found)


class Addresses:
    """Reads addresses of clients. `header` is the one that trusted proxies append to; others are the client's."""

    def __init__(self, trusted: Iterable[Network], header: str, ipv6_prefix: int) -> None:
        self._trusted = tuple(trusted)
        self._header = header.encode()
        self._in_for = header == "forwarded"
        self._dropped = 128 - ipv6_prefix

    def key(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The client as a key (bytes): IPv4 by its address, IPv6 by its prefix, for a household has the whole of it.

        Args:
            peer: the other end of the connection.
            headers: all, names in lower case.
        """
        address = _address(peer)
        if address is None:
            return b""
        if self._trusted and self._trusts(address):
            address = self._behind(address, headers)
        number = int(address)
        return (
            number.to_bytes(4, "big")
            if address.version == 4
            else (number >> self._dropped << 1 | 1).to_bytes(17, "big")
        )

    def _behind(self, address: Address, headers: Iterable[tuple[bytes, bytes]]) -> Address:
        """From the right (RFC 7239 section 7.4): each proxy vouches for the hop before it, if it is trusted itself."""
        text = b",".join(value for name, value in headers if name == self._header).decode("latin-1")
        for hop in text.rsplit(",", _MAX_HOPS)[: -_MAX_HOPS - 1 : -1]:
            found = _address(self._named(hop.strip()))
            if found is None:  # `unknown`, `_hidden` or nonsense: nobody vouches for what stands before it
                return address
            address = found
            if not self._trusts(address):
                return address
        return address

    def _named(self, hop: str) -> str:
        if self._in_for:
            found = _FOR.search(hop)
            hop = found[2] if found else ""
        with_port = _PORT.fullmatch(hop)
        return with_port[1].strip("[]") if with_port else hop

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
