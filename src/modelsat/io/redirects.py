"""Calls that carry a key or a prompt go to the host that was named: a redirect is a fault of that host.

urllib follows redirects, turns a POST into a GET on the way, and hands a plain header on to the next host.
"""

import urllib.request
from typing import Any


class _Refusal(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing; urllib then raises `HTTPError` with the status."""


_OPENER = urllib.request.build_opener(_Refusal)


def open_without_redirects(request: urllib.request.Request, timeout: float) -> Any:
    """Send a request and return the reply, as `urllib.request.urlopen` does.

    Args:
        request: With an http or https address.
        timeout: How long the server may be silent, in seconds.

    Raises:
        urllib.error.HTTPError: The status is 300 or more, a redirect included.
        OSError: The server does not answer.
    """
    return _OPENER.open(request, timeout=timeout)
