"""Addresses of OpenAI-compatible chat endpoints as people write them: repaired where that is certain, else refused.

People paste what they find: the address of one call instead of the base, a version twice, Azure's deployment with its
`api-version`. The gateway's upstreams, the catalogue's endpoints and annotators all read addresses here.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from modelsat.errors import InputError

_EXAMPLE = "write one such as https://host/v1"
_COMPLETIONS = "/chat/completions"
_ONE_CALL = re.compile(r"(/v\d+(?:beta)?(?:/openai)?)/(?:chat|completions|embeddings|models|responses)$", re.IGNORECASE)
_VERSION_TWICE = re.compile(r"(/v\d+)\1+$", re.IGNORECASE)
_OTHER_PROTOCOLS = (
    (
        re.compile(r"/messages$"),
        "is that of a call of Anthropic's messages; write its base, such as https://api.anthropic.com/v1",
    ),
    (
        re.compile(r":(stream)?generatecontent$"),
        "is Google's own API; its OpenAI-compatible one is https://generativelanguage.googleapis.com/v1beta/openai",
    ),
    (
        re.compile(r"/v2/chat$"),
        "is Cohere's own API; its OpenAI-compatible one is https://api.cohere.ai/compatibility/v1",
    ),
    (re.compile(r"^/api/(chat|generate|tags)$"), "is Ollama's own API; its OpenAI-compatible one ends in /v1"),
)
_BASES = {
    "api.openai.com": "/v1",
    "api.anthropic.com": "/v1",
    "api.cerebras.ai": "/v1",
    "api.fireworks.ai": "/inference/v1",
    "api.groq.com": "/openai/v1",
    "api.mistral.ai": "/v1",
    "api.together.ai": "/v1",
    "api.together.xyz": "/v1",
    "api.x.ai": "/v1",
    "generativelanguage.googleapis.com": "/v1beta/openai",
    "integrate.api.nvidia.com": "/v1",
    "openrouter.ai": "/api/v1",
    "router.huggingface.co": "/v1",
}
"""Where providers answer, of which people write the host alone or a part of the path."""
_OLLAMA_PORT = 11_434
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_AZURE_VERSION = "api-version"
_PLACEHOLDER = re.compile(r"[{}<>]|\$\w")
_NEVER = re.compile(r"[\s\"'`\\|^,;]|[^\x20-\x7e\u00a1-\U0010ffff]")


@dataclass(frozen=True)
class ChatAddress:
    """Where chat completions are asked for.

    Attributes:
        base: `https://host/v1`, without `/chat/completions` and without a slash at its end.
        query: Azure's `api-version=...`, which every call carries; empty elsewhere.
        is_azure: Whether the key goes into Azure's header instead of a bearer token.
    """

    base: str
    query: str = ""
    is_azure: bool = False

    @property
    def completions(self) -> str:
        """Return the address that is called."""
        return self.call(_COMPLETIONS)

    def call(self, path: str, query: str = "") -> str:
        """Return the address of a call below the base.

        Args:
            path: Such as `/responses`.
            query: Of this call, such as `beta=true`; empty for none.
        """
        queries = "&".join(filter(None, (self.query, query)))
        return f"{self.base}{path}" + (f"?{queries}" if queries else "")

    @property
    def is_anthropic(self) -> bool:
        """Return whether Anthropic itself answers there, which reads a key from `x-api-key`."""
        return (urlsplit(self.base).hostname or "") == "api.anthropic.com"

    def login(self, key: str) -> dict[str, str]:
        """Return the header with a key; nothing for no key."""
        if not key:
            return {}
        return {"api-key": key} if self.is_azure else {"authorization": f"Bearer {key}"}


def read(url: object) -> ChatAddress:
    """Return the address that a text means.

    Repaired are one call's address instead of the base (`/v1/chat/completions`, `/v1/models`), a version that stands
    twice, double slashes, space around it, and the host alone of a provider that is known to answer below it.
    Everything that could be meant otherwise is refused.

    Raises:
        InputError: With the reason as the end of a sentence: "holds credentials; ..."; never with a part that may be a
            key.
    """
    if not isinstance(url, str) or not url.strip():
        raise InputError(f"is missing; {_EXAMPLE}")
    text = url.strip()
    _require_no_secret_or_placeholder(text)
    _require_scheme(text)
    host = _host(text)
    parts = urlsplit(text)
    path = _base_path(re.sub(r"/{2,}", "/", parts.path).rstrip("/"))
    path = _whole_path(path, host, parts.port)
    query = _azure_version(parts.query)
    is_azure = host.endswith(_AZURE)
    if is_azure and not path.endswith("/v1") and not query:
        raise InputError(
            "is an Azure resource or deployment without a version; add ?api-version=..., or write "
            "https://RESOURCE.openai.azure.com/openai/v1"
        )
    return ChatAddress(f"{parts.scheme}://{parts.netloc}{path}", query, is_azure and bool(query))


def _require_scheme(text: str) -> None:
    scheme, found, _ = text.partition("://")
    if not found:
        raise InputError(f"has no http:// or https:// in front; {_EXAMPLE}")
    if "://" in text.split("?")[0][len(scheme) + 3 :]:
        raise InputError(f"holds '://' twice; {_EXAMPLE}")
    if scheme.lower() not in ("http", "https"):
        raise InputError(f"begins with {scheme[:20]!r} and not with http:// or https://; {_EXAMPLE}")


def _require_no_secret_or_placeholder(text: str) -> None:
    if "@" in text.split("?")[0].split("#")[0]:
        raise InputError("holds credentials; give the key in the environment")
    if _PLACEHOLDER.search(text):
        raise InputError("holds a placeholder; put the real value there")
    if _NEVER.search(text):
        raise InputError(f"holds a space, a quote or another character that no address has; {_EXAMPLE}")
    if text.partition("#")[2]:
        raise InputError("has a part behind '#', which is never sent to a server; remove it")


def _host(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        # Labels that no name server knows (empty, longer than 63) raise here.
        host.encode("idna")
    except ValueError:
        raise InputError(f"has a host that no name server knows; {_EXAMPLE}") from None
    try:
        usable = parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        usable = False
    if not usable:
        raise InputError("has a port that is no number from 1 to 65535; correct it")
    if not host:
        raise InputError(f"names no host; {_EXAMPLE}")
    return host


def _base_path(path: str) -> str:
    """Return the path of the base, whatever call's address was written."""
    for own, reason in _OTHER_PROTOCOLS:
        if own.search(path.lower()):
            raise InputError(reason)
    while path.lower().endswith(_COMPLETIONS):
        path = path[: -len(_COMPLETIONS)]
    if _COMPLETIONS in path.lower():
        raise InputError(f"has {_COMPLETIONS} within its path; {_EXAMPLE}")
    return _VERSION_TWICE.sub(r"\1", _ONE_CALL.sub(r"\1", path))


def _whole_path(path: str, host: str, port: int | None) -> str:
    """Return the path with what is missing of it where the provider is known."""
    if port == _OLLAMA_PORT and path in ("", "/api"):
        return "/v1"
    base = _BASES.get(host, "")
    # A part of the base, such as /v1 of /api/v1, leads to a page of the provider and to no model.
    is_part = base.startswith(f"{path}/") or base.endswith(path)
    return base if is_part or (path == "/v1" and base) else path


def _azure_version(query: str) -> str:
    fields = parse_qsl(query, keep_blank_values=True)
    if query and [name.lower() for name, _ in fields] != [_AZURE_VERSION]:
        raise InputError(
            "has a query behind '?', which could hold a key and would end up in logs; remove it (only Azure's "
            "api-version may stand there) and give the key in the environment"
        )
    if fields and not re.fullmatch(r"[A-Za-z0-9.-]+", fields[0][1]):
        raise InputError("has an api-version that is none; write one such as 2024-10-21")
    return f"{_AZURE_VERSION}={fields[0][1]}" if fields else ""
