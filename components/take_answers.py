"""Component: take a candidate's results, or put the aptitude test to it."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def take_answers(
    order: dsl.Input[dsl.Artifact],
    scores: list,
    zoo: list,
    endpoint: str,
    questions: int,
    concurrency: int,
    rate: float,
    budget_usd: float,
    adaptive: bool,
    max_tokens: int,
    timeout_seconds: float,
    body: dict,
    reasoning_effort: str,
    answer_store: str,
    work_root: str,
    results: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple("Answer", [("run_key", str), ("unreadable", int)]):
    """Take the candidate's results, or ask it, and set them beside those of the champion's candidates.

    Args:
        order: What is to change.
        scores: Folders or s3:// prefixes with the candidate's results; empty asks its endpoint.
        zoo: Those behind the champion; empty takes what its lineage names.
        endpoint: OpenAI-compatible address of the candidate; empty takes the catalogue's.
        questions: Only the first so many questions; 0 asks all.
        concurrency: Most requests in flight.
        rate: Most requests per second; 0 sets no limit.
        budget_usd: What the test may cost; 0 sets no limit.
        adaptive: Whether to choose the questions by what they tell and to stop when choices are settled.
        max_tokens: Longest answer in tokens; 0 takes the catalogue's.
        timeout_seconds: How long one request may take; 0 takes the catalogue's.
        body: Fields of the request that replace others; null leaves a field out.
        reasoning_effort: Field of that name in the request; empty leaves it to the catalogue and the provider.
        answer_store: Folder or s3:// prefix that keeps answers, which the next retraining reads.
        work_root: Folder where an interrupted test goes on.
        results: Folder with the tables scores, prompts, candidates, Parquet.
        metrics: Counts of scores, prompts and candidates.

    Returns:
        Key of the run, by which every side effect is done once, and how many answers could not be read.
    """
    from pathlib import Path

    from modelsat.steps import onboard

    settings = onboard.AskingSettings(
        endpoint=endpoint or None,
        questions=questions or None,
        concurrency=concurrency,
        rate=rate or None,
        budget_usd=budget_usd or None,
        adaptive=adaptive,
        max_tokens=max_tokens or None,
        timeout_seconds=timeout_seconds or None,
        body=body,
        reasoning_effort=reasoning_effort,
    )
    sources = onboard.Sources(scores, zoo, answer_store, Path(work_root))
    placed = onboard.read_order(Path(order.path))
    run_key, unreadable, counts = onboard.gather(placed, sources, settings, Path(results.path))
    for name, value in counts.items():
        metrics.log_metric(name, value)
    return (run_key, unreadable)
