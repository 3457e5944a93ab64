"""The aptitude test as a task of lm-evaluation-harness, and its results on the way back."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from llm_server import LlmServer
from test_asking import question, right

from modelsat.bundle.bundle import Bundle
from modelsat.data.collection import collect
from modelsat.onboarding.asking import lm_eval_task, replies

LM_EVAL = os.environ.get("MODELSAT_LM_EVAL") or shutil.which("lm_eval")


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    rows = [question(i) for i in range(6)]
    return make_bundle({"ada": 0.5}, aptitude_test=rows, attribution="Licence: by hand")


@pytest.fixture
def task(bundle: Bundle, tmp_path: Path) -> Path:
    return lm_eval_task.export(bundle, tmp_path / "task")


def test_task_names_its_questions_by_their_full_path(task: Path) -> None:
    config = yaml.safe_load((task / "modelsat_aptitude.yaml").read_text(encoding="utf-8"))

    documents = Path(config["dataset_kwargs"]["data_files"]["test"])
    assert documents.is_absolute()
    rows = [json.loads(line) for line in documents.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [f"q{i:03d}" for i in range(6)]
    assert rows[0]["choices"] == ["0", "1", "2"]
    assert rows[0]["question"] == "What is 0 plus 0, said in the way of question 0?"
    assert rows[0]["text"].startswith("What is 0 plus 0, said in the way of question 0?\nA. 0\nB. 1\nC. 2\n\n")


def test_only_the_first_questions_are_exported_where_that_is_asked_for(bundle: Bundle, tmp_path: Path) -> None:
    few = lm_eval_task.export(bundle, tmp_path / "few", first=2)

    assert len((few / "questions.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_licences_travel_with_the_questions(task: Path) -> None:
    assert "Licence: by hand" in (task / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("reply", "gold", "scorer", "score"),
    [
        ("Thinking.\n\n**Answer: (B) 4**", "B", "letter", 1.0),
        ("Answer: A\nNo, wait.\nanswer: C.", "C", "letter", 1.0),
        ("The answer is: 1,234.0", "1234", "number", 1.0),
        ("Answer: $18.", "18", "number", 1.0),
        ("Answer: 19", "18", "number", 0.0),
        ("Answer: `[1, 2, 3]`", "[1, 2, 3]", "exact", 1.0),
        ("I am not sure.\nPerhaps B.", "B", "letter", 0.0),
    ],
)
def test_harness_scores_as_the_runner_does(task: Path, reply: str, gold: str, scorer: str, score: float) -> None:
    config = yaml.safe_load((task / "modelsat_aptitude.yaml").read_text(encoding="utf-8"))
    extract, metric = config["filter_list"][0]["filter"][0], config["metric_list"][0]

    found = re.findall(extract["regex_pattern"], reply)
    given = found[extract["group_select"]].strip() if found else "[invalid]"
    ignored = metric["regexes_to_ignore"]

    assert float(_without(ignored, given) == _without(ignored, gold)) == score
    assert replies.score(replies.read(reply, scorer, 4), gold, scorer) == score


def _without(ignored: list[str], text: str) -> str:
    """Do what the harness's exact_match does with `regexes_to_ignore` and `ignore_case`."""
    for pattern in ignored:
        text = re.sub(pattern, "", text)
    return text.lower()


@pytest.mark.skipif(LM_EVAL is None, reason="no lm_eval on PATH; name one in MODELSAT_LM_EVAL, with lm-eval[api]")
@pytest.mark.slow
def test_harness_runs_the_task_and_its_results_are_collected(task: Path, tmp_path: Path) -> None:
    assert LM_EVAL is not None
    with LlmServer(lambda text: "Who\nknows" if "question 1?" in text else right(text)).running() as server:
        address = f"{server.url}/chat/completions"
        done = subprocess.run(
            [
                *(LM_EVAL, "run", "--model", "local-chat-completions", "--tasks", "modelsat_aptitude"),
                *("--include_path", str(task), "--apply_chat_template", "--output_path", str(tmp_path / "out")),
                *("--model_args", f"model=org/bob,base_url={address},tokenizer_backend=None", "--log_samples"),
            ],
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"},
            capture_output=True,
            text=True,
            timeout=200,
        )
    assert done.returncode == 0, done.stderr[-2000:]

    found = collect([str(tmp_path / "out")])

    scores = dict(zip(*(found.scores[column].to_pylist() for column in ("prompt_id", "score")), strict=True))
    assert scores == {f"modelsat_aptitude/q{i:03d}": 0.0 if i == 1 else 1.0 for i in range(6)}
    assert found.candidates["candidate"].to_pylist() == ["org/bob"]
    assert set(found.prompts["stem_digest"].to_pylist()) == {question(i)["stem_digest"] for i in range(6)}
