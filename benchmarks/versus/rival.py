"""A router built in an afternoon: kNN over known outcomes, a price rule, and LiteLLM's Router for the calls.

    python rival.py CONFIG PORT

It knows nothing of modelsat. CONFIG is JSON: `models` (per name `base_url` and `price`, USD per million tokens),
`outcomes` (a JSON file: per prompt the score of each model that was run), `vectors` (NPZ with `texts` and `vectors`
computed earlier), `encoder` (folder of all-MiniLM-L6-v2), `feedback` (file that answers' ratings are appended to) and
`timeout` in seconds. Changes of CONFIG and of the outcomes are taken over while it runs.
"""

import asyncio
import contextlib
import json
import sys
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

NEIGHBOURS = (10, 20, 40, 80)
PRICE_WEIGHTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
TOKENS_OUT = 200


class Encoder:
    """MiniLM, the mean over tokens, as sentence-transformers does it."""

    def __init__(self, folder: str) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(1)
        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def encode(self, texts: list[str]) -> np.ndarray:
        """Return unit vectors."""
        rows = []
        for start in range(0, len(texts), 32):
            batch = self.tokenizer(
                texts[start : start + 32], padding=True, truncation=True, max_length=256, return_tensors="pt"
            )
            with self.torch.inference_mode():
                states = self.model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].float()
            mean = (states * mask).sum(1) / mask.sum(1)
            rows.append(self.torch.nn.functional.normalize(mean, dim=1).numpy())
        return np.concatenate(rows)


class Table:
    """The known outcomes, and what suits them: the number of neighbours and the weight of the price."""

    def __init__(self, outcomes: dict, models: dict, vectors: np.ndarray) -> None:
        self.models = list(models)
        self.vectors = vectors
        self.scores = np.asarray([[row.get(name, np.nan) for name in self.models] for row in outcomes.values()], float)
        if not ((self.scores >= 0) & (self.scores <= 1) | np.isnan(self.scores)).all():
            raise ValueError("scores outside [0, 1]")
        self.prices = np.asarray([models[name]["price"] for name in self.models], float)
        self.tokens = np.asarray([len(text) / 4 + TOKENS_OUT for text in outcomes])
        near = self._order(vectors @ vectors.T - 2 * np.eye(len(vectors)))
        left_out = {k: self._means(near, k) for k in NEIGHBOURS}
        self.k = min(NEIGHBOURS, key=lambda k: np.nanmean((left_out[k] - self.scores) ** 2))
        self.weight = self._price_weight(left_out[self.k])

    def _order(self, similarity: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return for each model the known rows nearest to each prompt, nearest first, and the scores of all rows."""
        found = []
        for column in self.scores.T:
            known = np.flatnonzero(~np.isnan(column))
            few = min(NEIGHBOURS[-1], len(known))
            close = similarity[:, known]
            rows = np.argpartition(-close, few - 1, axis=1)[:, :few]
            rows = np.take_along_axis(rows, np.argsort(-np.take_along_axis(close, rows, 1), axis=1), 1)
            found.append((known[rows], column))
        return found

    def _means(self, near: list[tuple[np.ndarray, np.ndarray]], k: int) -> np.ndarray:
        return np.column_stack([column[rows[:, :k]].mean(axis=1) for rows, column in near])

    def _price_weight(self, predicted: np.ndarray) -> float:
        """Return the largest weight at which the choices are, prompt left out, no worse than the best single model."""
        best = np.nanmean(self.scores, axis=0).max()
        good = [0.0]
        for weight in PRICE_WEIGHTS:
            chosen = (predicted - weight * self.prices / self.prices.max()).argmax(axis=1)
            if np.nanmean(self.scores[np.arange(len(chosen)), chosen]) >= best:
                good.append(weight)
        return max(good)

    def rank(self, vector: np.ndarray) -> list[str]:
        """Return the models, best first."""
        predicted = self._means(self._order((self.vectors @ vector)[None]), self.k)[0]
        return [self.models[i] for i in np.argsort(-(predicted - self.weight * self.prices / self.prices.max()))]


class Service:
    """What is served now; a broken file leaves what was served before."""

    def __init__(self, path: Path) -> None:
        self.path, self.seen = path, ""
        config = json.loads(path.read_text())
        self.encoder = Encoder(config["encoder"])
        kept = np.load(config["vectors"])
        self.known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))
        self.load()

    def load(self) -> None:
        """Take over what has changed."""
        from litellm import Router

        written = self.path.stat().st_mtime_ns
        config = json.loads(self.path.read_text())
        file = Path(config["outcomes"])
        version = f"{written}-{file.stat().st_mtime_ns}"
        if version == self.seen:
            return
        outcomes = json.loads(file.read_text())
        new = [text for text in outcomes if text not in self.known]
        if new:
            self.known.update(zip(new, self.encoder.encode(new), strict=True))
        models = config["models"]
        table = Table(outcomes, models, np.stack([self.known[text] for text in outcomes]))
        calls = [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"openai/{name}",
                    "api_base": row["base_url"],
                    "api_key": "none",
                    "timeout": config["timeout"],
                },
            }
            for name, row in models.items()
        ]
        router = Router(model_list=calls, num_retries=1, retry_after=0, allowed_fails=3, cooldown_time=30)
        self.table, self.router, self.feedback, self.seen = table, router, config["feedback"], version
        print(f"serving {version}: k {table.k}, price weight {table.weight}", flush=True)

    def watch(self) -> None:
        """Look for changes, forever."""
        while True:
            time.sleep(0.5)
            try:
                self.load()
            except Exception as error:
                print(f"kept what was served: {error!r}", flush=True)


def application(service: Service) -> FastAPI:
    app = FastAPI()

    @app.get("/healthz")
    def health() -> dict:
        return {"version": service.seen}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> JSONResponse:
        body = await request.json()
        text = next(one["content"] for one in reversed(body["messages"]) if one["role"] == "user")
        vector = (await asyncio.to_thread(service.encoder.encode, [text]))[0]
        order = service.table.rank(vector)
        asked = {name: value for name, value in body.items() if name != "model"}
        try:
            answer = await service.router.acompletion(model=order[0], fallbacks=order[1:3], **asked)
        except Exception as error:
            return JSONResponse({"error": {"message": str(error)[:500]}}, getattr(error, "status_code", None) or 502)
        return JSONResponse(answer.model_dump(), headers={"x-request-id": uuid.uuid4().hex})

    @app.post("/feedback")
    async def rate(request: Request) -> dict:
        rated = await request.json()
        row = {"prompt": str(rated["prompt"]), "model": str(rated["model"]), "score": float(rated["score"])}
        with contextlib.suppress(OSError), Path(service.feedback).open("a") as file:
            file.write(json.dumps(row) + "\n")
        return {}

    return app


def main() -> None:
    service = Service(Path(sys.argv[1]))
    threading.Thread(target=service.watch, daemon=True).start()
    uvicorn.run(application(service), port=int(sys.argv[2]), log_level="warning")


if __name__ == "__main__":
    main()
