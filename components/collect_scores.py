"""Component: read benchmark results from folders and S3."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def collect_scores(
    sources: list,
    scores: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    kept: str = "",
) -> str:
    """Read all results, merge them, and keep what could not be read among the rejects.

    Args:
        sources: Folders or s3:// prefixes with benchmark results.
        scores: Folder with the tables scores, prompts, candidates and rejects, Parquet.
        report: What was collected, with the coverage map.
        metrics: Counts of scores, prompts, candidates and rejected rows.
        kept: Folder that keeps what sources gave, so that unchanged ones are not read again; empty reads all.

    Returns:
        The collection in one sentence, with what changed since the last one where `kept` is told.
    """
    from pathlib import Path

    from modelsat.steps import collect

    sentence, counts = collect.run(sources, Path(scores.path), Path(report.path), kept)
    for name, value in counts.items():
        metrics.log_metric(name, value)
    return sentence
