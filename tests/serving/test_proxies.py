"""Where a request comes from: `X-Forwarded-For` counts from configured proxies, as far back as they wrote it."""

import pytest

from modelsat.errors import InputError
from serving import proxies

OURS = proxies.read("10.0.0.1, 10.1.0.0/16, fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", ["203.0.113.5"], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.2", ["203.0.113.5"], "10.0.0.2"),
        # What stands before the entry of our proxy is the client's invention.
        ("10.0.0.1", ["1.1.1.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.5, 10.1.2.3"], "203.0.113.5"),
        ("10.0.0.1", ["10.1.2.3"], "10.1.2.3"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, _hidden, 10.1.2.3"], "10.1.2.3"),
        ("10.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("fd00::1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("", ["203.0.113.5"], ""),
    ],
)
def test_client_is_who_the_last_proxy_of_ours_names(peer: str, forwarded: list[str], client: str) -> None:
    assert proxies.client(peer, forwarded, OURS) == client


def test_nobody_is_believed_where_no_proxy_is_configured() -> None:
    assert proxies.client("127.0.0.1", ["203.0.113.5"], proxies.read(" ")) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_addresses_of_one_ipv6_site_are_one_source(address: str, source: str) -> None:
    assert proxies.source(address) == source


@pytest.mark.parametrize("text", ["ingress.example", "10.0.0.0/33", "10.0.0.1 10.0.0.2", "*"])
def test_a_proxy_that_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match="is neither an address nor a network"):
        proxies.read(text)
