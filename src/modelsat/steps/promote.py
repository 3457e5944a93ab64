"""The promote step: a registered router in; the champion record of the next epoch and its page out."""

from pathlib import Path

from modelsat.cluster.rollout import deployed, probing
from modelsat.cluster.rollout.deployed import RolloutTarget
from modelsat.cluster.rollout.plan import Rollout
from modelsat.io.atomic import write_text


def run(wanted: Rollout, where: RolloutTarget, scores: Path | None, decisions: Path | None, page: Path) -> int:
    """Give the router 10, 50 and 100 % of the traffic, or take it back, and record it as champion.

    Args:
        wanted: Which router to promote, and which epoch it was compared with.
        where: Champion records, MLflow, and the InferenceService whose traffic is shifted.
        scores: Folder with the validated tables, whose held-out prompts are put to both versions; None uses three
            general prompts.
        decisions: What the evaluation says each version chooses for them.
        page: Receives the new champion and the timeline, Markdown.

    Returns:
        The new epoch.

    Raises:
        ConflictError: Another run promotes, or promoted since the comparison.
        VerdictNo: The challenger was worse than the champion and is back at no traffic.
    """
    champion, timeline = deployed.promote(wanted, where, probing.probes(scores, decisions, wanted.verdict))
    write_text(page, timeline)
    return champion.epoch
