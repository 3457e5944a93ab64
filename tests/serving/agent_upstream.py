"""An upstream that speaks Anthropic's messages and OpenAI's responses: whole, as streams, with a tool to call."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

USED = {"input_tokens": 12, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 7}
"""Of every message: 20 tokens of prompt, 5 of them from the cache."""
TOLD = {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 5}, "output_tokens": 7, "total_tokens": 27,
        "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
INPUTS = {"weather": {"place": "Bern"}, "Bash": {"command": "echo Bern"}, "exec_command": {"cmd": "echo Bern"}}
"""What a tool is called with, by its name: that of the tests, of Claude Code and of Codex."""
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@dataclass
class AgentUpstream:
    """What it was asked, and for which of its models it fails.

    Attributes:
        calls: Path with query, headers and body of each call.
        faults: By model: a status, `stream` for an error at the start of one.
    """

    calls: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)

    def app(self) -> FastAPI:
        app = FastAPI()
        for path in ("messages", "messages/count_tokens", "responses", "chat/completions"):
            app.add_api_route(f"/v1/{path}", self.answer, methods=["POST"], response_model=None)
        return app

    @property
    def models(self) -> list[str]:
        return [body["model"] for _, _, body in self.calls]

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.calls.append((path, dict(request.headers), body))
        fault = self.faults.get(body["model"], "")
        if fault.isdigit():
            return JSONResponse(OVERLOADED, int(fault))
        if request.url.path.endswith("/count_tokens"):
            return JSONResponse({"input_tokens": 20})
        if request.url.path.endswith("/completions"):
            return JSONResponse({"choices": [{"message": {"role": "assistant", "content": "Ja"}}]})
        speak = message_events if "/messages" in request.url.path else response_events
        events = failing(speak) if fault == "stream" else speak(body)
        if body.get("stream"):
            return StreamingResponse(paced(events), media_type="text/event-stream")
        # Spaces that no second serialisation would keep.
        return Response(json.dumps(whole(events), indent=3) + "\n", media_type="application/json")


def tool_of(body: Mapping[str, Any]) -> str:
    """Return the tool that an answer calls: one that is known here, until there is a result of it; empty for none."""
    said = json.dumps(body.get("messages") or body.get("input"))
    if '"tool_result"' in said or '"function_call_output"' in said:
        return ""
    return next((tool["name"] for tool in body.get("tools", ()) if tool.get("name") in INPUTS), "")


def message_events(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [],
             "stop_reason": None, "stop_sequence": None, "usage": USED | {"output_tokens": 1}}  # fmt: skip
    tool = tool_of(body)
    if tool:
        block = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in halves(tool)]
        reason = "tool_use"
    else:
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in ("Grüße", " aus Bern")]
        reason = "end_turn"
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]


def response_events(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    shell = {"id": f"resp_{body['model']}", "object": "response", "created_at": 1, "status": "in_progress",
             "model": body["model"], "output": [], "parallel_tool_calls": True, "tool_choice": "auto",
             "tools": [], "error": None, "usage": None}  # fmt: skip
    tool = tool_of(body)
    if tool:
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": tool,
                "arguments": json.dumps(INPUTS[tool]), "status": "completed"}  # fmt: skip
        kind, key, deltas = "response.function_call_arguments.delta", {}, halves(tool)
    else:
        text = {"type": "output_text", "text": "Grüße aus Bern", "annotations": []}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
        kind, key, deltas = "response.output_text.delta", {"content_index": 0, "logprobs": []}, ["Grüße", " aus Bern"]
    done = shell | {"status": "completed", "output": [item], "usage": TOLD}
    # A client fills an item from its deltas.
    empty = item | ({"arguments": ""} if "arguments" in item else {"content": []})
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": shell},
        {"type": "response.in_progress", "response": shell},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
    ]
    if "content" in item:
        part = {"type": "output_text", "text": "", "annotations": []}
        events.append({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0, "content_index": 0,
                       "part": part})  # fmt: skip
    events += [{"type": kind, "item_id": item["id"], "output_index": 0, "delta": delta, **key} for delta in deltas]
    events += [{"type": "response.output_item.done", "output_index": 0, "item": item}]
    events += [{"type": "response.completed", "response": done}]
    return [event | {"sequence_number": number} for number, event in enumerate(events)]


def halves(tool: str) -> list[str]:
    said = json.dumps(INPUTS[tool])
    return [said[:9], said[9:]]


def failing(speak: Any) -> list[dict[str, Any]]:
    return [OVERLOADED] if speak is message_events else [
        {"type": "response.created", "response": {"id": "resp_0", "status": "in_progress", "output": []}},
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error"}}},
    ]  # fmt: skip


def whole(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the body that an answer without a stream has."""
    if events[-1]["type"] == "message_stop":
        block = events[1]["content_block"]
        said = "".join(event["delta"].get("text", event["delta"].get("partial_json", "")) for event in events[2:4])
        block |= {"text": said} if block["type"] == "text" else {"input": json.loads(said)}
        return events[0]["message"] | {
            "content": [block],
            "usage": USED,
            "stop_reason": events[-2]["delta"]["stop_reason"],
        }
    return events[-1].get("response", events[-1])


def encoded(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata:  {json.dumps(event)}\n\n".encode()


async def paced(events: list[dict[str, Any]]) -> AsyncIterator[bytes]:
    for event in events:
        yield encoded(event)
        await asyncio.sleep(0.005)
