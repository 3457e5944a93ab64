"""The watch pipeline, for a recurring run: finds releases, onboards each, then trains where the policy says so.

Schedule it with `max_concurrency=1` and no catch-up. Two runs at once are harmless: the release ledger gives every
release and every retraining to one of them. A release whose run failed or was killed comes again after its lease.
"""

from typing import Dict, List  # noqa: UP035

from kfp import dsl

from components.find_releases import find_releases
from components.plan_retraining import plan_retraining
from components.settle_release import settle_release
from pipelines.onboard import onboard
from pipelines.resources import outside
from pipelines.retrain import retrain


@dsl.pipeline(name="watch")
def watch(
    catalogue: str = "s3://modelsat/catalogue",
    answer_results: str = "s3://modelsat/results",
    answer_store: str = "s3://modelsat/answers",
    ask_questions: int = 0,
    ask_rate: float = 0.0,
    ask_budget_usd: float = 0.0,
    ask_max_tokens: int = 0,
    ask_timeout_seconds: float = 0.0,
    ask_body: Dict = {},  # noqa: B006, UP006
    ask_reasoning_effort: str = "",
    ledger_store: str = "s3://modelsat/ledger",
    ledger_lease_seconds: float = 14400.0,
    ledger_most: int = 10,
    policy_newcomers: int = 5,
    policy_drift: float = 0.25,
    policy_regret: float = 0.05,
    policy_least_hours: float = 6.0,
    collect_kept: str = "",
    collect_shards: int = 1,
    train_recipe: str = "auto",
    register_model_name: str = "modelsat-router",
    register_bundle_store: str = "s3://modelsat/bundles",
    promote_champion_store: str = "s3://modelsat/champions",
    promote_inference_service: str = "",
    mlflow_tracking_uri: str = "http://mlflow:5000",
) -> None:
    """Onboard every release of the catalogue once, then train where enough has changed.

    Args:
        catalogue: Catalogue of candidates, a file or folder, here or in S3.
        answer_results: Folder or s3:// prefix with results by candidate; candidates without are asked.
        answer_store: Folder or s3:// prefix that keeps the answers of asked candidates.
        ask_questions: Only the first so many questions of the aptitude test; 0 asks all.
        ask_rate: Most requests per second to a candidate; 0 sets no limit.
        ask_budget_usd: What the tests of one run may cost in USD, all releases together; 0 sets no limit.
        ask_max_tokens: Longest answer in tokens, thoughts included; 0 takes the catalogue's.
        ask_timeout_seconds: How long one request may take, in seconds; 0 takes the catalogue's.
        ask_body: Fields of the request that replace others, as a JSON object; null leaves a field out.
        ask_reasoning_effort: Field reasoning_effort of the request; empty leaves it to the catalogue and the provider.
        ledger_store: Folder or s3:// prefix of the release ledger.
        ledger_lease_seconds: Longer than an onboarding or a training takes, in seconds.
        ledger_most: Releases in one run at most.
        policy_newcomers: So many releases since the last training call for the next.
        policy_drift: Share of prompts that changed hands since, in [0, 1], that calls for it.
        policy_regret: Accuracy that may be lost to newcomers, in [0, 1], that calls for it.
        policy_least_hours: No training sooner after the last one, in hours.
        collect_kept: Folder that keeps what a retraining's sources gave, so that unchanged ones are not read again;
            empty reads all.
        collect_shards: Tasks that read a retraining's sources side by side, each some of them.
        train_recipe: Training recipe.
        register_model_name: Name of the registered model in MLflow.
        register_bundle_store: Folder or s3:// prefix of router bundles.
        promote_champion_store: Folder or s3:// prefix of champion records, which endpoints follow.
        promote_inference_service: InferenceService whose traffic is shifted in stages; empty: endpoints follow the
            record alone.
        mlflow_tracking_uri: MLflow tracking server.
    """
    run_key = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    none: List = []  # noqa: UP006

    found = find_releases(
        catalogue=catalogue,
        results=answer_results,
        ledger=ledger_store,
        champion_store=promote_champion_store,
        lease_seconds=ledger_lease_seconds,
        most=ledger_most,
        questions=ask_questions,
        max_tokens=ask_max_tokens,
        body=ask_body,
        budget_usd=ask_budget_usd,
        run_key=run_key,
    ).set_display_name("Find releases")
    outside(found)

    with dsl.ParallelFor(found.outputs["Output"], parallelism=1, name="each release") as release:
        onboarded = onboard(
            candidate=release.candidate,
            action=release.action,
            catalogue=catalogue,
            answer_scores=release.scores,
            answer_store=answer_store,
            ask_questions=ask_questions,
            ask_rate=ask_rate,
            ask_budget_usd=release.budget_usd,
            ask_max_tokens=ask_max_tokens,
            ask_timeout_seconds=ask_timeout_seconds,
            ask_body=ask_body,
            ask_reasoning_effort=ask_reasoning_effort,
            register_model_name=register_model_name,
            register_bundle_store=register_bundle_store,
            promote_champion_store=promote_champion_store,
            promote_inference_service=promote_inference_service,
            mlflow_tracking_uri=mlflow_tracking_uri,
        ).set_display_name("Onboard")
        settled = settle_release(
            ledger=ledger_store,
            key=release.key,
            attempt=release.attempt,
            run_key=run_key,
            outcome="onboarded",
            scores=release.scores,
        )
        settled.after(onboarded).set_display_name("Settle release")
        outside(settled)

    planned = plan_retraining(
        ledger=ledger_store,
        champion_store=promote_champion_store,
        newcomers=policy_newcomers,
        drift=policy_drift,
        regret=policy_regret,
        least_hours=policy_least_hours,
        lease_seconds=ledger_lease_seconds,
        run_key=run_key,
    )
    # Releases that were refused must not keep the others from a training that is due.
    planned.after(settled).ignore_upstream_failure().set_display_name("Plan retraining")
    outside(planned)

    with dsl.If(planned.outputs["Output"] == True, name="training is called for"):  # noqa: E712
        trained = retrain(
            collect_sources=planned.outputs["sources"],
            collect_kept=collect_kept,
            collect_shards=collect_shards,
            train_recipe=train_recipe,
            register_model_name=register_model_name,
            register_bundle_store=register_bundle_store,
            promote_champion_store=promote_champion_store,
            promote_inference_service=promote_inference_service,
            mlflow_tracking_uri=mlflow_tracking_uri,
        ).set_display_name("Retrain")
        ended = settle_release(
            ledger=ledger_store,
            key=planned.outputs["key"],
            attempt=planned.outputs["attempt"],
            run_key=run_key,
            outcome="retrained",
            scores=none,
        )
        ended.after(trained).set_display_name("Settle retraining")
        outside(ended)
