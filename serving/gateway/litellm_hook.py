"""A hook for LiteLLM's proxy: requests for `auto` go to the deployment that modelsat names.

In the proxy's configuration, beside a `model_list` whose names are candidates of the router:

    litellm_settings:
      callbacks: serving.gateway.litellm_hook.hook

It asks the gateway's `/v1/route`; `docs/gateway.md` says which environment variables it reads. Where the gateway does
not answer, the request goes to the deployment named as default, or fails as an unknown model would.
"""

import os
from typing import Any

import httpx

AUTO = "auto"
URL, TOKEN, DEFAULT = "MODELSAT_GATEWAY_URL", "MODELSAT_GATEWAY_TOKEN", "MODELSAT_DEFAULT_MODEL"
_TIMEOUT_SECONDS = 2.0
_CHAT = ("completion", "acompletion")


async def routed(data: dict[str, Any], call_type: str, transport: httpx.AsyncBaseTransport | None = None) -> Any:
    """Return a request's data with the model that modelsat names; other requests as they are.

    Args:
        data: The body of the request, as LiteLLM hands it to `async_pre_call_hook`.
        call_type: Which kind of request it is.
        transport: How the gateway is reached; None for the network.
    """
    if data.get("model") != AUTO or call_type not in _CHAT:
        return data
    asked = {name: data[name] for name in ("messages", "modelsat") if name in data}
    token = os.environ.get(TOKEN, "")
    login = {"authorization": f"Bearer {token}"} if token else {}
    chosen: str | None = None
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, transport=transport) as client:
            response = await client.post(os.environ[URL].rstrip("/") + "/v1/route", json=asked, headers=login)
            chosen = response.raise_for_status().json()["model"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        chosen = os.environ.get(DEFAULT)
    # `modelsat` is for the router; an upstream may refuse a field that it does not know.
    rest = {name: value for name, value in data.items() if name != "modelsat"}
    return {**rest, "model": chosen or AUTO}


def __getattr__(name: str) -> Any:
    """Make `hook` when LiteLLM asks for it: this module can be read and tested where LiteLLM is not installed."""
    if name != "hook":
        raise AttributeError(name)
    from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found]

    class Hook(CustomLogger):  # type: ignore[misc]
        async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: str) -> Any:  # noqa: ARG002
            return await routed(data, call_type)

    return Hook()
