"""Addresses and names of variables are checked by one rule, which never lets a login or a key through."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.io.addresses import is_http_address, is_loopback


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "https://host/v1", "http://127.0.0.1:8080/", "http://[::1]:9000/v1", "https://bücher.example"],
)
def test_plain_address_is_taken(url: str) -> None:
    assert is_http_address(url)


@pytest.mark.parametrize(
    "url",
    [
        *("", None, 7, "host:8080", "ftp://host", "http://", "https:///v1", "http://host:0", "http://host:65536"),
        *("http://host:port", "https://user:key@host", "https://@host", "https://host?key=1", "https://host/#x"),
        *("http://ho st", "http://host\n", "http://[::1", "http://a..b", "http://" + 64 * "a"),
    ],
)
def test_address_that_cannot_be_used_or_would_show_a_login_is_refused(url: object) -> None:
    assert not is_http_address(url)


_PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "ftp://",
        "a",
        "b.c",
        ":",
        "80",
        "99999",
        "/",
        "@",
        "?",
        "#",
        "[",
        "]",
        "::1",
        " ",
        "ü",
        "%",
        ".",
    ]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_every_address_that_is_taken_can_be_sent_to(url: str) -> None:
    if is_http_address(url):
        parsed = httpx.URL(url)
        assert parsed.host
        assert not parsed.userinfo


def test_only_this_machine_reaches_a_loopback_host() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.0.1", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.com", "")))  # noqa: S104
