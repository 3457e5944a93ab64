"""A hook for LiteLLM's proxy: requests for `auto` go to the deployment that modelsat names.

In the proxy's configuration, beside a `model_list` whose names are candidates of the router:

    litellm_settings:
      callbacks: serving.gateway.litellm_hook.hook

It asks the gateway's `/v1/route`; `docs/gateway-clients.md` lists the environment variables it reads. If the gateway
does not answer, the request goes to the deployment named as default, or fails as an unknown model would.
"""

import logging
import os
from typing import Any

import httpx

AUTO = ("auto", "auto:best", "auto:cheap")
URL, TOKEN, DEFAULT = "MODELSAT_GATEWAY_URL", "MODELSAT_GATEWAY_TOKEN", "MODELSAT_DEFAULT_MODEL"
_TIMEOUT_SECONDS = 2.0
logger = logging.getLogger("modelsat.litellm")
_PROTOCOLS = {
    "completion": "chat",
    "acompletion": "chat",
    "responses": "responses",
    "aresponses": "responses",
    "anthropic_messages": "messages",
}
"""What LiteLLM calls a request, and the protocol in which it came."""


async def routed(data: dict[str, Any], call_type: str, transport: httpx.AsyncBaseTransport | None = None) -> Any:
    """Return a request's data with the model that modelsat names; other requests as they are.

    Args:
        data: The body of the request, as LiteLLM hands it to `async_pre_call_hook`.
        call_type: Which kind of request it is.
        transport: How the gateway is reached; None for the network.
    """
    if data.get("model") not in AUTO or call_type not in _PROTOCOLS:
        return data
    ends = () if data["model"] == AUTO[0] else ("model",)
    asked = {name: data[name] for name in ("messages", "input", "modelsat", *ends) if name in data}
    token = os.environ.get(TOKEN, "")
    login = {"authorization": f"Bearer {token}"} if token else {}
    chosen: str | None = None
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, transport=transport) as client:
            address = os.environ[URL].rstrip("/") + f"/v1/route?protocol={_PROTOCOLS[call_type]}"
            response = await client.post(address, json=asked, headers=login)
            chosen = response.raise_for_status().json()["model"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        chosen = os.environ.get(DEFAULT)
        instead = f"{chosen} ({DEFAULT}) answers" if chosen else f"the request fails; {DEFAULT} would name a stand-in"
        logger.error("modelsat did not choose for 'auto': %s; %s", _remedy(error), instead)
    # `modelsat` is for the router; an upstream may refuse a field that it does not know.
    rest = {name: value for name, value in data.items() if name != "modelsat"}
    return {**rest, "model": chosen or data["model"]}


def _remedy(error: Exception) -> str:
    """Return in one sentence what failed and what to do; prompts and tokens are in no sentence."""
    if not os.environ.get(URL):
        return f"{URL} is not set; set it to the gateway's address, without /v1"
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        if status in (401, 403):
            return f"the gateway refuses the token (HTTP {status}); set {TOKEN} to one of its MODELSAT_GATEWAY_TOKENS"
        if status == 404:
            return f"{URL} has no /v1/route (HTTP 404); set it to the address of `modelsat gateway`, without /v1"
        if status == 400:
            return f"the gateway finds fault with the request (HTTP 400): {_said(error.response)}"
        return f"the gateway answers HTTP {status}: {_said(error.response)}; its /readyz and its log say more"
    if isinstance(error, httpx.TimeoutException):
        return f"the gateway is silent for {_TIMEOUT_SECONDS:g} s; look at its /readyz"
    if isinstance(error, httpx.HTTPError):
        return f"the gateway does not answer ({type(error).__name__}); check {URL} and that `modelsat gateway` runs"
    return f"what answers at {URL} is no gateway of modelsat ({type(error).__name__}); correct the address"


def _said(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def __getattr__(name: str) -> Any:
    """Make `hook` when LiteLLM asks for it: this module can be read and tested where LiteLLM is not installed."""
    if name != "hook":
        raise AttributeError(name)
    from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found]

    class Hook(CustomLogger):  # type: ignore[misc]
        async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: str) -> Any:  # noqa: ARG002
            return await routed(data, call_type)

    return Hook()
