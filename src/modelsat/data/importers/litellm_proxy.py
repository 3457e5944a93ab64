"""Imports the configuration of LiteLLM's proxy: `model_list`, one entry per deployment of a named model.

A key that stands in the file is never taken over. Where `--endpoint` is the proxy's address, candidates are asked
there by the names of the list; otherwise each where its deployment answers, if that speaks OpenAI's protocol.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from modelsat.data.importers import Import, litellm
from modelsat.data.importers.listing import LeftOutError, Listing, names, part, whole
from modelsat.data.remarks import Remark
from modelsat.io.key_variables import fault_in_key_variable

_FROM_ENVIRONMENT = "os.environ/"
_SPEAK_OPENAI = ("openai", "hosted_vllm", "litellm_proxy", "openai_like", "lm_studio", "llamafile")
"""Providers whose `api_base` is that of an OpenAI-compatible server."""
_HOSTS = {
    "openai": "https://api.openai.com/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "together_ai": "https://api.together.xyz/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "xai": "https://api.x.ai/v1",
}
"""Where providers answer whose deployments need no `api_base`."""


def claims(listed: object) -> bool:
    """Say whether the decoded YAML or JSON is a configuration with a model list."""
    entries = listed.get("model_list") if isinstance(listed, Mapping) else None
    return isinstance(entries, list) and any(isinstance(one, Mapping) and "litellm_params" in one for one in entries)


def read(
    listed: object, endpoint: str | None = None, api_key_env: str | None = None, today: date | None = None
) -> Import:
    """Turn the model list into candidates, one per name.

    Args:
        listed: The decoded configuration.
        endpoint: Address of the proxy; None asks deployments directly.
        api_key_env: Environment variable that holds the key there; None takes the deployments' own.
        today: Models that were retired by this day are left out; default: the current day.
    """
    entries = listed["model_list"] if isinstance(listed, Mapping) else []
    listing, now = Listing(), today or datetime.now(UTC).date()
    deployments = Counter(one.get("model_name") for one in entries if isinstance(one, Mapping))
    first = {one.get("model_name"): one for one in reversed(entries) if isinstance(one, Mapping)}

    def candidate(entry: object, remark: Callable[[str], None]) -> dict[str, Any]:
        if not isinstance(entry, Mapping):
            raise LeftOutError("it is no mapping")
        name = entry.get("model_name")
        if deployments[name] > 1 and not endpoint:
            remark(
                f"it has {deployments[name]} deployments and a candidate has one, so the first is taken over; with the "
                "proxy's address as --endpoint, all of them answer"
            )
        return _candidate(entry, endpoint, api_key_env, now, remark)

    kept = [one for one in entries if not isinstance(one, Mapping) or first.get(one.get("model_name")) is one]
    listing.take(kept, candidate, "the model list")
    return listing.import_()


def _candidate(
    entry: Mapping[str, Any], endpoint: str | None, api_key_env: str | None, today: date, remark: Callable[[str], None]
) -> dict[str, Any]:
    name, given, about = entry.get("model_name"), part(entry, "litellm_params"), part(entry, "model_info")
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise LeftOutError(f"{name!r} says no model in its litellm_params")
    if "*" in f"{name}{model}":
        raise LeftOutError(f"{name!r} is a pattern of names and no model")
    if about.get("mode", "chat") not in ("chat", "responses"):
        raise LeftOutError(f"{name!r} answers no chat: its mode is {about['mode']!r}")
    prices = {field: value for field, value in given.items() if field.endswith(("_per_token", "_per_second"))}
    row = names(name) | litellm.facts(str(name), {**about, **prices}, today, remark)
    row["max_tokens"] = whole(given.get("max_tokens"))
    row["timeout_seconds"] = whole(given.get("timeout"))
    if endpoint:
        return row | {"endpoint": endpoint, "api_key_env": api_key_env}
    address, served_as = _direct(model, given)
    if address is None:
        remark(
            Remark.NO_ENDPOINT.of(
                f"{model!r} is not known to answer over OpenAI's protocol; name the proxy's address with --endpoint"
            )
        )
    return row | {
        "endpoint": address,
        "served_as": served_as,
        "aliases": sorted({*row["aliases"], served_as} - {row["candidate"]}),
        "api_key_env": api_key_env or _key(given.get("api_key"), remark),
    }


def _direct(model: str, given: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return where a deployment answers, None where that is not known, and the model's name there."""
    provider, _, rest = model.partition("/")
    base = given.get("api_base") or given.get("base_url")
    if isinstance(base, str) and base.startswith("http"):
        return (base, rest) if provider in _SPEAK_OPENAI and rest else (None, rest or model)
    if base:
        # It stands in a variable of the proxy's environment.
        return None, rest or model
    return (_HOSTS.get(provider), rest) if rest else (_HOSTS["openai"] if model.startswith("gpt-") else None, model)


def _key(given: object, remark: Callable[[str], None]) -> str | None:
    if not isinstance(given, str) or given.lower() in ("", "none", "empty"):
        return None
    if not given.startswith(_FROM_ENVIRONMENT):
        remark("its key stands in the file and is not taken over; put it into a variable and name that as api_key_env")
        return None
    variable = given.removeprefix(_FROM_ENVIRONMENT)
    fault = fault_in_key_variable(variable)
    if fault is not None:
        remark(f"its api_key names a variable that is not taken over: {fault}")
    return variable if fault is None else None
