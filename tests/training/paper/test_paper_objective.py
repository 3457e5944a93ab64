"""The group loss, by numbers worked by hand."""

from math import log

import pytest
import torch

from training.paper.objective import group_loss

EVERYBODY = torch.ones(1, 3, dtype=torch.bool)


def test_group_loss_by_hand() -> None:
    scores = torch.tensor([[log(2.0), 0.0, 0.0], [0.0, log(3.0), log(4.0)]])

    found = group_loss(scores, torch.ones(2, 3, dtype=torch.bool))

    assert found.item() == pytest.approx((log(4 / 2) + log(8)) / 2)


def test_gradient_lifts_the_positive_and_lowers_the_negatives_by_their_share() -> None:
    scores = torch.tensor([[log(2.0), 0.0, log(5.0)]], requires_grad=True)

    group_loss(scores, EVERYBODY).backward()

    torch.testing.assert_close(scores.grad, torch.tensor([[2 / 8 - 1, 1 / 8, 5 / 8]]))


def test_places_that_are_empty_do_not_count() -> None:
    scores = torch.tensor([[log(2.0), 0.0, 9.0]], requires_grad=True)

    found = group_loss(scores, torch.tensor([[True, True, False]]))
    found.backward()

    assert found.item() == pytest.approx(log(3 / 2))
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0


def test_filler_group_costs_nothing_and_is_counted() -> None:
    scores = torch.zeros(2, 3)
    present = torch.tensor([[True, True, True], [False, False, False]])

    assert group_loss(scores, present).item() == pytest.approx(log(3) / 2)


def test_level_of_a_candidate_changes_nothing() -> None:
    scores = torch.tensor([[1.0, -2.0, 0.5]])

    torch.testing.assert_close(group_loss(scores + 7, EVERYBODY), group_loss(scores, EVERYBODY))
