"""LLMRouter (llmrouter-lib): its routers and trainers, fed with tables in the format of its documentation.

The settings are those of the example configurations in its repository. Every classifier learns one label per prompt,
the candidate with the best score, and of equal ones the first in the table: so the order of the rows matters, and here
the best candidate by training mean comes first, except where it says "rows by name". It pickles its models, which stay
in the scratch folder.
"""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from task import Task

NEIGHBOURS = {
    "n_neighbors": 5,
    "weights": "uniform",
    "algorithm": "auto",
    "leaf_size": 30,
    "p": 2,
    "metric": "minkowski",
    "n_jobs": 1,
}
MACHINE = {"kernel": "rbf", "C": 1.0, "gamma": "scale", "probability": True}
NETWORK = {
    "hidden_layer_sizes": [128, 64],
    "activation": "relu",
    "lr": 0.001,
    "epochs": 100,
    "batch_size": 32,
    "alpha": 0.0001,
}
FACTORS = {"latent_dim": 128, "text_dim": 384, "lr": 0.001, "epochs": 5, "noise_alpha": 0.0}
HYBRID = {"hidden_layer_sizes": [128, 64], "activation": "relu", "solver": "adam", "max_iter": 300, "random_state": 0}


def routed(
    module: str, router: str, trainer: str, settings: dict, by_name: bool = False
) -> Callable[[Task, Path], list[int]]:
    """Return what trains one of its routers and asks it for a candidate per test prompt."""

    def run(task: Task, folder: Path) -> list[int]:
        columns = range(len(task.names)) if by_name else task.order.tolist()
        made = _trained(task, folder, (module, router, trainer), columns, {"hparam": settings})
        return [task.names.index(made.route_single({"query": name})["model_name"]) for name in task.tests]

    return run


def graph(task: Task, folder: Path) -> list[int]:
    """Train GraphRouter with the settings of its code; one by one, prompts would rebuild the graph each time."""
    parts = ("graphrouter", "GraphRouter", "GraphTrainer")
    made = _trained(task, folder, parts, task.order.tolist(), {"hparam": {}, "api_endpoint": "none"})
    import_module("llmrouter.models.graphrouter.router").call_api = lambda *_, **__: {}
    return [task.names.index(answer["model_name"]) for answer in made.route_batch([{"query": n} for n in task.tests])]


def hybrid(task: Task, folder: Path) -> list[float]:
    """Train Hybrid LLM on the pair, and return how little it trusts the weak candidate with each test prompt."""
    strong, weak = task.pair
    sizes = folder / "candidates.json"
    sizes.write_text(json.dumps({task.names[strong]: {"size": "2B"}, task.names[weak]: {"size": "1B"}}))
    extra = {"hparam": HYBRID, "router_mode": "probabilistic", "router_tau": 0.1, "router_threshold": 0.5}
    parts = ("hybrid_llm", "HybridLLMRouter", "HybridLLMTrainer")
    made = _trained(task, folder, parts, task.pair, extra, llm_data=str(sizes))
    return [1.0 - made.route_single({"query": name})["router_score"] for name in task.tests]


def _trained(
    task: Task, folder: Path, parts: tuple[str, str, str], columns: Sequence[int], extra: dict, **data: str
) -> Any:
    """Train a router on some of the candidates; `parts` are its module and the classes of router and trainer."""
    module, router, trainer = parts
    package = import_module(f"llmrouter.models.{module}")
    # Its own embedding is a model from a hub.
    import_module(f"{package.__name__}.router").get_longformer_embedding = lambda text: torch.from_numpy(
        task.vector(text)
    )
    torch.manual_seed(0)
    np.random.seed(0)
    made = getattr(package, router)(str(_configured(task, folder, columns, extra, data)))
    getattr(package, trainer)(made, device="cpu").train()
    return made


def _configured(task: Task, folder: Path, columns: Sequence[int], extra: dict, data: dict) -> Path:
    """Write the tables and the configuration that names them, and return the latter."""
    table, vectors, config = folder / "routing.jsonl", folder / "vectors.pt", folder / "config.yaml"
    with table.open("w", encoding="utf-8") as file:
        for row, scores in enumerate(task.outcomes.tolist()):
            for column in columns:
                known = {"query": f"train {row}", "embedding_id": row}
                file.write(json.dumps({**known, "model_name": task.names[column], "performance": scores[column]}))
                file.write("\n")
    torch.save(torch.from_numpy(task.train), vectors)
    model = str(folder / "model.pkl")
    settings = {
        "data_path": {"routing_data_train": str(table), "query_embedding_data": str(vectors), **data},
        "model_path": {"ini_model_path": "", "save_model_path": model, "load_model_path": model},
        **extra,
    }
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return config


ALL = {
    "llmrouter kNN": routed("knnrouter", "KNNRouter", "KNNRouterTrainer", NEIGHBOURS),
    "llmrouter kNN, rows by name": routed("knnrouter", "KNNRouter", "KNNRouterTrainer", NEIGHBOURS, by_name=True),
    "llmrouter MLP": routed("mlprouter", "MLPRouter", "MLPTrainer", NETWORK),
    "llmrouter SVM": routed("svmrouter", "SVMRouter", "SVMRouterTrainer", MACHINE),
    "llmrouter MF": routed("mfrouter", "MFRouter", "MFRouterTrainer", FACTORS),
    "llmrouter GraphRouter": graph,
    "llmrouter Elo": routed("elorouter", "EloRouter", "EloRouterTrainer", {}),
}
PAIR = {"llmrouter Hybrid LLM": hybrid}
