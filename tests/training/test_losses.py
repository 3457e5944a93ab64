"""The four terms of the objective on numbers worked by hand."""

from collections.abc import Callable
from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nan

from training import losses

Term = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
TERMS = (losses.pointwise, losses.across, losses.within)
BATCHES = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31 - 1))


def each_term(*terms: Term) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("term", terms, ids=[term.__name__ for term in terms])


def batch(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and outcomes of (prompts, candidates, seed), a quarter of the pairs not asked."""
    generator = torch.manual_seed(shape[2])
    logits = 3 * torch.randn(shape[:2], generator=generator)
    targets = torch.randint(0, 2, shape[:2], generator=generator).float()
    return logits, targets.masked_fill(torch.rand(shape[:2], generator=generator) < 0.25, nan)


def gradient(term: Term, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    logits = logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(term(logits, targets), logits)
    return found


def test_pointwise_by_hand() -> None:
    logits = torch.tensor([[log(3.0), 0.0], [-log(4.0), 5.0]])
    targets = torch.tensor([[1.0, 0.25], [1.0, nan]])

    expected = (log(4 / 3) + log(2) + log(5)) / 4
    assert losses.pointwise(logits, targets).item() == pytest.approx(expected)


def test_gradient_of_pointwise_is_probability_minus_outcome() -> None:
    logits = torch.tensor([[log(3.0), 0.0], [-log(4.0), 5.0]])
    targets = torch.tensor([[1.0, 0.25], [0.0, nan]])

    found = gradient(losses.pointwise, logits, targets)

    torch.testing.assert_close(found, torch.tensor([[-0.25, 0.25], [0.2, 0.0]]) / 4)


def test_across_by_hand() -> None:
    logits = torch.tensor([[log(2.0), 0.0, 0.0], [0.0, log(3.0), 9.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, nan]])

    expected = (log(4 / 2) + log(4)) / 2
    assert losses.across(logits, targets).item() == pytest.approx(expected)


def test_across_shares_a_prompt_that_two_solve_between_them() -> None:
    logits = torch.tensor([[log(2.0), log(5.0), 0.0]])
    targets = torch.tensor([[1.0, 1.0, 0.0]])

    expected = -(log(2 / 8) + log(5 / 8)) / 2
    assert losses.across(logits, targets).item() == pytest.approx(expected)
    torch.testing.assert_close(
        gradient(losses.across, logits, targets), torch.tensor([[2 / 8 - 0.5, 5 / 8 - 0.5, 1 / 8]])
    )


def test_across_lifts_whoever_solved_the_prompt_and_lowers_whoever_did_not() -> None:
    found = gradient(losses.across, torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.0]]))

    torch.testing.assert_close(found, torch.tensor([[1.0, -2.0, 1.0]]) / 3)


@pytest.mark.parametrize(
    "outcomes",
    [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, nan, nan], [0.0, 0.0, nan], [nan, nan, nan]],
    ids=["all", "none", "the only one asked", "none of those asked", "nobody asked"],
)
def test_prompt_that_says_nothing_about_the_choice_costs_nothing_across(outcomes: list[float]) -> None:
    logits, targets = torch.tensor([[5.0, -2.0, 0.0]]), torch.tensor([outcomes])

    assert losses.across(logits, targets).item() == 0
    assert not gradient(losses.across, logits, targets).any()


def test_within_by_hand() -> None:
    logits = torch.tensor([[log(2.0), 1.0], [log(3.0), 1.0], [0.0, 1.0]])
    targets = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, nan]])

    expected = -log(2 / (2 + 3 + 1)) / 6
    assert losses.within(logits, targets).item() == pytest.approx(expected)


def test_within_lifts_each_positive_against_the_negatives_of_its_candidate_alone() -> None:
    logits = torch.zeros(3, 2)
    targets = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])

    found = gradient(losses.within, logits, targets)

    torch.testing.assert_close(found, torch.tensor([[-0.5, 0.0], [-0.5, 0.0], [1.0, 0.0]]) / 6)


@given(shape=BATCHES, offset=st.floats(-5, 5, width=32))
def test_within_knows_no_candidate_s_level(shape: tuple[int, int, int], offset: float) -> None:
    logits, targets = batch(shape)
    levels = offset * torch.arange(shape[1])

    torch.testing.assert_close(
        losses.within(logits + levels, targets), losses.within(logits, targets), atol=1e-4, rtol=1e-4
    )


@given(shape=BATCHES, offset=st.floats(-5, 5, width=32))
def test_across_knows_no_prompt_s_level(shape: tuple[int, int, int], offset: float) -> None:
    logits, targets = batch(shape)
    levels = offset * torch.arange(shape[0])[:, None]

    torch.testing.assert_close(
        losses.across(logits + levels, targets), losses.across(logits, targets), atol=1e-4, rtol=1e-4
    )


def test_category_by_hand() -> None:
    attention = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [1.0, 1e-30, 1e-30]]))
    membership = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

    found = losses.category(attention, membership, torch.tensor([0, 1, -1]))

    assert found.item() == pytest.approx(-(log(0.8) + log(0.8)) / 3)


def test_category_moves_attention_to_the_lines_of_the_prompt_s_category() -> None:
    scores = torch.zeros(1, 3, requires_grad=True)
    membership = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

    losses.category(torch.log_softmax(scores, dim=1), membership, torch.tensor([1])).backward()

    torch.testing.assert_close(scores.grad, torch.tensor([[1.0, 1.0, -2.0]]) / 3)


def test_category_of_an_attention_that_is_surely_wrong_is_large_and_finite() -> None:
    scores = torch.tensor([[0.0, -200.0]], requires_grad=True)

    found = losses.category(torch.log_softmax(scores, dim=1), torch.eye(2), torch.tensor([1]))
    found.backward()

    assert found.item() == pytest.approx(-log(1e-9))
    assert torch.isfinite(scores.grad).all()


@each_term(*TERMS)
@given(shape=BATCHES)
def test_pairs_that_were_not_asked_move_nothing(term: Term, shape: tuple[int, int, int]) -> None:
    logits, targets = batch(shape)
    unasked = torch.isnan(targets)
    otherwise = torch.where(unasked, 7.0 - logits, logits)

    found = gradient(term, logits, targets)

    torch.testing.assert_close(term(otherwise, targets), term(logits, targets))
    torch.testing.assert_close(gradient(term, otherwise, targets), found)
    assert not found[unasked].any()


@each_term(*TERMS)
@given(shape=BATCHES)
def test_terms_are_finite_and_never_negative_and_neither_order_matters(term: Term, shape: tuple[int, int, int]) -> None:
    logits, targets = batch(shape)

    value = term(10 * logits, targets)

    assert torch.isfinite(value)
    assert value >= 0
    torch.testing.assert_close(term(10 * logits.flip(0), targets.flip(0)), value)
    torch.testing.assert_close(term(10 * logits.flip(1), targets.flip(1)), value)


@each_term(*TERMS)
@given(shape=BATCHES)
def test_solved_pairs_are_never_lowered_and_failed_ones_never_lifted(term: Term, shape: tuple[int, int, int]) -> None:
    logits, targets = batch(shape)
    if term is losses.across:
        targets = targets * (torch.cumsum(torch.nan_to_num(targets), dim=1) <= 1)

    found = gradient(term, logits, targets)

    assert (found[targets == 1] <= 0).all()
    assert (found[targets == 0] >= 0).all()


@each_term(losses.pointwise, losses.across)
@given(shape=BATCHES, parts=st.integers(1, 4))
def test_mean_over_equal_shares_is_the_loss_of_the_whole_batch(
    term: Term, shape: tuple[int, int, int], parts: int
) -> None:
    logits, targets = batch((shape[0] * parts, *shape[1:]))

    shares = [term(logits[rank::parts], targets[rank::parts]) for rank in range(parts)]

    torch.testing.assert_close(torch.stack(shares).mean(), term(logits, targets))


@each_term(*TERMS)
def test_batch_in_which_nobody_was_asked_costs_nothing(term: Term) -> None:
    logits, targets = torch.ones(2, 3), torch.full((2, 3), nan)

    assert term(logits, targets).item() == 0
    assert not gradient(term, logits, targets).any()


def test_pointwise_is_least_where_probabilities_are_frequencies() -> None:
    targets = torch.tensor([[1.0], [1.0], [1.0], [0.0]])

    found = [losses.pointwise(torch.full((4, 1), logit), targets).item() for logit in (log(2.0), log(3.0), log(4.0))]

    assert min(found) == found[1]
    assert found[1] == pytest.approx(-(3 * log(0.75) + log(0.25)) / 4)
