"""Component: judge the challenger against champion and reference lines."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAINING, install_kfp_package=False)
def evaluate_router(
    scores: dsl.Input[dsl.Dataset],
    router: dsl.Input[dsl.Model],
    predictions: dsl.Input[dsl.Dataset],
    champion_store: str,
    confidence: float,
    margin: float,
    saving: float,
    fallback: dsl.Output[dsl.Model],
    report: dsl.Output[dsl.HTML],
    decisions: dsl.Output[dsl.Dataset],
    result: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    roc: dsl.Output[dsl.ClassificationMetrics],
    choices: dsl.Output[dsl.ClassificationMetrics],
) -> NamedTuple("Answer", [("Output", bool), ("verdict", str), ("sentence", str), ("against_epoch", int)]):
    """Compare challenger, champion, best single, random, best per category and oracle on the same held-out prompts.

    Args:
        scores: Folder with the validated tables.
        router: Router bundle of the challenger.
        predictions: Its success probabilities for held-out prompts.
        champion_store: Champion records.
        confidence: One-sided confidence of the gate, in (0.5, 1).
        margin: Accuracy that a cheaper challenger may lose, in [0, 1].
        saving: How much cheaper it has to be then, as a share in [0, 1].
        fallback: Router bundle of the best single candidate, served where the advice is not to route.
        report: Verdict page.
        decisions: What each router chose for each held-out prompt, Parquet.
        result: Table and verdict, JSON.
        metrics: Accuracies, gains, cost, calibration.
        roc: Success prediction over all pairs of candidate and prompt.
        choices: Chosen against best candidate.

    Returns:
        Whether a champion is to be recorded (called Output, since kfp.local resolves conditions on that name only),
        the verdict, the sentence, and the epoch that was compared with.
    """
    from pathlib import Path

    from modelsat.steps import evaluate

    rules = evaluate.GateRules(confidence=confidence, margin=margin, saving=saving)
    held = evaluate.run(Path(scores.path), Path(router.path), Path(predictions.path), champion_store, rules)
    evaluate.write_fallback(held, Path(router.path), Path(fallback.path))
    evaluate.write_pages(held, Path(report.path), Path(decisions.path), Path(result.path))
    for name, value in evaluate.metrics(held).items():
        metrics.log_metric(name, value)
    roc.log_roc_curve(*evaluate.roc(held))
    choices.log_confusion_matrix(*evaluate.confusion(held))
    return (held.promotes, str(held.verdict.outcome), held.sentence(), held.against_epoch)
