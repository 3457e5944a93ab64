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
    questions: int,
    max_tokens: int,
    body: dict,
    budget_usd: float,
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
        questions: Only the first so many questions are asked; 0 asks all.
        max_tokens: Longest answer in tokens; 0 takes the catalogue's.
        body: Fields of the request that replace others.
        budget_usd: What asking may cost in USD, all releases together; 0 sets no limit.
        run_key: Id of the pipeline run.
        page: What is due, what waits and why.

    Returns:
        A list of candidate, action, scores, key, attempt and budget_usd.
    """
    from pathlib import Path

    from modelsat.steps import watch

    settings = watch.AskingSettings(questions=questions or None, max_tokens=max_tokens or None, body=body)
    allowance = watch.Allowance(budget_usd, settings) if budget_usd else None
    found = watch.look(catalogue, results, ledger, champion_store, run_key, lease_seconds, most, allowance=allowance)
    Path(page.path).write_text(found.page(), encoding="utf-8")
    return found.as_parameters()
