"""A selection shows some of a router's candidates and behaves like a router of its own."""

from pathlib import Path

import numpy as np
import pytest

from modelsat.bundle import bundle
from modelsat.errors import InputError
from modelsat.routers.constant import Constant
from modelsat.routers.profile import Profile
from modelsat.routers.selection import Selection

INNER = Constant(["ada", "bob", "cyd"], np.array([0.1, 0.2, 0.3]))


def newcomer(name: str) -> Profile:
    return Profile((name,), np.zeros((1, 0), np.float32), np.array([0.9], np.float32))


def test_columns_that_are_left_keep_their_numbers() -> None:
    selection = Selection(INNER, [0, 2])

    assert selection.candidates == ("ada", "cyd")
    np.testing.assert_allclose(selection.success_probability(["x", "y"]), [[0.1, 0.3]] * 2)
    np.testing.assert_allclose(selection.read(["x"]).success_probability, [[0.1, 0.3]])


def test_doubt_stays_with_its_candidate() -> None:
    class Doubtful(Constant):
        @property
        def doubt(self) -> np.ndarray:
            return np.array([0.0, 0.1, 0.2], dtype=np.float32)

    np.testing.assert_allclose(Selection(Doubtful(("ada", "bob", "cyd"), np.ones(3)), [2, 0]).doubt, [0.2, 0.0])


def test_selection_of_a_selection_asks_the_router_behind_it() -> None:
    twice = Selection.of(Selection(INNER, [0, 2]), [1])

    assert twice.inner is INNER
    assert twice.candidates == ("cyd",)


def test_newcomer_stands_last_even_under_the_name_of_one_that_was_removed() -> None:
    again = Selection(INNER, [0, 2]).admit(newcomer("bob"))

    assert again.candidates == ("ada", "cyd", "bob")
    np.testing.assert_allclose(again.success_probability(["x"]), [[0.1, 0.3, 0.9]], rtol=1e-6)


def test_selection_comes_back_from_its_folder(tmp_path: Path) -> None:
    selection = Selection(INNER, [2, 0])
    settings = selection.save(tmp_path)

    loaded = bundle.load_router(tmp_path, "selection", ("cyd", "ada"), settings)

    np.testing.assert_allclose(loaded.success_probability(["x"]), [[0.3, 0.1]])
    with pytest.raises(InputError, match="names other candidates"):
        bundle.load_router(tmp_path, "selection", ("ada", "cyd"), settings)
