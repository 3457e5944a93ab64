"""The whole loop on one machine: services up, pipeline run, endpoint asked, result shown."""

import contextlib
import json
import os
import shlex
import sys
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelsat.bundle import champions
from modelsat.data import sample
from modelsat.errors import ModelsatError, ServiceError
from modelsat.evaluation import printed
from modelsat.io import storage
from pipelines import local, services

_QUESTION = "A train travels 180 km in 2.5 hours. What is its average speed in km/h?"
_SWAP_SECONDS = 120


def run(folder: Path, scores: list[str], recipe: str, ranks: int) -> dict[str, Any]:
    """Take benchmark results through the pipeline to a live endpoint and print what came of it.

    Args:
        folder: Where everything is kept: services, runs, bundles, champion records, pages.
        scores: Sources; empty takes the synthetic sample.
        recipe: Training recipe.
        ranks: Training processes.

    Returns:
        What came of it, for programs: champion, evaluation, addresses and seconds.

    Raises:
        ModelsatError: A step failed; the endpoint keeps serving what it served.
    """
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    sources = [source if source.startswith("s3://") else str(Path(source).resolve()) for source in scores]
    if not sources:
        sample.write(folder / "sample")
        sources = [str(folder / "sample")]
        say("No SCORES given: using the sample, synthetic questions answered by simulated candidates.\n")
    for source in sources:
        storage.count(source)
    mlflow = timed("Start MLflow", lambda: services.mlflow(folder))
    endpoint = timed("Start endpoint", lambda: services.endpoint(folder))
    try:
        tasks = local.run(folder, arguments(folder, sources, recipe, ranks, mlflow.url))
    except ModelsatError:
        say(f"\nPages of the steps so far: {folder / 'pages'}")
        raise
    champion = champions.current(str(folder / "champions"))
    if champion is None:
        raise ServiceError(f"the pipeline ended without a champion; see {str(folder / 'logs')!r}")
    timed("Endpoint serves the champion", lambda: await_champion(endpoint.url, champion.bundle_digest))
    result = json.loads(local.output(tasks, "evaluate-router", "result").read_text(encoding="utf-8"))
    say(f"\n{printed.result(result)}")
    say(f"\nEvaluation page  {folder / 'pages' / 'evaluated.html'}")
    say(f"MLflow           {mlflow.url}  (model {champion.model}, epoch {champion.epoch})")
    say(f"Endpoint         {endpoint.url}/v2/models/router/infer\n")
    _ask(endpoint.url)
    seconds = time.monotonic() - began
    say(f"\nDone in {seconds:.0f} s. Next: {next_steps(folder)}.")
    return {
        "champion": asdict(champion),
        "evaluation": result,
        "page": str(folder / "pages" / "evaluated.html"),
        "mlflow": mlflow.url,
        "endpoint": f"{endpoint.url}/v2/models/router/infer",
        "seconds": round(seconds, 1),
    }


def arguments(folder: Path, sources: list[str], recipe: str, ranks: int, tracking_uri: str) -> dict[str, Any]:
    """Return the parameters of a run that keeps everything below `folder`."""
    return {
        "collect_sources": sources,
        "collect_kept": str(folder / "kept"),
        "train_recipe": recipe,
        "train_ranks": ranks,
        "train_work_root": str(folder / "work"),
        "register_bundle_store": str(folder / "bundles"),
        "promote_champion_store": str(folder / "champions"),
        "mlflow_tracking_uri": tracking_uri,
    }


def next_steps(folder: Path) -> str:
    """Return the commands that ask the router and stop what runs; they name a folder other than the default.

    Args:
        folder: Folder of the run, absolute.
    """
    command = os.path.relpath(Path(sys.executable).with_name("modelsat"))
    if folder == Path(".run").resolve():
        return f'{command} route "your question", make stop'
    there = f"--folder {shlex.quote(os.path.relpath(folder))}"
    return f'{command} route {there} "your question", {command} stop {there}'


def await_champion(url: str, digest: str) -> None:
    """Wait until the endpoint serves the bundle with that digest.

    Raises:
        ServiceError: It does not in good time.
    """
    deadline = time.monotonic() + _SWAP_SECONDS
    seen = "nothing"
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError):
            seen = infer(url, _QUESTION)["parameters"]["router_version"]
            if digest.startswith(seen):
                return
        time.sleep(0.3)
    raise ServiceError(
        f"the endpoint at {url} did not serve champion {digest[:12]} in {_SWAP_SECONDS} s, last it served {seen}"
    )


def infer(url: str, prompt: str) -> dict[str, Any]:
    """Ask the endpoint which candidate a prompt goes to."""
    request = urllib.request.Request(  # noqa: S310
        f"{url}/v2/models/router/infer", _body(prompt).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        decoded: dict[str, Any] = json.load(answer)
    return decoded


def _body(prompt: str) -> str:
    return json.dumps({"inputs": [{"name": "prompt", "shape": [1], "datatype": "BYTES", "data": [prompt]}]})


def _ask(url: str) -> None:
    say(f"$ curl -s {url}/v2/models/router/infer -H 'content-type: application/json' \\\n    -d '{_body(_QUESTION)}'")
    answer = infer(url, _QUESTION)
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    top = list(zip(outputs["candidates"], outputs["success_probability"], strict=True))[:3]
    shown = ", ".join(f"{name} {probability:.3f}" for name, probability in top)
    say(f"→ model: {outputs['model'][0]}   (router {answer['parameters']['router_version']}; {shown}, ...)")


def timed(name: str, work: Any) -> Any:
    """Do some work and print its line with the seconds."""
    began = time.monotonic()
    value = work()
    say(f"{name:<34} {'done':<7} {time.monotonic() - began:6.1f} s")
    return value


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
