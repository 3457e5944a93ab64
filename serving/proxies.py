"""Who a request comes from: the address at the other end, or what a proxy of ours says of it.

`X-Forwarded-For` is written by whoever wants to, so it counts only where the connection comes from a configured proxy,
and only as far back as configured proxies wrote it.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from functools import lru_cache

from modelsat.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_SITE_BITS = 64
current: ContextVar[str] = ContextVar("source", default="")
"""The source of the request that is being answered; \"\" where it is not known."""


def read(text: str) -> tuple[Network, ...]:
    """Return the networks of proxies.

    Args:
        text: Addresses and networks such as `10.0.0.7, 10.1.0.0/16`, separated by commas; empty names none.

    Raises:
        InputError: One of them is neither.
    """
    found = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        try:
            found.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            raise InputError(
                f"proxy {word!r} is neither an address nor a network; write addresses such as 10.0.0.7 or 10.1.0.0/16, "
                "separated by commas"
            ) from None
    return tuple(found)


def client(peer: str, forwarded: Iterable[str], proxies: Sequence[Network]) -> str:
    """Return the address that a request comes from.

    Args:
        peer: At the other end of the connection.
        forwarded: The values of all `X-Forwarded-For` of the request, in their order.
        proxies: Whose word counts.
    """
    found = peer
    entries = [entry.strip() for value in forwarded for entry in value.split(",")]
    while entries and is_of(found, proxies):
        entry = _without_port(entries.pop())
        if _address(entry) is None:
            break
        found = entry
    return found


def is_of(address: str, networks: Sequence[Network]) -> bool:
    """Say whether an address is in one of the networks."""
    parsed = _address(address) if networks else None
    return parsed is not None and any(parsed in network for network in networks)


@lru_cache(maxsize=4096)
def source(address: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 of an IPv6 address, which belongs to one site."""
    parsed = _address(address[:64])
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _SITE_BITS), strict=False))
    return str(parsed or address)


def _address(text: str) -> _Address | None:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket that listens for both families names IPv4 clients ::ffff:10.0.0.7.
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
