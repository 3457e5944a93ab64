"""Component: read some of the benchmark results, beside other tasks that read the rest."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def read_sources(sources: list, harvest: dsl.Output[dsl.Dataset], kept: str = "") -> str:
    """Read results, as far as that needs no others; what they hold is merged by collect_scores.

    Args:
        sources: Folders or s3:// prefixes with benchmark results, those of this task.
        harvest: Folder with what each source holds, as columns.
        kept: Folder that keeps what sources gave, so that unchanged ones are not read again; empty reads all.

    Returns:
        How much was read, in one sentence.
    """
    from pathlib import Path

    from modelsat.steps import collect

    return collect.read(sources, Path(harvest.path), kept)
