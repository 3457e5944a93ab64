"""Component: which sources does each of several tasks read?"""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def share_sources(sources: list, shards: int) -> list:
    """Share sources out to tasks, each source once, as evenly as their number allows.

    Args:
        sources: Folders or s3:// prefixes with benchmark results.
        shards: So many tasks at most.

    Returns:
        A list with the sources of each task.
    """
    from modelsat.steps import collect

    return collect.shares(sources, shards)
