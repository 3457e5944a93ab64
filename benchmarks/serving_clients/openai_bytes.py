"""The `openai` package asks an upstream directly and through the gateway; prints what came back, as JSON.

Run by an environment that has the package; it knows nothing of ours:

    python openai_bytes.py DIRECT_URL MODEL GATEWAY_URL < BODY
"""

import importlib.metadata
import json
import sys
from typing import Any

from openai import OpenAI


def asked(url: str, body: dict[str, Any], model: str) -> dict[str, Any]:
    """Return bytes, as Latin-1, and texts of a whole answer and of a streamed one."""
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    create = client.chat.completions.create
    raw = client.chat.completions.with_streaming_response.create
    found: dict[str, Any] = {}
    for stream in (False, True):
        with raw(**body, model=model, stream=stream) as response:
            kept = b"".join(response.iter_bytes())
            found[f"bytes, stream {stream}"] = kept.decode("latin-1")
            found[f"who answered, stream {stream}"] = response.headers.get("x-modelsat-selected-model")
    found["text"] = create(**body, model=model).choices[0].message.content
    parts = [chunk.choices[0].delta.content for chunk in create(**body, model=model, stream=True)]
    found["streamed text"] = "".join(part or "" for part in parts)
    return found


def main() -> None:
    direct, model, gateway = sys.argv[1:]
    body = json.load(sys.stdin)
    found = {
        "version": importlib.metadata.version("openai"),
        "direct": asked(direct, body, model),
        "named": asked(gateway, body, model),
        "auto": asked(gateway, body, "auto"),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
