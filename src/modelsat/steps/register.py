"""Registers what the gate decided to serve: evaluation and model in MLflow, the bundle in the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from modelsat.bundle import bundle
from modelsat.evaluation.table import BEST_SINGLE
from modelsat.evaluation.verdict import GateOutcome
from modelsat.io import mlflow_registry
from modelsat.steps import model_card, provenance
from modelsat.steps.model_card import CardFacts

_TAG_CHARACTERS = 5000
"""Longest value that MLflow takes everywhere."""


@dataclass(frozen=True)
class Files:
    """What the steps before left: two bundle folders, the verdict page, the decisions and the result."""

    router: Path
    fallback: Path
    report: Path
    decisions: Path
    result: Path


@dataclass(frozen=True)
class RegistrationTarget:
    """Where it goes: MLflow server, experiment, model name, and the store of bundles."""

    tracking_uri: str
    experiment: str
    model_name: str
    bundle_store: str


@dataclass(frozen=True)
class Registered:
    """What was registered: version in MLflow, place and digest of the bundle, and a Markdown page with links."""

    version: str
    bundle_uri: str
    bundle_digest: str
    page: str


def register(files: Files, verdict: str, where: RegistrationTarget, run_key: str) -> Registered:
    """Register the router that the verdict serves; a second call with the same run key finds the first one's work.

    Args:
        files: What the steps before left.
        verdict: The gate's outcome.
        where: Where it goes.
        run_key: Id of the pipeline run.
    """
    folder = files.fallback if verdict == GateOutcome.DO_NOT_ROUTE else files.router
    result = json.loads(files.result.read_text(encoding="utf-8"))
    sentence = result["verdict"]["sentence"]
    made = bundle.read(folder, with_router=False)
    uri = bundle.publish(folder, where.bundle_store)
    run = mlflow_registry.MlflowRun(where.tracking_uri, where.experiment, run_key)
    with run.ends_on_failure():
        run.log(
            metrics=result["metrics"],
            tags={
                "verdict": verdict,
                "mlflow.note.content": sentence,
                "modelsat.bundle_digest": made.digest,
                "modelsat.data_digest": made.lineage["data_digest"],
                **provenance.tags(made.lineage["sources"]),
                **_warning_tag(result),
                **_pool_tags(result),
            },
        )
        run.log_as(files.report, "evaluation/evaluated.html")
        run.log_as(files.result, "evaluation/result.json")
        run.log_table(pq.read_table(files.decisions).to_pydict(), "routing_decisions.json")
        tags = {
            "verdict": verdict,
            "bundle_digest": made.digest,
            "bundle_uri": uri,
            "data_digest": made.lineage["data_digest"],
            # Whoever asks what a version changed finds parent, candidate, test and answers without opening it.
            **{f"onboarding_{name}": value for name, value in made.lineage.get("onboarding", {}).items()},
        }
        # The result of an onboarding has no table, and so no line of figures.
        served = BEST_SINGLE if verdict == GateOutcome.DO_NOT_ROUTE else result.get("challenger", "")
        card = model_card.markdown(made, CardFacts(bundle.kind(folder), uri, where.model_name, served), result)
        version = run.register(folder, where.model_name, card, tags, bundle.needed_extra(folder))
        run.finish()
    link = f"{where.tracking_uri.rstrip('/')}/#/models/{where.model_name}/versions/{version}"
    page = (
        f"**{where.model_name} version {version}** ({verdict})\n\n{sentence}\n\n- [MLflow]({link})\n- bundle `{uri}`\n"
    )
    return Registered(version, uri, made.digest, page)


def _warning_tag(result: Mapping[str, Any]) -> dict[str, str]:
    warning = result["verdict"].get("warning", "")
    return {"modelsat.warning": warning[:_TAG_CHARACTERS]} if warning else {}


def _pool_tags(result: Mapping[str, Any]) -> dict[str, str]:
    """Return shares of the served candidates and the withheld ones as tags, the first few hundred of each."""
    shares = result.get("served", {}).get("shares", {})
    told = {
        "modelsat.served_shares": [f"{name} {share:.4f}" for name, share in shares.items()],
        "modelsat.withheld": [f"{name}: {reason}" for name, reason in result.get("withheld", {}).items()],
    }
    return {name: _fitting(entries) for name, entries in told.items() if entries}


def _fitting(entries: list[str]) -> str:
    """Join entries as far as a tag of MLflow holds them."""
    kept = list(accumulate(entries, lambda text, entry: f"{text}; {entry}"))
    return next(text for text in reversed(kept) if len(text) <= _TAG_CHARACTERS or text is kept[0])[:_TAG_CHARACTERS]
