"""Component: which releases does the catalogue hold that the champion does not know?"""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def find_releases(
    catalogue: str,
    results: str,
    ledger: str,
    champion_store: str,
    lease_seconds: float,
    most: int,
    run_key: str,
    page: dsl.Output[dsl.Markdown],
) -> list:
    """Announce what is new in the release ledger and take the leases of what is due; broken rows stop nobody else.

    Args:
        catalogue: Catalogue of candidates, a file or folder, here or in S3.
        results: Folder or s3:// prefix with results by candidate; empty asks every candidate's endpoint.
        ledger: Folder or s3:// prefix of the release ledger.
        champion_store: Champion records.
        lease_seconds: Longer than an onboarding takes; a release whose run was killed is taken over afterwards.
        most: So many releases at most in one run.
        run_key: Id of the pipeline run.
        page: What is due, what waits and why.

    Returns:
        A list of candidate, action, scores, key and attempt.
    """
    from pathlib import Path

    from modelsat.steps import watch

    found = watch.look(catalogue, results, ledger, champion_store, run_key, lease_seconds, most)
    Path(page.path).write_text(found.page(), encoding="utf-8")
    return found.as_parameters()
