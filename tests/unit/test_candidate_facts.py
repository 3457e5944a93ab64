"""What a row says of a candidate, in the columns and spellings that people use."""

from datetime import date, datetime

import pytest

from modelsat.data import candidate_facts


def test_columns_of_a_models_table_become_fields_of_the_contract() -> None:
    cells = {
        "candidate": "ada",
        "family": "lovelace",
        "release_date": "2024-05-13",
        "context_length": "8192",
        "price_in_usd_per_mtok": "0.5",
        "price_out_usd_per_mtok": "1.5",
        "n_params_b": "7.5",
        "endpoint": "https://example.org/v1",
        "aliases": "ada-1",
        "vendor": "Analytical Engines",
    }

    assert candidate_facts.parse(cells) == {
        "family": "lovelace",
        "released_at": date(2024, 5, 13),
        "context_length": 8192,
        "price_in": 0.5,
        "price_out": 1.5,
        "n_params": 7_500_000_000,
        "endpoint": "https://example.org/v1",
        "aliases": ["ada-1"],
    }


def test_fields_of_the_contract_are_columns_too() -> None:
    assert candidate_facts.parse({"price_in": 0, "price_out": 2, "released_at": date(2024, 5, 13)}) == {
        "price_in": 0.0,
        "price_out": 2.0,
        "released_at": date(2024, 5, 13),
    }


@pytest.mark.parametrize("cell", [None, "", " ", float("nan"), "NaN"], ids=repr)
@pytest.mark.parametrize(
    "column", ["family", "release_date", "context_length", "price_in", "n_params_b", "aliases", "endpoint"]
)
def test_missing_cell_tells_nothing(column: str, cell: object) -> None:
    assert candidate_facts.parse({column: cell}) == {}


def test_price_of_nothing_is_a_price() -> None:
    assert candidate_facts.parse({"price_in": "0"}) == {"price_in": 0.0}


@pytest.mark.parametrize(
    "cell",
    [
        ["a", "org/b"],
        ("a", "org/b"),
        '["a", "org/b"]',
        ' ["a", "org/b"]',
        "a|org/b",
        "a; org/b",
        "a, org/b,",
        " a |org/b ",
    ],
    ids=repr,
)
def test_aliases_are_a_list_in_every_spelling(cell: object) -> None:
    assert candidate_facts.parse({"aliases": cell}) == {"aliases": ["a", "org/b"]}


@pytest.mark.parametrize("cell", [[], "[]", [" "]], ids=repr)
def test_no_alias_is_an_empty_list(cell: object) -> None:
    assert candidate_facts.parse({"aliases": cell}) == {"aliases": []}


@pytest.mark.parametrize(
    "cell",
    [date(2024, 5, 13), datetime(2024, 5, 13, 18, 30), "2024-05-13", "2024-05-13T18:30:00", "2024-05-13 18:30:00"],
    ids=repr,
)
def test_day_of_release_is_read_from_every_date(cell: object) -> None:
    assert candidate_facts.parse({"release_date": cell}) == {"released_at": date(2024, 5, 13)}


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("price_in", "free"),
        ("price_out", True),
        ("release_date", "May"),
        ("release_date", "2024-02-30"),
        ("context_length", "8k"),
        ("context_length", -1),
        ("context_length", 2**31),
        ("context_length", "inf"),
        ("n_params_b", "7B"),
        ("n_params_b", "inf"),
        ("n_params_b", 2e9),
        ("aliases", 7),
        ("aliases", {"a": "b"}),
        ("aliases", '["a"'),
    ],
)
def test_value_that_cannot_be_read_is_an_error(column: str, cell: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        candidate_facts.parse({column: cell})
