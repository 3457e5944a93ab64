"""Component: a release or a retraining has ended well."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def settle_release(ledger: str, key: str, attempt: int, run_key: str, outcome: str, scores: list) -> None:
    """Record in the ledger that it has ended, once, unless another run took it over meanwhile.

    Args:
        ledger: Folder or s3:// prefix of the release ledger.
        key: Of the release or retraining.
        attempt: Which attempt ended it.
        run_key: Id of the pipeline run.
        outcome: onboarded or retrained.
        scores: Results of the candidate, which the next retraining reads.
    """
    from modelsat.steps import watch

    watch.settle(ledger, key, attempt, run_key, outcome, scores)
