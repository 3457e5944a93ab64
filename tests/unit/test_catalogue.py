"""A catalogue of candidates is read whole or refused by row."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from modelsat.cli import app
from modelsat.data import catalogue, contracts
from modelsat.data.aliases import Roster
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.io import storage

CSV = """candidate,family,release_date,price_in,aliases
ada,lovelace,2024-05-13,0.5,"ada-1,org/ada"
bob,,,,
"""
YAML_LIST = """
- candidate: ada
  family: lovelace
  release_date: 2024-05-13
  price_in: 0.5
  aliases: [ada-1, org/ada]
- candidate: bob
"""
YAML_MAPPING = "candidates:" + YAML_LIST.replace("\n", "\n  ")
PARQUET = pa.table(
    {
        "candidate": ["ada", "bob"],
        "family": ["lovelace", None],
        "release_date": pa.array([date(2024, 5, 13), None]),
        "price_in": [0.5, float("nan")],
        "aliases": [["ada-1", "org/ada"], None],
    }
)
MakeCollection = Callable[..., Collection]
Write = Callable[[str, str | bytes | pa.Table], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file of text, bytes or a table and returns its path."""

    def write_file(name: str, content: str | bytes | pa.Table) -> str:
        path = tmp_path / name
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write_file


def candidates(**aliases: list[str]) -> pa.Table:
    """Return candidates with their aliases."""
    return contracts.from_rows(
        [{"candidate": name, "aliases": found} for name, found in aliases.items()], contracts.CANDIDATES
    )


def fact(collection: Collection, field: str) -> dict[str, object]:
    return dict(
        zip(collection.candidates["candidate"].to_pylist(), collection.candidates[field].to_pylist(), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("facts.csv", CSV),
        ("facts.CSV", "\ufeff" + CSV),
        ("facts.yaml", YAML_LIST),
        ("facts.yml", YAML_MAPPING),
        ("facts.parquet", PARQUET),
    ],
    ids=["csv", "csv of a spreadsheet", "yaml list", "yaml mapping", "parquet"],
)
def test_every_kind_of_file_tells_the_same(write: Write, name: str, content: str | pa.Table) -> None:
    ada, bob = catalogue.read(write(name, content)).to_pylist()

    assert (ada["candidate"], ada["family"], ada["released_at"]) == ("ada", "lovelace", date(2024, 5, 13))
    assert (ada["price_in"], ada["price_out"], ada["aliases"]) == (0.5, None, ["ada-1", "org/ada"])
    assert bob == dict.fromkeys(contracts.CANDIDATES.names) | {"candidate": "bob"}


@pytest.mark.parametrize("column", ["candidate", "model", "name"])
def test_name_stands_under_one_of_three_columns(write: Write, column: str) -> None:
    assert catalogue.read(write("facts.csv", f"{column},price_in\nada,1\n"))["candidate"].to_pylist() == ["ada"]


def test_catalogue_in_s3_is_read(bucket: str) -> None:
    storage.create(f"s3://{bucket}/facts.csv", CSV.encode())

    assert catalogue.read(f"s3://{bucket}/facts.csv")["candidate"].to_pylist() == ["ada", "bob"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("candidate,family\nada,x\n,y\n", "row 2 of catalogue .*: a candidate needs a name"),
        ("candidate\nada\nb o b\n", "row 2 of catalogue .*: candidate name 'b o b' is not usable; rename it"),
        ("candidate\nada\nbob\nada\n", "row 3 of catalogue .*: candidate 'ada' stands there twice; keep one row"),
        (
            "candidate,price_in\nada,free\n",
            "row 1 of catalogue .*: a fact about 'ada' is not readable .*free.*correct it",
        ),
        (
            "candidate,price_out\nada,-0.5\n",
            r"row 1 of catalogue .*'ada' .*\(price_out: '-0.5' is no price; .* at least 0",
        ),
        ("candidate,context_length\nada,-1\n", r"row 1 of catalogue .*'ada' .*\(context_length: '-1' is out of range"),
        ("candidate,tools\nada,perhaps\n", r"row 1 of catalogue .*'ada' .*\(tools: 'perhaps' is neither yes nor no"),
        ("candidate,api_key_env\nada,OPENAI_API_KEY=x\n", r"\(api_key_env: this is no name of an environment variable"),
        ("candidate,n_params_b\nada,1e12\n", "row 1 of catalogue .*: a fact about 'ada' .*out of range"),
        (
            "candidate,aliases\nada,a,b\n",
            "row 1 of catalogue .*: it has more fields than the header; put quotes around",
        ),
        ("candidate,price_in\n", "lists no candidate; add a row with a column 'candidate'"),
        ("", "lists no candidate"),
        ('candidate\n"ada', "is not readable .*; correct it"),
        (b"candidate\n\xff\xfe\n", "is not readable .*; correct it"),
    ],
)
def test_csv_that_is_no_catalogue_is_refused(write: Write, content: str | bytes, sentence: str) -> None:
    uri = write("facts.csv", content)

    with pytest.raises(InputError, match=sentence) as caught:
        catalogue.read(uri)

    assert repr(uri) in str(caught.value)


def test_key_that_stands_in_a_catalogue_is_never_repeated(write: Write) -> None:
    with pytest.raises(InputError) as caught:
        catalogue.read(write("facts.csv", "candidate,api_key_env\nada,sk-abc123\n"))

    assert "sk-abc123" not in str(caught.value)


def test_broken_row_hides_no_other_one_from_show(write: Write) -> None:
    uri = write("facts.yaml", "- {candidate: ada, price_in: -1}\n- {candidate: bob, price_in: 2}\n")

    shown = CliRunner().invoke(app, ["catalogue", "show", uri])

    assert "row 1" in shown.stderr
    assert shown.stdout.splitlines()[1].split() == ["bob", "2.0"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://api.anthropic.com/v1/messages", "write its base, such as https://api.anthropic.com/v1"),
        ("llm.example.com/v1", "has no http:// or https:// in front"),
        ("https://llm.example.com/v1?key=sk-abc123", "query"),
    ],
)
def test_check_names_an_address_that_nothing_can_be_asked_at(write: Write, address: str, reason: str) -> None:
    uri = write("facts.yaml", f"- {{candidate: ada, endpoint: '{address}'}}\n- candidate: bob\n")

    checked = CliRunner().invoke(app, ["catalogue", "check", uri])

    assert "the endpoint of candidate 'ada' " in checked.stderr
    assert reason in checked.stderr
    assert "sk-abc123" not in checked.output
    assert "1 candidate can be used" in checked.stdout
    assert isinstance(checked.exception, InputError)


def test_files_of_a_folder_are_one_catalogue(write: Write, tmp_path: Path) -> None:
    write("a.yaml", "- candidate: ada\n")
    write("b.csv", "candidate\nbob\n")
    write("notes.txt", "not a catalogue")

    assert catalogue.read(str(tmp_path))["candidate"].to_pylist() == ["ada", "bob"]


def test_candidate_in_two_files_is_named_with_the_second(write: Write, tmp_path: Path) -> None:
    write("a.yaml", "- candidate: ada\n")
    write("b.csv", "candidate\nbob\nada\n")

    with pytest.raises(InputError, match=r"row 2 of catalogue '.*b\.csv': candidate 'ada' stands there twice"):
        catalogue.read(str(tmp_path))


def test_folder_in_s3_is_one_catalogue(bucket: str) -> None:
    storage.create(f"s3://{bucket}/list/a.csv", CSV.encode())
    storage.create(f"s3://{bucket}/list/b.yaml", b"- candidate: eve")

    assert catalogue.read(f"s3://{bucket}/list")["candidate"].to_pylist() == ["ada", "bob", "eve"]


def test_candidate_is_found_by_name_first_and_then_by_alias() -> None:
    table = candidates(ada=["eve", "a-1"], eve=[])

    assert catalogue.find(table, "eve")["candidate"] == "eve"
    assert catalogue.find(table, "a-1")["candidate"] == "ada"
    with pytest.raises(InputError, match="the catalogue has no candidate 'bob'; first entries: ada, eve"):
        catalogue.find(table, "bob")


def test_catalogue_is_written_in_two_formats_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"written as \.yaml or \.parquet, not as '.*\.csv'"):
        catalogue.write(candidates(ada=[]), tmp_path / "facts.csv")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("- candidate: ada\n  release_date: 2024-13-01\n", "is not readable .*; correct it"),
        ("- candidate: [ada", "is not readable .*line 1.*; correct it"),
        ("- candidate: 7\n", "row 1 of catalogue .*: a candidate needs a name"),
        ("- candidate: ada\n  aliases: 7\n", "row 1 of catalogue .*: a fact about 'ada' is not readable .*no list"),
        ("- ada\n- bob\n", "is no list of candidates; write a row or a mapping per candidate"),
        ("ada: {price_in: 1}\n", "is no list of candidates"),
        ("", "is no list of candidates"),
        ("[]", "lists no candidate"),
    ],
)
def test_yaml_that_is_no_catalogue_is_refused(write: Write, content: str, sentence: str) -> None:
    uri = write("facts.yaml", content)

    with pytest.raises(InputError, match=sentence) as caught:
        catalogue.read(uri)

    assert repr(uri) in str(caught.value)


def test_parquet_that_is_none_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match=r"facts\.parquet' is not readable .*; correct it"):
        catalogue.read(write("facts.parquet", "candidate\nada\n"))


def test_file_of_another_kind_is_refused(write: Write, tmp_path: Path) -> None:
    for uri in (write("facts.json", "[]"), str(tmp_path)):
        with pytest.raises(InputError, match=r"is no \.csv, \.parquet, \.yaml or \.yml file; name one"):
            catalogue.read(uri)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"facts\.csv' does not exist; check the path"):
        catalogue.read(str(tmp_path / "facts.csv"))


def test_catalogue_goes_before_what_the_results_say_and_keeps_what_it_does_not_tell(
    make_collection: MakeCollection,
) -> None:
    collection = make_collection([[1, 0]], ["What is 1 + 1?"], ("ada", "bob"), prices=(1.0, 2.0))
    told = contracts.from_rows([{"candidate": "ada", "price_in": 0.25, "family": "lovelace"}], contracts.CANDIDATES)

    enriched = catalogue.enrich(collection, told)

    assert fact(enriched, "price_in") == {"ada": 0.25, "bob": 2.0}
    assert fact(enriched, "price_out") == {"ada": 1.0, "bob": 2.0}
    assert fact(enriched, "family") == {"ada": "lovelace", "bob": None}
    assert enriched.scores is collection.scores


def test_candidate_keeps_its_name_and_learns_the_other_ones(make_collection: MakeCollection) -> None:
    collection = make_collection([[1, 0]], ["What is 1 + 1?"], ("ada-1", "bob"))

    enriched = catalogue.enrich(collection, candidates(ada=["ada-1", "org/ada"]))

    assert fact(enriched, "aliases") == {"ada-1": ["ada", "org/ada"], "bob": None}


def test_row_of_a_candidate_without_results_is_left_out(make_collection: MakeCollection) -> None:
    collection = make_collection([[1, 0]], ["What is 1 + 1?"], ("ada", "bob"))

    assert catalogue.enrich(collection, candidates(eve=[])).candidates.equals(collection.candidates)


def test_catalogue_joins_names_that_share_none(make_collection: MakeCollection) -> None:
    known = candidates(**{"org/ada": []})
    collection = make_collection([[1]], ["What is 1 + 1?"], ("ada-1",))

    enriched = catalogue.enrich(collection, candidates(ada=["ada-1", "org/ada"]))

    assert Roster.of(known).match(collection.candidates) == {}
    assert Roster.of(known).match(enriched.candidates) == {"ada-1": "org/ada"}


def test_price_in_digits_that_only_python_reads_is_refused(write: Write) -> None:
    for cell in ("0_1", "\u0661", "true"):
        with pytest.raises(InputError, match=r"price_in: .* is no number"):
            catalogue.read(write("c.csv", f"model,price_in\na,{cell}\n"))


def test_misspelt_field_is_named_with_the_one_that_is_meant(write: Write) -> None:
    uri = write("c.yaml", "candidates: [{model: a, famly: f, Price_In: 1, colour: red}, {model: b, famly: g}]")

    assert catalogue.near_misses(uri) == [
        f"field 'famly' of catalogue {uri!r} is not read; is 'family' meant? [column-not-read]",
        f"field 'Price_In' of catalogue {uri!r} is not read; is 'price_in' meant? [column-not-read]",
    ]
