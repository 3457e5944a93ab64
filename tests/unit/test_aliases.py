"""A model that goes by several names is one candidate, and none stands for two."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data import contracts
from modelsat.data.aliases import Roster

NAME = st.sampled_from("abcde")
ROWS = st.dictionaries(NAME, st.lists(NAME, max_size=3), max_size=5)


def candidates(**aliases: list[str]) -> pa.Table:
    """Return candidates with their aliases."""
    return contracts.from_rows(
        [{"candidate": name, "aliases": found} for name, found in aliases.items()], contracts.CANDIDATES
    )


def test_same_name_is_the_same_candidate() -> None:
    assert Roster.of(candidates(a=[], b=[])).match(candidates(b=[], c=[])) == {"b": "b"}


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (candidates(ada=["ada-1"]), candidates(**{"ada-1": []})),
        (candidates(ada=[]), candidates(**{"ada-1": ["ada"]})),
        (candidates(ada=["org/ada"]), candidates(**{"ada-1": ["org/ada"]})),
        (candidates(ada=[]), candidates(**{"ada-1": ["other", "ada"]})),
    ],
    ids=["known has the alias", "found has the alias", "both have it", "second alias"],
)
def test_alias_on_either_side_says_who_is_who(known: pa.Table, found: pa.Table) -> None:
    assert Roster.of(known).match(found) == {"ada-1": "ada"}


def test_name_goes_before_alias() -> None:
    assert Roster.of(candidates(ada=["bob"], bob=[])).match(candidates(bob=[], eve=["ada"])) == {
        "bob": "bob",
        "eve": "ada",
    }


def test_known_candidate_never_stands_for_two() -> None:
    known = candidates(ada=["ada-1", "ada-2"])

    assert Roster.of(known).match(candidates(**{"ada-1": [], "ada-2": []})) == {"ada-1": "ada"}
    assert Roster.of(known).match(candidates(**{"ada-1": [], "ada": []})) == {"ada": "ada"}


def test_candidate_takes_the_next_alias_where_the_first_is_taken() -> None:
    known = candidates(ada=[], bob=[])

    assert Roster.of(known).match(candidates(one=["ada"], two=["ada", "bob"])) == {"one": "ada", "two": "bob"}


@given(known=ROWS, found=ROWS)
def test_pairs_are_one_to_one_and_have_a_name_in_common(
    known: dict[str, list[str]], found: dict[str, list[str]]
) -> None:
    pairs = Roster.of(candidates(**known)).match(candidates(**found))

    assert len(set(pairs.values())) == len(pairs)
    assert {name: name for name in known.keys() & found.keys()}.items() <= pairs.items()
    for one, other in pairs.items():
        assert {one, *found[one]} & {other, *known[other]}


def test_name_goes_before_aliases_of_either_side() -> None:
    roster = Roster.of(candidates(ada=["org/ada", "bob"]), candidates(bob=[]))

    assert roster.resolve("bob", ["org/ada"]) == "bob"
    assert roster.resolve("eve", ["unknown", "org/ada"]) == "ada"
    assert roster.resolve("eve") is None


def test_alias_of_two_candidates_means_the_first() -> None:
    assert Roster.of(candidates(ada=["a"]), candidates(eve=["a"])).resolve("a") == "ada"


@given(known=ROWS, name=NAME, aliases=st.lists(NAME, max_size=3))
def test_one_candidate_is_resolved_as_a_table_of_one_is_matched(
    known: dict[str, list[str]], name: str, aliases: list[str]
) -> None:
    roster = Roster.of(candidates(**known))

    assert roster.resolve(name, aliases) == roster.match(candidates(**{name: aliases})).get(name)
