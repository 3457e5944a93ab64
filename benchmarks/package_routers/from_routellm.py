"""RouteLLM (routellm): matrix factorisation and similarity-weighted ranking, trained on battles of the pair.

Its estimators know models by the ids of 64 arena models; the two of its paper stand for the pair. A prompt is a battle,
which is a draw where both score the same. Settings are those of its training script and of its default configuration.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from task import Task

STRONG, WEAK = "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"
WIDTH, EPOCHS, BATCH, RATE, DECAY, NOISE = 128, 100, 64, 3e-4, 1e-5, 0.1
# Its layers have other names in training than in routing.
SERVED = {"text_proj.weight": "text_proj.0.weight", "classifier.weight": "classifier.0.weight"}


def matrix_factorization(task: Task, folder: Path) -> list[float]:
    """Train on the battles that one side won, as its script does, and return the win rates of the strong candidate."""
    import torch
    from routellm.routers.matrix_factorization import model as models
    from routellm.routers.matrix_factorization import train_matrix_factorization as script
    from routellm.routers.routers import MatrixFactorizationRouter

    np.save(folder / "vectors.npy", task.train)
    battles = [
        {"model_a": STRONG, "model_b": WEAK, "idx": row, "winner": "model_a" if gap > 0 else "model_b"}
        for row, gap in enumerate(_gaps(task).tolist())
        if gap
    ]
    torch.manual_seed(42)
    network = script.MFModel_Train(
        WIDTH, len(models.MODEL_IDS), len(task.train), text_dim=task.train.shape[1], npy_path=folder / "vectors.npy"
    )
    dataset = script.PairwiseDataset(battles)
    loaders = dataset.get_dataloaders(BATCH), dataset.get_dataloaders(1024, shuffle=False)
    script.train_loops(network, *loaders, lr=RATE, weight_decay=DECAY, alpha=NOISE, num_epochs=EPOCHS, device="cpu")
    shape = {"text_dim": task.train.shape[1], "num_classes": 1, "use_proj": True}
    served = models.MFModel(dim=WIDTH, num_models=len(models.MODEL_IDS), **shape)
    trained = {name: value for name, value in network.state_dict().items() if name != "Q.weight"}
    served.load_state_dict({SERVED.get(name, name): value for name, value in trained.items()})
    served.save_pretrained(folder / "checkpoint")
    models.OPENAI_CLIENT = _client(task)
    router = MatrixFactorizationRouter(str(folder / "checkpoint"), STRONG, WEAK, WIDTH, **shape)
    return [router.calculate_strong_win_rate(name) for name in task.tests]


def similarity_ranking(task: Task, folder: Path) -> list[float]:
    """Rank anew for every prompt, with battles weighted by similarity, and return the strong candidate's win rates."""
    from routellm.routers import routers

    battles, vectors = folder / "battles", folder / "vectors"
    for part in (battles, vectors):
        part.mkdir()
    with (battles / "train.jsonl").open("w", encoding="utf-8") as file:
        for row, gap in enumerate(_gaps(task).tolist()):
            # It leaves out prompts of fewer than 16 characters.
            known = {"prompt": json.dumps([f"training prompt {row}"]), "model_a": STRONG, "model_b": WEAK}
            file.write(json.dumps({**known, "winner_model_a": int(gap > 0), "winner_model_b": int(gap < 0)}) + "\n")
    with (vectors / "train.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"embeddings": vector}) + "\n" for vector in task.train.tolist())
    routers.OPENAI_CLIENT = _client(task)
    router = routers.SWRankingRouter([str(battles)], [str(vectors)], STRONG, WEAK)
    return [float(router.calculate_strong_win_rate(name)) for name in task.tests]


def _gaps(task: Task) -> np.ndarray:
    strong, weak = task.pair
    return task.outcomes[:, strong] - task.outcomes[:, weak]


def _client(task: Task) -> SimpleNamespace:
    """Return what stands in for the client that would ask an endpoint for vectors."""

    def create(input: list[str], model: str) -> SimpleNamespace:  # noqa: ARG001
        return SimpleNamespace(data=[SimpleNamespace(embedding=task.vector(name).tolist()) for name in input])

    return SimpleNamespace(embeddings=SimpleNamespace(create=create))


PAIR = {"routellm mf": matrix_factorization, "routellm sw_ranking": similarity_ranking}
