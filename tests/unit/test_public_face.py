"""What `import modelsat` offers: light to import, typed, and enough to route from a notebook."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modelsat
from modelsat import errors
from modelsat.bundle import bundle
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.loaded import BLOCK, LoadedRouter

OLD = Path(__file__).parents[1] / "data" / "bundle_0_1_0" / "bundle"
HEAVY = ("boto3", "mlflow", "numpy", "pandas", "pyarrow", "torch", "transformers")


@pytest.fixture(scope="module")
def router() -> LoadedRouter:
    """Router that reads prompts: adder, speller and allround, of which speller has no price."""
    return modelsat.load(OLD)


@pytest.fixture
def constant(make_bundle: Callable[..., Bundle], tmp_path: Path) -> LoadedRouter:
    """Router between small and a little better, far more expensive large."""
    make_bundle({"small": 0.70, "large": 0.75}, prices={"small": 0.1, "large": 10.0}).write(tmp_path / "bundle")
    return modelsat.load(tmp_path / "bundle")


def test_import_loads_no_heavy_package() -> None:
    code = f"import modelsat, sys; print([name for name in {HEAVY!r} if name in sys.modules])"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"


def test_every_public_name_is_there_and_listed() -> None:
    listed = dir(modelsat)

    assert [name for name in modelsat.__all__ if not hasattr(modelsat, name) or name not in listed] == []
    scope: dict[str, object] = {}
    exec("from modelsat import *", scope)  # noqa: S102
    assert set(modelsat.__all__) <= set(scope)


def test_all_errors_are_public() -> None:
    raised = {name for name, value in vars(errors).items() if isinstance(value, type)}

    assert raised <= set(modelsat.__all__)
    assert modelsat.InputError is errors.InputError


def test_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        _ = modelsat.laod


def test_type_checker_knows_the_face_and_refuses_misspelt_names(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import modelsat\n"
        "reveal_type(modelsat.load('x').route('y').model)\n"
        "reveal_type(modelsat.evaluate('x', 'y').evaluation.prompts)\n"
        "modelsat.laod\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(Path(__file__).parents[2] / "pyproject.toml")]
    command += ["--cache-dir", str(Path(__file__).parents[2] / ".mypy_cache"), str(script)]

    said = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2]).stdout

    assert 'Revealed type is "list[str]"' in said.replace("builtins.", "")
    assert 'Revealed type is "int"' in said.replace("builtins.", "")
    assert 'Module has no attribute "laod"' in said


def test_one_prompt_prints_its_candidates_and_the_reason(constant: LoadedRouter) -> None:
    printed = str(constant.route("What is 17 * 23?"))

    assert printed.splitlines()[2:] == [
        "  model  success  USD/1,000 prompts",
        "› large    0.750              2.040",
        "  small    0.700              0.020",
        "",
        "large: 5.0 points more likely to succeed than small, the next best.",
    ]


def test_several_prompts_print_a_line_each_and_say_how_many_are_left_out(constant: LoadedRouter) -> None:
    routed = constant.route([f"What is 17 * {i}?" for i in range(10, 35)])

    lines = str(routed).splitlines()
    assert lines[0].startswith("25 prompts routed by modelsat router ")
    assert lines[3] == "  What is 17 * 10?  large    0.750              2.040"
    assert len([line for line in lines if "large" in line]) == 20
    assert lines[-1] == "5 more; to_pandas() holds all"
    assert repr(routed) == str(routed)
    assert len(routed) == 25


def test_notebook_shows_prompts_escaped(constant: LoadedRouter) -> None:
    html = constant.route(["<script>alert(1)</script>", "Why?"])._repr_html_()

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<tr>") == 3


def test_frame_has_one_row_per_prompt(router: LoadedRouter) -> None:
    frame = router.route(["What is 80 + 90?", "Which word rhymes with mountain?"]).to_pandas()

    assert frame["prompt"].tolist() == ["What is 80 + 90?", "Which word rhymes with mountain?"]
    assert frame["model"].tolist() == ["adder", "speller"]
    assert frame["success_probability"].tolist() == pytest.approx([0.864246, 0.970051], abs=1e-4)
    assert np.isnan(frame["expected_cost_usd"].tolist()).tolist() == [False, True]
    assert frame.columns.tolist()[4:] == ["seen_in_training", "truncated", "foreign"]


def test_long_frame_has_one_row_per_prompt_and_shown_candidate(router: LoadedRouter) -> None:
    preferences = modelsat.Preferences(top_k=2)

    frame = router.route(["What is 80 + 90?", "Which word rhymes with mountain?"], preferences).candidates_to_pandas()

    assert frame["prompt_number"].tolist() == [0, 0, 1, 1]
    assert frame["rank"].tolist() == [1, 2, 1, 2]
    assert frame["candidate"].tolist() == ["adder", "allround", "speller", "allround"]


def test_reason_counts_candidates_that_are_not_shown(constant: LoadedRouter) -> None:
    printed = str(constant.route("Why?", modelsat.Preferences(top_k=1)))

    assert "small  " not in printed
    assert printed.endswith("large: 5.0 points more likely to succeed than small, the next best.")


def test_prompt_with_choices_is_rendered_as_the_endpoint_does(constant: LoadedRouter) -> None:
    routed = constant.route({"prompt": "Which is red?", "choices": ["sky", "blood"]})

    assert routed.prompts == ("Which is red?\nA. sky\nB. blood",)


@pytest.mark.parametrize(
    ("prompts", "fault"),
    [
        ([], "holds no prompt"),
        (["Why?", " "], "prompt 1 is empty"),
        (["Why?", 3], "prompt 1 is int; give a string"),
        (3, "prompt 0 is int; give a string"),
        (None, "prompt 0 is NoneType; give a string"),
        ([{"choices": ["a"]}], 'prompt 0 is neither a string nor an object with a string "prompt"'),
        ([{"prompt": "Why?", "choices": "ab"}], '"choices" of prompt 0 is not a list of strings'),
        (["\ud800 x"], "prompt 0 contains half a surrogate pair"),
    ],
)
def test_what_is_no_prompt_is_named_by_its_place(constant: LoadedRouter, prompts: Any, fault: str) -> None:
    with pytest.raises(modelsat.InputError, match=fault):
        constant.route(prompts)


def test_preferences_are_checked_as_in_a_request(constant: LoadedRouter) -> None:
    with pytest.raises(modelsat.InputError, match=r"cost_weight 5 is outside \[0, 1\]"):
        constant.route("Why?", modelsat.Preferences(cost_weight=5))
    with pytest.raises(modelsat.InputError, match="leave out cost_weight"):
        constant.route("Why?", modelsat.Preferences(cost_weight=0.5, budget_usd=1.0))


def test_preferences_decide(constant: LoadedRouter) -> None:
    assert constant.route("Why?").model == ["large"]
    assert constant.route("Why?", modelsat.Preferences(cost_weight=0.5)).model == ["small"]


def test_explanation_prints_the_nearest_questions(router: LoadedRouter) -> None:
    explained = router.explain("What is 80 + 90?", questions=2)

    assert explained.model == "adder"
    assert len(explained.questions) == 2
    assert str(explained).startswith("adder: 61.4 points more likely to succeed than allround, the next best.\n")
    assert "        adder: scored 1; 100 % of 3 on sums" in str(explained).splitlines()
    assert "<pre>adder: 61.4 points" in explained._repr_html_()


def test_router_without_questions_says_so(constant: LoadedRouter) -> None:
    assert str(constant.explain("Why?")).endswith("This router does not compare prompts with aptitude questions.")


def test_long_batch_says_the_same_and_reports_progress_between_blocks(
    router: LoadedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelsat.io.progress.EVERY_SECONDS", -1.0)
    prompts, lines = [f"What is 80 + {i}?" for i in range(BLOCK + 1)], []

    routed = router.route(prompts, progress=lines.append)

    assert [line.split(" · ")[0] for line in lines] == [f"reading prompts {BLOCK}/{BLOCK + 1}"]
    alone = router.route(prompts[-1:])
    np.testing.assert_allclose(routed.ranking.success_probability[-1], alone.ranking.success_probability[0], atol=1e-5)


def test_fetched_router_leaves_no_files_and_still_answers(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    uri = bundle.publish(OLD, f"s3://{bucket}/bundles")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    fetched = modelsat.load(uri)

    # Torch keeps a folder of its own there where it is imported by this test first.
    assert [path for path in scratch.iterdir() if not path.name.startswith("torchinductor")] == []
    assert fetched.digest == "158ecc851dbe7e43df758321456ef224"
    assert fetched.route("What is 80 + 90?").model == ["adder"]
    assert fetched.explain("What is 80 + 90?").questions


def test_facts_of_a_router_are_at_hand(router: LoadedRouter) -> None:
    assert router.names == ("adder", "speller", "allround")
    assert router.lineage["data_digest"] == "0" * 32
    assert repr(router) == "modelsat router 158ecc851dbe between 3 candidates: adder, speller, allround"


def test_folder_without_a_router_is_named() -> None:
    with pytest.raises(modelsat.InputError, match="'nowhere' is no complete router bundle"):
        modelsat.load("nowhere")


@pytest.mark.parametrize("prompts", [["What is 17 * 23?", "Spell 'rhythm'."], ("What is 17 * 23?",), 7])
def test_one_prompt_is_explained_and_a_list_is_refused_instead_of_its_first(router: LoadedRouter, prompts: Any) -> None:
    with pytest.raises(modelsat.InputError, match="explain takes one prompt; call it for each"):
        router.explain(prompts)
