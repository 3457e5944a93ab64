"""The onboard pipeline: from a candidate's answers to a promoted router that knows it, without training.

`modelsat compile` writes `pipelines/compiled/onboard.yaml`; `modelsat onboard` runs the same definition on one machine.
"""

from typing import Dict, List  # noqa: UP035

from kfp import dsl

from components.admit_candidate import admit_candidate
from components.halt import halt
from components.place_order import place_order
from components.promote_router import promote_router
from components.register_router import register_router
from components.shadow_router import shadow_router
from components.take_answers import take_answers
from components.validate_answers import validate_answers
from pipelines.resources import outside, with_candidate_keys, with_work_volume

INVALID = 3


@dsl.pipeline(name="onboard")
def onboard(
    candidate: str,
    action: str = "add",
    catalogue: str = "",
    answer_scores: List = [],  # noqa: B006, UP006
    answer_zoo: List = [],  # noqa: B006, UP006
    answer_store: str = "s3://modelsat/answers",
    ask_endpoint: str = "",
    ask_questions: int = 0,
    ask_concurrency: int = 8,
    ask_rate: float = 0.0,
    ask_budget_usd: float = 0.0,
    ask_adaptive: bool = False,
    ask_max_tokens: int = 0,
    ask_timeout_seconds: float = 0.0,
    ask_body: Dict = {},  # noqa: B006, UP006
    ask_reasoning_effort: str = "",
    ask_work_root: str = "/mnt/modelsat/work",
    validate_trusted: bool = False,
    gate_max_loss: float = 0.05,
    register_model_name: str = "modelsat-router",
    register_experiment: str = "modelsat",
    register_bundle_store: str = "s3://modelsat/bundles",
    promote_champion_store: str = "s3://modelsat/champions",
    promote_inference_service: str = "",
    mlflow_tracking_uri: str = "http://mlflow:5000",
) -> None:
    """Test a candidate, validate its answers, add it to the champion, and promote the result.

    Args:
        candidate: Name of the candidate, or an alias of it in the catalogue.
        action: add, remove or reprice.
        catalogue: Catalogue of candidates, a file or folder, here or in S3; empty for none.
        answer_scores: Folders or s3:// prefixes with the candidate's results, as a JSON list; empty asks its endpoint.
        answer_zoo: Results behind the champion, to compare on held-out prompts; empty takes what its lineage names.
        answer_store: Folder or s3:// prefix that keeps the answers of asked candidates.
        ask_endpoint: OpenAI-compatible address of the candidate; empty takes the catalogue's.
        ask_questions: Only the first so many questions of the aptitude test; 0 asks all.
        ask_concurrency: Most requests in flight.
        ask_rate: Most requests per second; 0 sets no limit.
        ask_budget_usd: What the test may cost in USD; 0 sets no limit.
        ask_adaptive: Whether to choose questions by what they tell and to stop when choices are settled.
        ask_max_tokens: Longest answer in tokens, thoughts included; 0 takes the catalogue's.
        ask_timeout_seconds: How long one request may take, in seconds; 0 takes the catalogue's.
        ask_body: Fields of the request that replace others, as a JSON object; null leaves a field out.
        ask_reasoning_effort: Field reasoning_effort of the request; empty leaves it to the catalogue and the provider.
        ask_work_root: Folder where an interrupted test goes on.
        validate_trusted: Whether a person trusts answers that seem copied or leaked.
        gate_max_loss: Accuracy that a newcomer may cost at most, with one-sided 95 % confidence, in [0, 1].
        register_model_name: Name of the registered model in MLflow.
        register_experiment: MLflow experiment of the runs.
        register_bundle_store: Folder or s3:// prefix of router bundles.
        promote_champion_store: Folder or s3:// prefix of champion records, which endpoints follow.
        promote_inference_service: InferenceService whose traffic is shifted in stages; empty: endpoints follow the
            record alone.
        mlflow_tracking_uri: MLflow tracking server.
    """
    placed = place_order(
        candidate=candidate,
        action=action,
        catalogue=catalogue,
        champion_store=promote_champion_store,
        mlflow_tracking_uri=mlflow_tracking_uri,
    ).set_display_name("Check candidate and champion")
    outside(placed)

    with dsl.If(placed.outputs["Output"] == True, name="something is left to do"):  # noqa: E712
        taken = take_answers(
            order=placed.outputs["order"],
            scores=answer_scores,
            zoo=answer_zoo,
            endpoint=ask_endpoint,
            questions=ask_questions,
            concurrency=ask_concurrency,
            rate=ask_rate,
            budget_usd=ask_budget_usd,
            adaptive=ask_adaptive,
            max_tokens=ask_max_tokens,
            timeout_seconds=ask_timeout_seconds,
            body=ask_body,
            reasoning_effort=ask_reasoning_effort,
            answer_store=answer_store,
            work_root=ask_work_root,
        ).set_display_name("Take or ask for answers")
        outside(taken)
        with_work_volume(taken)
        with_candidate_keys(taken)

        validated = validate_answers(
            order=placed.outputs["order"],
            results=taken.outputs["results"],
            unreadable=taken.outputs["unreadable"],
            trusted=validate_trusted,
        ).set_display_name("Validate answers")
        outside(validated)
        valid = halt(holds=validated.outputs["valid"], sentence=validated.outputs["sentence"], exit_code=INVALID)
        valid.set_display_name("Halt if refused").set_caching_options(False)

        admitted = admit_candidate(order=placed.outputs["order"], results=taken.outputs["results"])
        admitted.after(valid).set_display_name("Change the router")
        outside(admitted, memory="4G")

        judged = shadow_router(
            order=placed.outputs["order"],
            results=taken.outputs["results"],
            router=admitted.outputs["router"],
            max_loss=gate_max_loss,
        ).set_display_name("Compare with the champion")
        outside(judged, memory="4G")

        registered = register_router(
            router=admitted.outputs["router"],
            fallback=admitted.outputs["router"],
            report=judged.outputs["report"],
            decisions=judged.outputs["decisions"],
            result=judged.outputs["result"],
            verdict=judged.outputs["verdict"],
            model_name=register_model_name,
            experiment=register_experiment,
            bundle_store=register_bundle_store,
            mlflow_tracking_uri=mlflow_tracking_uri,
            run_key=taken.outputs["run_key"],
        ).set_display_name("Register router")
        outside(registered)

        with dsl.If(judged.outputs["Output"] == True, name="a new champion"):  # noqa: E712
            promoted = promote_router(
                model_name=register_model_name,
                version=registered.outputs["version"],
                bundle_uri=registered.outputs["bundle_uri"],
                bundle_digest=registered.outputs["bundle_digest"],
                verdict=judged.outputs["verdict"],
                against_epoch=placed.outputs["epoch"],
                champion_store=promote_champion_store,
                mlflow_tracking_uri=mlflow_tracking_uri,
                run_key=taken.outputs["run_key"],
                inference_service=promote_inference_service,
            ).set_display_name("Promote router")
            outside(promoted)
