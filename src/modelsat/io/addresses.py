"""Checks of addresses, for clients and servers alike."""

import ipaddress
from urllib.parse import urlsplit


def is_http_address(url: object) -> bool:
    """Say whether requests can be sent below an address: `http(s)://host[:port][/path]`.

    An address with a login is refused, since it would end up in logs; so is one with a query or a fragment, since paths
    are added to it.
    """
    if not isinstance(url, str) or not url.isprintable() or any(character.isspace() for character in url):
        return False
    try:
        parts = urlsplit(url)
        # Labels that no name server knows (empty, longer than 63) raise here.
        host = (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError:
        return False
    is_plain = "@" not in parts.netloc and "?" not in url and "#" not in url and "\\" not in url
    return parts.scheme in ("http", "https") and bool(host) and port != 0 and is_plain


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a server that binds to `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
