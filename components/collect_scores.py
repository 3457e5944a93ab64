"""Component: merge benchmark results from folders and S3."""

from typing import List  # noqa: UP035

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def collect_scores(
    sources: list,
    scores: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    kept: str = "",
    harvests: dsl.Input[List[dsl.Dataset]] = None,  # noqa: UP006
) -> str:
    """Merge all results, and keep what could not be read among the rejects.

    Args:
        sources: Folders or s3:// prefixes with benchmark results.
        scores: Folder with the tables scores, prompts, candidates and rejects, Parquet.
        report: What was collected, with the coverage map.
        metrics: Counts of scores, prompts, candidates and rejected rows.
        kept: Folder that keeps what sources gave, so that unchanged ones are not read again; empty reads all.
        harvests: What read_sources left of all sources; without, they are read here.

    Returns:
        The collection in one sentence, with what changed since the last one where `kept` is told.
    """
    from pathlib import Path

    from modelsat.steps import collect

    parts = [Path(harvest.path) for harvest in harvests or []]
    sentence, counts = collect.run(sources, Path(scores.path), Path(report.path), kept, parts)
    for name, value in counts.items():
        metrics.log_metric(name, value)
    return sentence
