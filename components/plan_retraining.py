"""Component: is it time to train again?"""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def plan_retraining(
    ledger: str,
    champion_store: str,
    newcomers: int,
    drift: float,
    regret: float,
    least_hours: float,
    lease_seconds: float,
    run_key: str,
) -> NamedTuple("Answer", [("Output", bool), ("sources", list), ("key", str), ("attempt", int), ("sentence", str)]):
    """Ask the retraining policy, and take the lease of a retraining where it calls for one; one at a time.

    Args:
        ledger: Folder or s3:// prefix of the release ledger.
        champion_store: Champion records.
        newcomers: So many releases call for a training.
        drift: Share of prompts that changed hands, in [0, 1].
        regret: Accuracy that may be lost to newcomers, in [0, 1].
        least_hours: No training sooner after the last one.
        lease_seconds: Longer than a training takes.
        run_key: Id of the pipeline run.

    Returns:
        Whether to train (called Output, since kfp.local resolves conditions on that name only), on which results, key
        and attempt in the ledger, and why.
    """
    from modelsat.steps import watch

    rules = watch.RetrainingRules(newcomers=newcomers, drift=drift, regret=regret, least_seconds=3600 * least_hours)
    planned = watch.plan(ledger, champion_store, rules, run_key, lease_seconds)
    print(planned.sentence, flush=True)
    return (planned.trains, planned.sources, planned.key, planned.attempt, planned.sentence)
