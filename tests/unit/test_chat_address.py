"""Addresses of chat endpoints as people write them are repaired, or refused with the true reason and without a key."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.errors import InputError
from modelsat.io.chat_address import read

AZURE = "https://acme.openai.azure.com"


@pytest.mark.parametrize(
    ("written", "called"),
    [
        ("https://host/v1", "https://host/v1/chat/completions"),
        ("https://host/v1/", "https://host/v1/chat/completions"),
        ("  https://host//v1// ", "https://host/v1/chat/completions"),
        ("HTTPS://host/v1", "https://host/v1/chat/completions"),
        ("https://host/v1#", "https://host/v1/chat/completions"),
        ("https://host/v1?", "https://host/v1/chat/completions"),
        ("https://host/v1/chat/completions", "https://host/v1/chat/completions"),
        ("https://host/v1/chat/completions/", "https://host/v1/chat/completions"),
        ("https://host/v1/Chat/Completions", "https://host/v1/chat/completions"),
        ("https://host/v1/chat/completions/chat/completions", "https://host/v1/chat/completions"),
        ("https://host/v1/v1", "https://host/v1/chat/completions"),
        ("https://host/v1/v1/chat/completions", "https://host/v1/chat/completions"),
        ("https://host/v1/chat", "https://host/v1/chat/completions"),
        ("https://host/v1/completions", "https://host/v1/chat/completions"),
        ("https://host/v1/models", "https://host/v1/chat/completions"),
        ("https://host/v1/embeddings/", "https://host/v1/chat/completions"),
        ("https://host/v1/responses", "https://host/v1/chat/completions"),
        ("https://host/chat/completions", "https://host/chat/completions"),
        ("https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
        ("https://openrouter.ai/", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://openrouter.ai/v1", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://openrouter.ai/api/", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://api.groq.com/v1/", "https://api.groq.com/openai/v1/chat/completions"),
        ("https://api.fireworks.ai", "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("http://localhost:11434/api", "http://localhost:11434/v1/chat/completions"),
        (
            "https://generativelanguage.googleapis.com/v1beta",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
        ("https://api.groq.com/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
        ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
        ("http://localhost:8000", "http://localhost:8000/chat/completions"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions"),
        (
            "https://acme.services.ai.azure.com/models?api-version=2024-05-01-preview",
            "https://acme.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
        (f"{AZURE}/openai/v1/", f"{AZURE}/openai/v1/chat/completions"),
        (
            f"{AZURE}/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
            f"{AZURE}/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        ),
        (
            f"{AZURE}/openai/deployments/gpt?api-version=2024-10-21",
            f"{AZURE}/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
    ],
)
def test_address_that_is_meant_is_called(written: str, called: str) -> None:
    assert read(written).completions == called


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (None, "is missing"),
        (7, "is missing"),
        ("  ", "is missing"),
        ("host", "has no http:// or https:// in front"),
        ("localhost:8000/v1", "has no http:// or https:// in front"),
        ("//host/v1", "has no http:// or https:// in front"),
        ("http:/host", "has no http:// or https:// in front"),
        ("ftp://host/v1", "begins with 'ftp'"),
        ("https://https://host/v1", "holds '://' twice"),
        ("http://", "names no host"),
        ("https:///v1", "names no host"),
        ("http://host:99999/v1", "has a port"),
        ("http://host:port/v1", "has a port"),
        ("http://host:0", "has a port"),
        ("http://host:/v1", "has a port"),
        ("http://a..b/v1", "has a host that no name server knows"),
        ("http://[/v1", "has a host"),
        ("https://me:sk-abc@host/v1", "holds credentials"),
        ("https://host/v1?key=sk-abc", "has a query behind"),
        ("https://host/v1?api-version=1&key=sk-abc", "has a query behind"),
        ("https://host/v1?api-version=", "has an api-version that is none"),
        ("https://host/#/v1", "has a part behind '#'"),
        ("https://host/v1 (prod)", "holds a space"),
        ('"https://host/v1"', "holds a space, a quote"),
        ("https://host\\v1", "holds a space, a quote"),
        ("https://${HOST}/v1", "holds a placeholder"),
        ("https://<resource>.openai.azure.com", "holds a placeholder"),
        ("https://host/v1/chat/completions/v1", "has /chat/completions within its path"),
        (f"{AZURE}/openai/deployments/gpt", "is an Azure resource or deployment without a version"),
        (AZURE, "is an Azure resource or deployment without a version"),
        ("https://api.anthropic.com/v1/messages", "is that of a call of Anthropic's messages"),
        ("https://generativelanguage.googleapis.com/v1beta/models/gemini:generateContent", "is Google's own API"),
        ("https://api.cohere.com/v2/chat", "is Cohere's own API"),
        ("http://localhost:11434/api/chat", "is Ollama's own API"),
    ],
)
def test_address_that_cannot_be_meant_is_refused_with_the_reason(written: object, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        read(written)

    assert str(refused.value).startswith(reason)
    assert "sk-abc" not in str(refused.value)


def test_azures_deployment_gets_its_own_header() -> None:
    deployment = read(f"{AZURE}/openai/deployments/gpt?api-version=2024-10-21")

    assert deployment.login("k") == {"api-key": "k"}
    assert read(f"{AZURE}/openai/v1").login("k") == {"authorization": "Bearer k"}
    assert read("https://host/v1").login("k") == {"authorization": "Bearer k"}
    assert read("https://host/v1").login("") == {}


_PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "host",
        "a.b",
        ":8000",
        ":",
        "/v1",
        "/",
        "/chat/completions",
        "?",
        "#",
        "@",
        "key=1",
        "/models",
        "api-version=1",
        "[::1]",
        "ü",
        "%41",
        ".",
        "",
    ]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_what_is_read_can_be_sent_to_and_reads_as_itself(written: str) -> None:
    try:
        address = read(written)
    except InputError:
        return
    called = httpx.URL(address.completions)
    assert called.host
    assert not called.userinfo
    assert not called.fragment
    assert called.path.endswith("/chat/completions")
    assert read(address.completions) == address
