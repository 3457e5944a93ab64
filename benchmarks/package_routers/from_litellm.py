"""LiteLLM (litellm): its semantic and its complexity router, asked by the hook that every request goes through.

The semantic router has a route per candidate, whose utterances are the training prompts on which the candidate is the
best, of equal ones the best by training mean. Our vectors come in as an embedding model of a custom provider.
"""

import asyncio
import json
from pathlib import Path

import numpy as np
from task import Task


def semantic(task: Task, folder: Path) -> list[int]:  # noqa: ARG001
    """Return the column of the route that each test prompt matches; without a match it is the best single."""
    import litellm

    class Vectors(litellm.CustomLLM):
        def embedding(self, model: str, input: list, model_response: litellm.EmbeddingResponse, *_, **__):
            vectors = [task.vector(name).tolist() for name in input]
            model_response.model = model
            model_response.data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
            return model_response

        async def aembedding(self, *arguments, **named):
            return self.embedding(*arguments, **named)

    litellm.custom_provider_map = [{"provider": "ours", "custom_handler": Vectors()}]
    best = task.order[task.outcomes[:, task.order].argmax(axis=1)]
    routes = [
        {"name": task.names[column], "utterances": [f"train {row}" for row in np.flatnonzero(best == column)]}
        for column in np.unique(best)
    ]
    parameters = {
        "model": "auto_router/semantic",
        "auto_router_config": json.dumps({"routes": routes}),
        "auto_router_default_model": task.names[task.order[0]],
        "auto_router_embedding_model": "vectors",
    }
    answers = _routed(task.names, task.tests, parameters)
    return [task.names.index(answer.model) for answer in answers]


def complexity(task: Task, folder: Path) -> list[float]:  # noqa: ARG001
    """Return how complex its rules find each test prompt."""
    strong, weak = (task.names[column] for column in task.pair)
    tiers = {"SIMPLE": weak, "MEDIUM": weak, "COMPLEX": strong, "REASONING": strong}
    parameters = {"model": "auto_router/complexity_router", "complexity_router_config": {"tiers": tiers}}
    answers = _routed([strong, weak], task.prompts, parameters)
    return [answer.routing_decision["score"] for answer in answers]


def _routed(names: list[str], prompts: list[str], parameters: dict) -> list:
    import litellm

    deployments = [_deployment(name, {"model": "openai/none", "api_key": "none"}) for name in names]
    deployments += [_deployment("vectors", {"model": "ours/vectors"}), _deployment("router", parameters)]
    router = litellm.Router(model_list=deployments)

    async def answers() -> list:
        asked = [{"messages": [{"role": "user", "content": prompt}]} for prompt in prompts]
        return [await router.async_pre_routing_hook(model="router", request_kwargs={}, **request) for request in asked]

    return asyncio.run(answers())


def _deployment(name: str, parameters: dict) -> dict:
    return {"model_name": name, "litellm_params": parameters}


ALL = {"litellm semantic": semantic}
PAIR = {"litellm complexity": complexity}
