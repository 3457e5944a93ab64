"""What a failure tells: candidates that miss the same prompts are doubted, those that miss others are not."""

from collections.abc import Callable

import numpy as np
import pytest

from modelsat.bundle import ranking
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from modelsat.policy import failures, promise
from modelsat.policy.preferences import Preferences

NAMES = ("small", "twin", "other")
# `small` and `twin` share a factor of loading 0.4 and have a variance of 0.04 of their own; `other` shares nothing.
LOADINGS, OWN = np.asarray([[0.4], [0.4], [0.0]]), np.asarray([0.04, 0.04, 0.2])


def test_twin_of_a_failed_candidate_is_doubted_and_a_stranger_is_not() -> None:
    found = failures.given(np.asarray([[0.8, 0.75, 0.6]]), [0], LOADINGS, OWN)

    # The factor is -0.8 * 0.4 / (0.16 + 0.04) = -1.6, which takes 0.64 from each twin.
    assert found[0].tolist() == pytest.approx([0.16, 0.11, 0.6])


def test_two_failures_tell_more_than_one() -> None:
    one, two = (failures.given(np.asarray([[0.5, 0.5, 0.5]]), tried, LOADINGS, OWN)[0] for tried in ([0], [0, 1]))

    # Together: -0.4 * (0.5 + 0.5) / (0.04 + 2 * 0.16) = -1.11 for -1.0.
    assert one[1] == pytest.approx(0.5 - 0.4)
    assert two[1] == pytest.approx(0.5 - 0.4 * 0.4 / 0.36)


def test_common_factor_is_learned_from_surprises() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(4000) < 0.5
    outcomes = np.column_stack([hard, hard, rng.random(4000) < 0.5]).astype(float)

    found = failures.given(np.full((1, 3), 0.5), [0], *failures.learn(np.full((4000, 3), 0.5), outcomes))

    assert found[0, 1] < 0.1
    assert found[0, 2] == pytest.approx(0.5, abs=0.05)


def routed(make_bundle: Callable[..., Bundle], *failed: str, **lineage: object) -> ranking.Ranking:
    bundle = make_bundle({"small": 0.8, "twin": 0.75, "other": 0.6}, lineage=lineage)
    return ranking.route(bundle, ["What is 2 + 2?"], Preferences(failed=failed))


def test_request_that_says_who_failed_gets_the_likeliest_of_the_rest(make_bundle: Callable[..., Bundle]) -> None:
    surprises = failures.as_json(NAMES, LOADINGS, OWN)

    assert routed(make_bundle, surprises=surprises).model == ["small"]
    again = routed(make_bundle, "small", surprises=surprises)
    assert again.model == ["other"]
    assert again.success_probability[0, :2].tolist() == pytest.approx([0.6, 0.11], abs=1e-6)


def test_bundle_that_learned_nothing_of_failures_leaves_the_failed_out(make_bundle: Callable[..., Bundle]) -> None:
    assert routed(make_bundle, "small").model == ["twin"]


@pytest.mark.parametrize(
    ("failed", "fault"),
    [(("nobody",), "failed candidates \\['nobody'\\] are unknown"), (NAMES, "all allowed candidates have failed")],
)
def test_failures_that_leave_nothing_are_refused(
    make_bundle: Callable[..., Bundle], failed: tuple[str, ...], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        routed(make_bundle, *failed)


def test_second_answer_is_not_asked_for_at_the_balanced_default() -> None:
    balanced = promise.Promise("small", 0.3, 0.003, 0.95, 0.0, 0.0, 0.5, 100)

    assert promise.resolved(Preferences(failed=("small",)), balanced).cost_weight == 0.0
    assert promise.resolved(Preferences(failed=("small",), cost_weight=0.2), balanced).cost_weight == 0.2
