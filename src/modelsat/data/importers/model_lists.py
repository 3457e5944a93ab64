"""Reads a model list, or a configuration of another gateway, of any kind that is known."""

import json
from collections.abc import Mapping

import yaml

from modelsat.data.importers import Import, litellm, litellm_proxy, openai_list, openrouter, vllm_sr_config
from modelsat.errors import InputError

_OTHERS = "this is no model list; save what GET /api/v1/models answers, an object with a list 'data'"


def decoded(content: bytes, source: str) -> object:
    """Return what a file holds: YAML where its name ends so, else JSON.

    Raises:
        InputError: It is neither.
    """
    kind = "YAML" if source.endswith((".yaml", ".yml")) else "JSON"
    try:
        found: object = yaml.safe_load(content) if kind == "YAML" else json.loads(content)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"{source!r} is not valid {kind} ({told}); save the model list again") from error
    return found


def read(listed: object, endpoint: str | None = None, api_key_env: str | None = None) -> Import:
    """Turn a model list, or the configuration of another gateway, into candidates.

    Args:
        listed: The decoded JSON or YAML.
        endpoint: Where the models answer; OpenRouter's list and configurations say so themselves.
        api_key_env: Environment variable that holds the key there.

    Raises:
        InputError: It is no list that is known, or it is not said where its models answer.
    """
    if litellm_proxy.claims(listed):
        return litellm_proxy.read(listed, endpoint, api_key_env)
    if vllm_sr_config.claims(listed):
        return vllm_sr_config.read(listed, endpoint, api_key_env)
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
