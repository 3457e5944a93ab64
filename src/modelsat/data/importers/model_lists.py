"""Reads a model list of any kind that is known."""

from collections.abc import Mapping

from modelsat.data.importers import Import, litellm, openai_list, openrouter
from modelsat.errors import InputError

_OTHERS = "this is no model list; save what GET /api/v1/models answers, an object with a list 'data'"


def read(listed: object, endpoint: str | None = None, api_key_env: str | None = None) -> Import:
    """Turn a model list of OpenRouter, of an OpenAI-compatible server or of LiteLLM into candidates.

    Args:
        listed: The decoded JSON.
        endpoint: Where the models answer; only OpenRouter's list says so itself.
        api_key_env: Environment variable that holds the key there.

    Raises:
        InputError: It is no list that is known, or it is not said where its models answer.
    """
    if openrouter.claims(listed):
        variable = api_key_env if endpoint else api_key_env or openrouter.API_KEY_ENV
        return openrouter.read(listed, endpoint or openrouter.ENDPOINT, variable)
    if litellm.claims(listed) and isinstance(listed, Mapping):
        return litellm.read(listed, endpoint, api_key_env)
    if openai_list.claims(listed):
        return openai_list.read(listed, endpoint, api_key_env)
    if isinstance(listed, Mapping) and isinstance(listed.get("models"), list):
        raise InputError(
            "this is a list in a format of the provider's own, such as Ollama's /api/tags or Gemini's; "
            "save what GET /v1/models of its OpenAI-compatible address answers"
        )
    if isinstance(listed, Mapping) and "error" in listed:
        raise InputError("this is an error message and no model list; ask again with a valid key, and save the answer")
    raise InputError(_OTHERS)
