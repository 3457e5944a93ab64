"""The retrain pipeline: from benchmark results to a promoted router.

`modelsat compile` writes `pipelines/compiled/retrain.yaml`; the same definition runs on a cluster and, through
`kfp.local`, on one machine.
"""

from typing import Dict, List  # noqa: UP035

from kfp import dsl

from components.build_instructions import build_instructions
from components.check_prerequisites import check_prerequisites
from components.collect_scores import collect_scores
from components.evaluate_router import evaluate_router
from components.finetune_router import finetune_router
from components.halt import halt
from components.promote_router import promote_router
from components.read_sources import read_sources
from components.register_router import register_router
from components.share_sources import share_sources
from components.validate_scores import validate_scores
from pipelines.resources import modest, on_gpu_nodes, outside, with_endpoint_token, with_work_volume

INPUT, INVALID = 2, 3


@dsl.pipeline(name="retrain")
def retrain(
    collect_sources: List = ["s3://modelsat/scores"],  # noqa: B006, UP006
    collect_kept: str = "",
    collect_shards: int = 1,
    validate_max_rejected_share: float = 0.0,
    validate_max_drift: float = 0.10,
    instruct_tasks: int = 50,
    instruct_questions: int = 1000,
    train_recipe: str = "auto",
    train_ranks: int = 1,
    train_backbone: str = "",
    train_work_root: str = "/mnt/modelsat/work",
    train_gpu_limit: str = "0",
    train_nodes: int = 0,
    train_node_gpus: int = 0,
    train_node_selector: Dict = {},  # noqa: B006, UP006
    train_tolerations: List = [],  # noqa: B006, UP006
    gate_confidence: float = 0.95,
    gate_margin: float = 0.01,
    gate_saving: float = 0.20,
    register_model_name: str = "modelsat-router",
    register_experiment: str = "modelsat",
    register_bundle_store: str = "s3://modelsat/bundles",
    promote_champion_store: str = "s3://modelsat/champions",
    promote_inference_service: str = "",
    promote_check_seconds: float = 20.0,
    mlflow_tracking_uri: str = "http://mlflow:5000",
) -> None:
    """Collect benchmark results, validate them, fine-tune a router, judge it, register it and promote it.

    Args:
        collect_sources: Folders or s3:// prefixes with benchmark results, as a JSON list.
        collect_kept: Folder that keeps what sources gave, so that unchanged ones are not read again; empty reads all.
        collect_shards: Tasks that read the sources side by side, each some of them.
        validate_max_rejected_share: Largest tolerated share of rejected rows, in [0, 1].
        validate_max_drift: Largest tolerated change of a candidate's mean since the champion's data, in [0, 1].
        instruct_tasks: Tasks of the aptitude test aimed at.
        instruct_questions: Questions of the aptitude test aimed at, over all tasks.
        train_recipe: Training recipe: the name of a file in training/recipes.
        train_ranks: Training processes on the node; one per GPU where there are any.
        train_backbone: Folder of the language model; empty takes the packaged MiniLM.
        train_work_root: Folder for training states and checkpoints; a killed training goes on there.
        train_gpu_limit: GPUs of the fine-tuning pod; 0 trains on the CPU.
        train_nodes: Nodes of a Kubeflow TrainJob; 0 trains in the step's own pod.
        train_node_gpus: GPUs on each node of a TrainJob; ranks are per node then.
        train_node_selector: Node labels of the fine-tuning pods, as a JSON object.
        train_tolerations: Tolerations of the fine-tuning pods, as a JSON list.
        gate_confidence: One-sided confidence of the gate, in (0.5, 1).
        gate_margin: Accuracy that a cheaper challenger may lose, in [0, 1].
        gate_saving: How much cheaper it has to be then, as a share in [0, 1].
        register_model_name: Name of the registered model in MLflow.
        register_experiment: MLflow experiment of the runs.
        register_bundle_store: Folder or s3:// prefix of router bundles.
        promote_champion_store: Folder or s3:// prefix of champion records, which endpoints follow.
        promote_inference_service: InferenceService whose traffic is shifted in stages; empty: endpoints follow the
            record alone.
        promote_check_seconds: Time from one check of a stage of traffic to the next, in seconds.
        mlflow_tracking_uri: MLflow tracking server.
    """
    run_key = dsl.PIPELINE_JOB_ID_PLACEHOLDER

    asked = check_prerequisites(
        collect_shards=collect_shards,
        validate_max_rejected_share=validate_max_rejected_share,
        validate_max_drift=validate_max_drift,
        instruct_tasks=instruct_tasks,
        instruct_questions=instruct_questions,
        train_recipe=train_recipe,
        train_backbone=train_backbone,
        train_ranks=train_ranks,
        train_gpu_limit=train_gpu_limit,
        train_nodes=train_nodes,
        train_node_gpus=train_node_gpus,
        gate_confidence=gate_confidence,
        gate_margin=gate_margin,
        gate_saving=gate_saving,
        sources=collect_sources,
        mlflow_tracking_uri=mlflow_tracking_uri,
        champion_store=promote_champion_store,
        bundle_store=register_bundle_store,
        work_root=train_work_root,
    ).set_display_name("Check prerequisites")
    outside(asked)
    with_work_volume(asked)
    ready = halt(holds=asked.outputs["ready"], sentence=asked.outputs["sentence"], exit_code=INPUT)
    ready.set_display_name("Halt if something is missing").set_caching_options(False)

    shares = share_sources(sources=collect_sources, shards=collect_shards).after(ready)
    modest(shares.set_display_name("Share out sources"))
    with dsl.ParallelFor(shares.output, name="each share") as share:
        read = read_sources(sources=share.sources, kept=collect_kept)
        read.set_display_name("Read benchmark results")
        outside(read)
        with_work_volume(read)

    harvests = dsl.Collected(read.outputs["harvest"])
    collected = collect_scores(sources=collect_sources, kept=collect_kept, harvests=harvests)
    collected.set_display_name("Collect benchmark scores")
    outside(collected)
    with_work_volume(collected)

    validated = validate_scores(
        scores=collected.outputs["scores"],
        champion_store=promote_champion_store,
        max_rejected_share=validate_max_rejected_share,
        max_drift=validate_max_drift,
    ).set_display_name("Validate scores")
    outside(validated)
    valid = halt(holds=validated.outputs["valid"], sentence=validated.outputs["sentence"], exit_code=INVALID)
    valid.set_display_name("Halt if invalid").set_caching_options(False)

    built = build_instructions(scores=collected.outputs["scores"], tasks=instruct_tasks, questions=instruct_questions)
    built.after(valid).set_display_name("Build capability instructions")
    modest(built)

    trained = finetune_router(
        instructions=built.outputs["instructions"],
        recipe=train_recipe,
        ranks=train_ranks,
        nodes=train_nodes,
        node_gpus=train_node_gpus,
        node_selector=train_node_selector,
        tolerations=train_tolerations,
        backbone=train_backbone,
        work_root=train_work_root,
        mlflow_tracking_uri=mlflow_tracking_uri,
        experiment=register_experiment,
        run_key=run_key,
    ).set_display_name("Fine-tune router")
    with_work_volume(trained)
    on_gpu_nodes(trained, train_gpu_limit, train_node_selector, train_tolerations)

    evaluated = evaluate_router(
        scores=collected.outputs["scores"],
        router=trained.outputs["router"],
        predictions=trained.outputs["predictions"],
        champion_store=promote_champion_store,
        confidence=gate_confidence,
        margin=gate_margin,
        saving=gate_saving,
    ).set_display_name("Evaluate router")
    outside(evaluated, memory="4G")

    registered = register_router(
        router=trained.outputs["router"],
        fallback=evaluated.outputs["fallback"],
        report=evaluated.outputs["report"],
        decisions=evaluated.outputs["decisions"],
        result=evaluated.outputs["result"],
        verdict=evaluated.outputs["verdict"],
        model_name=register_model_name,
        experiment=register_experiment,
        bundle_store=register_bundle_store,
        mlflow_tracking_uri=mlflow_tracking_uri,
        run_key=run_key,
    ).set_display_name("Register router")
    outside(registered)

    with dsl.If(evaluated.outputs["Output"] == True, name="a new champion"):  # noqa: E712
        promoted = promote_router(
            model_name=register_model_name,
            version=registered.outputs["version"],
            bundle_uri=registered.outputs["bundle_uri"],
            bundle_digest=registered.outputs["bundle_digest"],
            verdict=evaluated.outputs["verdict"],
            against_epoch=evaluated.outputs["against_epoch"],
            champion_store=promote_champion_store,
            mlflow_tracking_uri=mlflow_tracking_uri,
            run_key=run_key,
            scores=collected.outputs["scores"],
            decisions=evaluated.outputs["decisions"],
            inference_service=promote_inference_service,
            check_seconds=promote_check_seconds,
        ).set_display_name("Promote router")
        outside(promoted)
        with_endpoint_token(promoted)
