"""A project's folder can be moved, and its champion is found where it is now."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelsat.bundle import champions, opening, relative_address
from modelsat.bundle.bundle import Bundle
from modelsat.cli import app


def promoted(folder: Path, make_bundle: Callable[..., Bundle], against: int = 0) -> Bundle:
    where = folder / "bundles" / f"b{against}"
    made = make_bundle({"ada": 0.5 + against / 10}).write(where)
    champions.promote(
        str(folder / "champions"), str(where), made.digest, f"router/{against + 1}", f"r{against}", "ok", against
    )
    return made


def test_champion_of_a_folder_that_was_moved_is_opened_where_it_is_now(
    make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    first, second = (promoted(tmp_path / "old" / ".run", make_bundle, epoch) for epoch in (0, 1))
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "old" / ".run", tmp_path / "elsewhere" / ".run")

    store = str(tmp_path / "elsewhere" / ".run" / "champions")
    champion = champions.required(store)

    assert champion.bundle_uri == str(tmp_path / "elsewhere" / ".run" / "bundles" / "b1")
    with opening.opened_champion(champion) as opened:
        assert opened.digest == second.digest
    back = champions.of_epoch(store, 1)
    third = champions.promote(store, back.bundle_uri, back.bundle_digest, back.model, "back", "rolled back", 2)
    with opening.opened_champion(third) as opened:
        assert opened.digest == first.digest
    done = CliRunner().invoke(
        app, ["route", "What is 1 + 1?", "--folder", str(tmp_path / "elsewhere" / ".run"), "--json"]
    )
    assert json.loads(done.stdout)["model"] == "ada"


def test_record_of_0_1_0_with_an_absolute_address_is_read(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    made = make_bundle({"ada": 0.5}).write(tmp_path / "bundles" / "b")
    old = {
        "epoch": 1,
        "bundle_uri": str(tmp_path / "bundles" / "b"),
        "bundle_digest": made.digest,
        "model": "router/1",
        "run_id": "run",
        "verdict": "promoted",
        "promoted_at": "2026-11-01T00:00:00+00:00",
    }
    (tmp_path / "champions").mkdir()
    (tmp_path / "champions" / "000001.json").write_text(json.dumps(old))

    with opening.opened_champion(champions.required(str(tmp_path / "champions"))) as opened:
        assert opened.digest == made.digest


def test_signature_holds_over_the_address_as_it_stands_in_the_record(
    make_bundle: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSAT_SIGNING_KEY", "k" * 40)
    promoted(tmp_path / "old", make_bundle)
    shutil.move(tmp_path / "old", tmp_path / "new")

    assert champions.required(str(tmp_path / "new" / "champions")).bundle_uri == str(
        tmp_path / "new" / "bundles" / "b0"
    )


@pytest.mark.parametrize(
    ("bundle", "store", "written"),
    [
        ("/p/.run/bundles/b", "/p/.run/champions", "../bundles/b"),
        ("/p/.run/champions/b", "/p/.run/champions", "../champions/b"),
        ("/q/bundles/b", "/p/.run/champions", "/q/bundles/b"),
        ("/p/.running/b", "/p/.run/champions", "/p/.running/b"),
        ("s3://m/bundles/b", "/p/.run/champions", "s3://m/bundles/b"),
        ("models:/router/3", "/p/.run/champions", "models:/router/3"),
        ("/p/bundles/b", "s3://m/champions", "/p/bundles/b"),
        ("bundles/b", "champions", "bundles/b"),
    ],
)
def test_addresses_below_the_folder_are_relative_and_others_stay(bundle: str, store: str, written: str) -> None:
    assert relative_address.written(bundle, store) == written
    assert relative_address.resolved(written, store) == bundle
