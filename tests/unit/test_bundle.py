"""A bundle is read as it was written or not at all."""

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.aptitude import frozen_test
from modelsat.bundle import bundle, champions, manifest, opening
from modelsat.bundle.bundle import Bundle, Calibration
from modelsat.data import contracts
from modelsat.errors import InputError
from modelsat.io import signing, storage
from modelsat.io.atomic import write_json
from modelsat.routers.constant import Constant

FILES = [
    "ATTRIBUTION.md",
    "aptitude_answers.parquet",
    "aptitude_test.parquet",
    "bundle.json",
    "candidates.parquet",
    "cards.parquet",
    "seen_prompts.parquet",
]
KEY, OTHER_KEY = "k" * 32, "o" * 32


@pytest.fixture
def made(make_bundle: Callable[..., Bundle]) -> Bundle:
    question = {"version": "apt-1", "task": "sums", "category": "sums", "keywords": ["sum"] * 5}
    return make_bundle(
        {"ada": 0.25, "bob": 0.75},
        prices={"ada": 2.0},
        aptitude_test=[question | {"position": 0, "prompt_id": "p", "stem_digest": "d", "text": "1 + 1?"}],
        cards=[
            {"candidate": name, "test_version": "apt-1", "task": "sums", "accuracy": a, "n": 1, "shrunken_accuracy": a}
            for name, a in (("ada", 0.0), ("bob", 1.0))
        ],
        calibration=Calibration(0.5, -0.25),
        lineage={"run_id": "run-1", "mean_score": {"ada": 0.25}},
        attribution="MIT, questions by ada\n",
        answers=frozen_test.answers(np.asarray([[0.0, 1.0]]), ["ada", "bob"]),
    )


@pytest.fixture
def folder(made: Bundle, tmp_path: Path) -> Path:
    made.write(tmp_path / "bundle")
    return tmp_path / "bundle"


def rewrite(folder: Path, **facts: object) -> None:
    """Change facts of bundle.json and make the manifest agree."""
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    (folder / "manifest.json").unlink()
    manifest.write(folder)


def test_written_bundle_is_read_back(made: Bundle, folder: Path) -> None:
    back = bundle.read(folder)

    assert back.names == ("ada", "bob")
    assert isinstance(back.router, Constant)
    assert back.candidates.equals(made.candidates)
    assert back.aptitude_test.equals(made.aptitude_test)
    assert back.cards.equals(made.cards)
    assert back.answers.equals(made.answers)
    assert (back.calibration, back.lineage, back.attribution) == (made.calibration, made.lineage, made.attribution)
    np.testing.assert_array_equal(back.success_probability(["x"]), made.success_probability(["x"]))


def test_digest_is_that_of_the_content(made: Bundle, folder: Path, tmp_path: Path) -> None:
    again = made.write(tmp_path / "again")
    other = replace(made, attribution="other").write(tmp_path / "other")

    assert made.digest == ""
    assert bundle.read(folder).digest == again.digest == bundle.verify(folder)
    assert other.digest != again.digest


def test_bundle_holds_nothing_that_can_be_run(folder: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    assert names == sorted([*FILES, "manifest.json"])


def test_calibration_is_applied_to_the_router(made: Bundle) -> None:
    logits = 0.5 * np.log(np.array([0.25 / 0.75, 0.75 / 0.25])) - 0.25

    np.testing.assert_allclose(
        made.success_probability(["x", "y"]), np.tile(1 / (1 + np.exp(-logits)), (2, 1)), rtol=1e-6
    )


def test_identity_calibration_changes_nothing() -> None:
    p = np.array([[0.001, 0.5, 0.999]], dtype=np.float32)

    np.testing.assert_allclose(Calibration()(p), p, rtol=1e-4)


@given(
    hnp.arrays(np.float32, st.integers(1, 12), elements=st.floats(0, 1, width=32)),
    st.floats(0.05, 5),
    st.floats(-5, 5),
)
def test_calibration_keeps_the_order(p: np.ndarray, slope: float, intercept: float) -> None:
    calibrated = Calibration(slope, intercept)(p)

    order = np.argsort(p, kind="stable")
    assert (np.diff(calibrated[order]) >= 0).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


@pytest.mark.parametrize("name", FILES)
def test_flipped_byte_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(
        InputError, match=f"'{re.escape(name)}' of bundle .* differs from its manifest; fetch the bundle"
    ):
        bundle.read(folder)


@pytest.mark.parametrize("name", FILES)
def test_truncated_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])

    with pytest.raises(InputError, match="differs from its manifest"):
        bundle.read(folder)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(InputError, match=f"'{re.escape(name)}' of bundle .* is missing"):
        bundle.read(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", ".hidden", "encoder/model.py"])
def test_file_that_does_not_belong_there_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()

    with pytest.raises(InputError, match=f"'{re.escape(name)}' of bundle .* does not belong there"):
        bundle.read(folder)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "7"], ids=["absent", "empty", "object", "list", "number"])
def test_bundle_without_a_manifest_is_refused(folder: Path, content: str | None) -> None:
    (folder / "manifest.json").unlink()
    if content is not None:
        (folder / "manifest.json").write_text(content)

    with pytest.raises(InputError, match=r"is no complete router bundle: it has no readable manifest\.json"):
        bundle.read(folder)


@pytest.mark.parametrize(
    "files",
    [[], None, {name: {} for name in FILES}, dict.fromkeys(FILES)],
    ids=["list", "null", "no digests", "no facts"],
)
def test_manifest_of_another_shape_is_refused(folder: Path, files: object) -> None:
    (folder / "manifest.json").write_text(json.dumps({"files": files}))

    with pytest.raises(InputError, match="manifest"):
        bundle.read(folder)


def test_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no complete router bundle"):
        bundle.read(tmp_path / "nowhere")


@pytest.mark.parametrize(("value", "remedy"), [(99, "upgrade modelsat"), (0, "retrain the router")])
@pytest.mark.parametrize("name", ["format", "renderer_version"])
def test_other_format_or_renderer_is_refused(folder: Path, name: str, value: int, remedy: str) -> None:
    rewrite(folder, **{name: value})

    with pytest.raises(InputError, match=rf"has {name} {value}, this modelsat reads 1; {remedy}"):
        bundle.read(folder)


def test_router_of_an_unknown_kind_is_refused(folder: Path) -> None:
    rewrite(folder, kind="oracle")

    with pytest.raises(
        InputError, match=r"holds a router of kind 'oracle'; this modelsat knows \['constant', 'fusion'"
    ):
        bundle.read(folder)


def test_tables_can_be_read_without_the_router(folder: Path) -> None:
    rewrite(folder, kind="model-sat", settings={})

    back = bundle.read(folder, with_router=False)

    assert back.names == ("ada", "bob")
    assert back.router.success_probability(["x"]).tolist() == [[0.0, 0.0]]
    assert back.cards.num_rows == 2


def test_router_and_table_of_different_candidates_are_not_written(made: Bundle, tmp_path: Path) -> None:
    swapped = replace(made, candidates=made.candidates.take([1, 0]))

    with pytest.raises(InputError, match="name different candidates; rebuild both"):
        swapped.write(tmp_path / "bundle")

    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    return f"s3://{request.getfixturevalue('bucket')}/store"


def test_published_bundle_is_opened_whole(folder: Path, store: str) -> None:
    uri = bundle.publish(folder, store)

    assert uri == f"{store}/{bundle.verify(folder)}"
    with opening.opened(uri) as opened:
        assert opened.digest == bundle.verify(folder)


def test_publishing_twice_is_harmless(folder: Path, store: str) -> None:
    uris = {bundle.publish(folder, store) for _ in range(2)}

    assert len(uris) == 1
    with opening.opened(uris.pop()) as opened:
        assert opened.digest == bundle.verify(folder)


def test_damaged_bundle_is_not_published(folder: Path, store: str) -> None:
    (folder / "cards.parquet").unlink()

    with pytest.raises(InputError, match="is missing"):
        bundle.publish(folder, store)

    assert storage.names(store) == []


def test_bundle_damaged_in_the_store_is_refused_when_opened(folder: Path, tmp_path: Path) -> None:
    uri = bundle.publish(folder, str(tmp_path / "store"))
    (Path(uri) / "ATTRIBUTION.md").write_text("another")

    with pytest.raises(InputError, match=r"'ATTRIBUTION\.md' of bundle .* differs from its manifest"):
        opening.opened(uri).__enter__()


def test_unfinished_copy_is_refused_when_opened(folder: Path, bucket: str) -> None:
    for name in FILES:
        storage.create(f"s3://{bucket}/half/{name}", (folder / name).read_bytes())

    with pytest.raises(InputError, match=rf"'s3://{bucket}/half' is no complete router bundle"):
        opening.opened(f"s3://{bucket}/half").__enter__()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_folder_on_this_machine_is_opened_without_a_copy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))

    with opening.opened(f"{scheme}{folder}") as opened:
        assert opened.digest == bundle.verify(folder)
        assert [path for path in (tmp_path / "copies").rglob("*") if path.is_file()] == []


def test_champion_with_another_bundle_than_its_record_says_is_refused(folder: Path, tmp_path: Path) -> None:
    record = champions.promote(str(tmp_path / "champions"), str(folder), "0123", "router/1", "run", "promoted", 0)

    with pytest.raises(InputError, match=r"has digest \w{32,}, the champion record of epoch 1 says 0123; publish the"):
        opening.opened_champion(record).__enter__()


def test_killed_write_leaves_the_old_bundle(made: Bundle, folder: Path) -> None:
    digest = bundle.verify(folder)
    broken = replace(made, lineage={"mean": float("nan")})

    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.write(folder)

    assert bundle.verify(folder) == digest
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_copied_bundle_is_the_same_bundle(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")

    assert bundle.verify(tmp_path / "copy") == bundle.verify(folder)


def test_every_flipped_byte_is_refused(made: Bundle, folder: Path) -> None:
    """Of every file some bytes, and all of the manifest's: a bundle is read as it was written or not at all."""
    rng = np.random.default_rng(0)
    for path in [folder / name for name in FILES] + [folder / "manifest.json"] * 20:
        whole = path.read_bytes()
        for place in rng.choice(len(whole), 8):
            content = bytearray(whole)
            content[place] ^= int(rng.integers(1, 256))
            path.write_bytes(content)
            with pytest.raises(InputError):
                bundle.verify(folder)
        path.write_bytes(whole)

    assert bundle.verify(folder)


def test_bundle_of_an_earlier_version_has_no_answers(folder: Path) -> None:
    (folder / "aptitude_answers.parquet").unlink()
    (folder / "manifest.json").unlink()
    manifest.write(folder)

    assert bundle.read(folder).answers.equals(contracts.APTITUDE_ANSWERS.empty_table())


def test_signed_bundle_is_read_where_the_key_is_known(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signing.VARIABLE, KEY)
    signed = made.write(tmp_path / "signed")

    for keys in (KEY, f"{OTHER_KEY}, {KEY}", ""):
        monkeypatch.setenv(signing.VARIABLE, keys)
        assert bundle.read(tmp_path / "signed").digest == signed.digest


def test_bundle_of_a_stranger_is_refused_where_there_is_a_key(
    made: Bundle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signing.VARIABLE, OTHER_KEY)
    made.write(tmp_path / "other")
    monkeypatch.setenv(signing.VARIABLE, KEY)

    with pytest.raises(InputError, match="is not signed and MODELSAT_SIGNING_KEY is set"):
        bundle.read(folder)
    with pytest.raises(InputError, match="is signed with a key that is not in MODELSAT_SIGNING_KEY"):
        bundle.read(tmp_path / "other")


def test_signature_of_another_bundle_is_no_signature(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signing.VARIABLE, KEY)
    for name in ("mine", "theirs"):
        replace(made, attribution=name).write(tmp_path / name)
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("mine", "theirs")]
    write_json(tmp_path / "theirs" / "manifest.json", manifests[1] | {"signature": manifests[0]["signature"]})

    with pytest.raises(InputError, match="is signed with a key that is not in"):
        bundle.read(tmp_path / "theirs")


def test_short_key_is_refused_and_never_shown(made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.VARIABLE, "swordfish")

    with pytest.raises(InputError, match="holds a key of fewer than 32 characters") as refused:
        made.write(tmp_path / "bundle")
    assert "swordfish" not in str(refused.value)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("bundle.json", b""),
        ("bundle.json", b"[" * 100_000),
        ("bundle.json", b'{"format": "1"}'),
        ("candidates.parquet", b"PAR1"),
        ("cards.parquet", b""),
        ("ATTRIBUTION.md", b"\xff"),
    ],
)
def test_wrong_content_behind_a_right_manifest_is_one_sentence(
    tmp_path: Path, make_bundle: Callable[..., Bundle], file: str, content: bytes
) -> None:
    folder = tmp_path / "bundle"
    make_bundle({"a": 0.5, "b": 0.6}).write(folder)
    (folder / file).write_bytes(content)
    (folder / "manifest.json").unlink()
    manifest.write(folder)

    with pytest.raises(InputError, match=r"its content is not usable|is not a readable Parquet file"):
        bundle.read(folder)


@pytest.mark.parametrize("field", ["format", "kind", "settings", "candidates", "calibration", "lineage"])
@pytest.mark.parametrize("value", [None, -1, [], "x"])
def test_no_field_of_a_bundle_s_facts_is_taken_on_trust(
    tmp_path: Path, make_bundle: Callable[..., Bundle], field: str, value: object
) -> None:
    folder = tmp_path / "bundle"
    make_bundle({"a": 0.5, "b": 0.6}).write(folder)
    facts = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(facts | {field: value}))
    (folder / "manifest.json").unlink()
    manifest.write(folder)

    with pytest.raises(InputError, match="bundle"):
        bundle.read(folder)
