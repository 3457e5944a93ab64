"""What other tools write is read as they mean it, and what is not read is named with what to do.

The logs of Inspect in `tests/data/inspect` were written by inspect_ai 0.3.160 with its mock model; the other files
follow the schemas of RouterBench, EmbedLLM, LLMRouter, HELM 0.5, OpenCompass and sr-bench 1.0 by hand.
"""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelsat.data import collection, validation
from modelsat.data.collection import Collection
from modelsat.data.readers import inspect_logs, table_files
from modelsat.errors import InputError

INSPECT = Path(__file__).parents[1] / "data" / "inspect"

Collect = Callable[..., Collection]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Return a function that writes files by path (text, JSON or tables) and collects the folder."""

    def collect_files(files: dict[str, Any]) -> Collection:
        for name, content in files.items():
            path = tmp_path / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, pa.Table):
                pq.write_table(content, path)
            elif isinstance(content, bytes | str):
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            else:
                path.write_text(json.dumps(content))
        return collection.collect([str(tmp_path / "source")])

    return collect_files


def scores(found: Collection) -> dict[tuple[str, str], float]:
    text = dict(zip(*(found.prompts[name].to_pylist() for name in ("prompt_id", "prompt")), strict=True))
    return {(row["candidate"], text[row["prompt_id"]]): row["score"] for row in found.scores.to_pylist()}


def reasons(found: Collection) -> list[str]:
    return found.rejects["reason"].to_pylist()


# RouterBench

BENCH = {
    "sample_id": ["mmlu-sociology.val.0", "grade-school-math.dev.1"],
    "prompt": ["['Answer with a letter.', 'Who wrote Suicide?']", "How much is 3 * 4?"],
    "eval_name": ["mmlu-sociology", "grade-school-math"],
    "gpt-4-1106-preview": [1.0, 0.75],
    "WizardLM/WizardLM-13B-V1.2": [0.0, None],
    "gpt-4-1106-preview|model_response": ["['A']", "['12']"],
    "WizardLM/WizardLM-13B-V1.2|model_response": ["['B']", "['7']"],
    "gpt-4-1106-preview|total_cost": [0.00123, 0.002],
    "WizardLM/WizardLM-13B-V1.2|total_cost": [1e-05, None],
    "oracle_model_to_route_to": ["gpt-4-1106-preview", "gpt-4-1106-preview"],
}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_table_of_routerbench_has_scores_and_costs(collect: Collect, kind: str) -> None:
    table = pa.table(BENCH)
    content = table if kind == "parquet" else table.to_pandas().to_csv()

    found = collect({f"routerbench_0shot.{kind}": content})

    question = "Answer with a letter.\n\nWho wrote Suicide?"
    assert scores(found) == {
        ("gpt-4-1106-preview", question): 1.0,
        ("WizardLM/WizardLM-13B-V1.2", question): 0.0,
        ("gpt-4-1106-preview", "How much is 3 * 4?"): 0.75,
    }
    costs = {(row["candidate"], row["benchmark"]): row["cost_usd"] for row in found.scores.to_pylist()}
    assert costs["gpt-4-1106-preview", "mmlu"] == 0.00123
    assert costs["WizardLM/WizardLM-13B-V1.2", "mmlu"] == 1e-05
    assert set(found.prompts["task"].to_pylist()) == {"mmlu-sociology", "grade-school-math"}
    assert reasons(found) == []


def test_pickle_of_routerbench_is_not_opened_and_says_how_to_convert_it(collect: Collect) -> None:
    with pytest.raises(
        InputError, match=r"a pickle of RouterBench, which is not read; .*to_parquet\('routerbench_0shot"
    ):
        collect({"routerbench_0shot.pkl": b"\x80\x04."})


# EmbedLLM

EMBED = (
    "prompt_id,model_id,category_id,label,model_name,prompt,category\n"
    "7,0,1,1,org/alpha,What is 1 + 1?,asdiv\n7,1,1,0,org/beta,What is 1 + 1?,asdiv\n"
    '9,0,2,0,org/alpha,"Why, and how?",mmlu_law\n'
)


def test_table_of_embedllm_is_long_with_labels(collect: Collect) -> None:
    found = collect(
        {
            "train.csv": EMBED,
            "question_order.csv": "prompt_id,prompt\n7,What is 1 + 1?\n",
            "model_order.csv": "model_id,model_name\n0,org/alpha\n",
        }
    )

    assert scores(found) == {
        ("org/alpha", "What is 1 + 1?"): 1.0,
        ("org/beta", "What is 1 + 1?"): 0.0,
        ("org/alpha", "Why, and how?"): 0.0,
    }
    assert set(zip(found.prompts["benchmark"].to_pylist(), found.prompts["task"].to_pylist(), strict=True)) == {
        ("asdiv", "asdiv"),
        ("mmlu", "mmlu_law"),
    }


@pytest.mark.parametrize("name", ["scores.csv", "data.csv"])
def test_table_of_another_project_is_one_under_every_name(collect: Collect, name: str) -> None:
    assert len(scores(collect({name: EMBED}))) == 3
    assert len(scores(collect({f"bench/{name}": pa.table(BENCH).to_pandas().to_csv()}))) == 6


# LLMRouter

ROUTED: dict[str, Any] = {
    "task_name": "arc_challenge",
    "query": "2 + 2?",
    "ground_truth": "A",
    "metric": "em_mc",
    "choices": "{'text': ['four', 'five'], 'labels': ['A', 'B']}",
    "task_id": None,
    "model_name": "qwen2.5-7b-instruct",
    "response": "A",
    "token_num": 30,
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "response_time": 0.5,
    "performance": 1.0,
    "embedding_id": 0,
}


def test_routing_lines_of_llmrouter_have_tokens_and_seconds(collect: Collect) -> None:
    failed = {**ROUTED, "model_name": "gemma-2-9b-it", "response": "API Error: timed out", "performance": 0.0}
    wrong = {**ROUTED, "model_name": "gemma-2-9b-it", "query": "Who?", "choices": None, "performance": 0.0}

    found = collect({"default_routing_train_data.jsonl": "\n".join(map(json.dumps, [ROUTED, failed, wrong]))})

    assert scores(found) == {("qwen2.5-7b-instruct", "2 + 2?"): 1.0, ("gemma-2-9b-it", "Who?"): 0.0}
    (row,) = [row for row in found.scores.to_pylist() if row["score"] == 1]
    assert (row["tokens_in"], row["tokens_out"], row["latency_seconds"]) == (20, 10, 0.5)
    (prompt,) = [row for row in found.prompts.to_pylist() if row["prompt"] == "2 + 2?"]
    assert (prompt["choices"], prompt["answer"]) == (["four", "five"], "A")
    assert "1 calls of" in found.notes[0]


def test_training_lines_of_the_semantic_router_are_read(collect: Collect) -> None:
    line = {"query": "Why?", "category": "law", "model_name": "m-a", "performance": 0.5, "response_time": 1.25}

    found = collect({"benchmark_training_data.jsonl": json.dumps(line)})

    assert scores(found) == {("m-a", "Why?"): 0.5}
    assert found.prompts["task"].to_pylist() == ["law"]


# vLLM Semantic Router


def test_training_matrix_of_vllm_sr_has_tokens_costs_and_seconds(collect: Collect) -> None:
    usage = {"input_tokens": 10, "cached_input_tokens": 5, "cache_write_tokens": 0, "output_tokens": 7}
    single = {"kind": "single", "request_params": {}, "answer": "A", "final": "A"}
    targets = [
        {
            **single,
            "id": "t1",
            "model": "m-a",
            "correct": True,
            "score": 1.0,
            "usage": usage,
            "cost_usd": 0.01,
            "subject_latency_s": 2.5,
        },
        {**single, "id": "low", "model": "m-b", "correct": False, "score": 0.0, "usage": None, "cost_usd": None},
        {**single, "id": "high", "model": "m-b", "correct": True, "score": None, "usage": None, "cost_usd": None},
        {**single, "id": "mix", "model": "auto", "kind": "mom", "correct": True, "score": 1.0},
    ]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    case = {
        "id": "c1",
        "benchmark": "mmlu-pro",
        "messages": messages,
        "answer": "A",
        "metadata": {"split": "dev", "category": "law"},
    }
    matrix = {
        "version": "sr-bench-1.0",
        "kind": "training-matrix",
        "split": "dev",
        "cases": [case | {"targets": targets}],
    }

    found = collect({"export.json": matrix})

    assert scores(found) == {("m-a", "Why?"): 1.0, ("low", "Why?"): 0.0, ("high", "Why?"): 1.0}
    (row,) = [row for row in found.scores.to_pylist() if row["candidate"] == "m-a"]
    assert (row["tokens_in"], row["tokens_out"], row["cost_usd"], row["latency_seconds"]) == (15, 7, 0.01, 2.5)
    assert found.prompts["task"].to_pylist() == ["law"]
    assert "'mix'" in found.notes[0]


# Inspect


def test_logs_of_inspect_are_read_from_json_and_eval(tmp_path: Path) -> None:
    shutil.copytree(INSPECT, tmp_path / "logs")

    found = collection.collect([str(tmp_path / "logs")])

    assert scores(found) == {
        ("mockllm/model", "What is 1 + 1?"): 1.0,
        ("mockllm/model", "What is 2 + 2?"): 0.0,
        ("mockllm/model", "Colour of grass?"): 0.0,
    }
    prompts = {row["prompt"]: row for row in found.prompts.to_pylist()}
    assert (prompts["Colour of grass?"]["choices"], prompts["Colour of grass?"]["answer"]) == (["red", "green"], "B")
    assert prompts["What is 1 + 1?"]["benchmark"] == "sums"
    assert set(found.scores["metric"].to_pylist()) == {"includes", "choice"}
    assert set(found.scores["harness_version"].to_pylist()) == {"0.3.160"}
    assert found.scores["tokens_out"].null_count == 0
    assert any("has the scorers includes, match; 'includes' is read" in note for note in found.notes)
    assert reasons(found) == []


def log(*samples: dict[str, Any], **more: Any) -> dict[str, Any]:
    run = {
        "eval_id": "e",
        "task": "inspect_evals/sums",
        "model": "openai/gpt-4o",
        "packages": {"inspect_ai": "0.3.160"},
    }
    return {"version": 2, "status": "success", "eval": run, "samples": list(samples)} | more


def sample(value: Any, epoch: int = 1, **more: Any) -> dict[str, Any]:
    scored = {"scores": {"match": {"value": value}}}
    return {"id": 1, "epoch": epoch, "input": "What is 1 + 1?", "target": "2"} | scored | more


@pytest.mark.parametrize(
    ("value", "score"), [("C", 1), ("I", 0), ("P", 0.5), ("N", 0), (0.25, 0.25), (True, 1), ("0.75", 0.75), (1, 1)]
)
def test_grades_of_inspect_are_shares(collect: Collect, value: object, score: float) -> None:
    assert list(scores(collect({"log.json": log(sample(value))})).values()) == [score]


def test_epochs_of_inspect_are_averaged_and_errors_are_missing(collect: Collect) -> None:
    found = collect(
        {
            "log.json": log(
                sample("C"),
                sample("I", 2),
                sample("I", 3, error={"message": "timed out"}),
                sample("C", id=2, input=[{"role": "system", "content": "S"}, {"role": "user", "content": "Who?"}]),
                sample("C", id=3, input=[{"role": "user", "content": [{"type": "image", "image": "data:..."}]}]),
            )
        }
    )

    assert scores(found) == {("openai/gpt-4o", "What is 1 + 1?"): 0.5, ("openai/gpt-4o", "Who?"): 1.0}
    assert any("1 of 5 samples" in note for note in found.notes)
    assert any("sample 3" in note and "more than text" in note for note in found.notes)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (log(sample({"a": 1})), "no single numbers|give no single numbers"),
        (log(sample("C"), version=1), "version 1, not 2"),
        (log(), "holds no samples"),
        (log(sample(7.5)), "single numbers in \\[0, 1\\]"),
    ],
)
def test_log_that_cannot_be_read_is_named(collect: Collect, broken: dict[str, Any], reason: str) -> None:
    found = collect({"log.json": broken})

    assert found.scores.num_rows == 0
    assert pytest.approx(1) == len(reasons(found))
    assert any(one in reasons(found)[0] for one in reason.replace("\\", "").split("|"))


def test_invalidated_log_feeds_nothing(collect: Collect) -> None:
    found = collect({"log.json": log(sample("C"), invalidated=True)})

    assert (found.scores.num_rows, "invalidated" in found.notes[0]) == (0, True)


def test_damaged_zip_and_zip_bomb_are_named(collect: Collect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "big.eval", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("header.json", " " * 2_000_000)
    monkeypatch.setattr(table_files, "MOST_BYTES", 10**6)

    found = collect({"a.eval": b"PK\x03\x04 cut", "b.eval": (tmp_path / "big.eval").read_bytes()})

    assert "the log is damaged" in reasons(found)[0]
    assert "unpacks to more than 1,000,000 bytes" in reasons(found)[1]
    assert inspect_logs.HARNESS == "inspect_ai"


# HELM


def stat(name: str, value: float) -> dict[str, Any]:
    return {"name": {"name": name, "split": "test"}, "count": 1, "sum": value, "mean": value}


def helm_run(**replaced: Any) -> dict[str, Any]:
    instance = {
        "input": {"text": "2 + 2?"},
        "references": [
            {"output": {"text": "five"}, "tags": []},
            {"output": {"text": "four"}, "tags": ["correct"]},
        ],
        "split": "test",
        "id": "id1",
    }
    measures = [stat("num_prompt_tokens", 50), stat("num_output_tokens", 1), stat("inference_runtime", 0.25)]
    files = {
        "run_spec.json": {
            "name": "mmlu:subject=philosophy,method=multiple_choice_joint,model=openai_gpt2",
            "adapter_spec": {"method": "multiple_choice_joint", "model": "openai/gpt2"},
        },
        "scenario_state.json": {"request_states": [{"instance": instance, "train_trial_index": 0}]},
        "per_instance_stats.json": [
            {"instance_id": "id1", "train_trial_index": 0, "stats": [stat("exact_match", 1.0), *measures]},
            {"instance_id": "id1", "train_trial_index": 1, "stats": [stat("exact_match", 0.0), *measures]},
            {"instance_id": "id1", "perturbation": {"name": "typos"}, "stats": [stat("exact_match", 0.0)]},
        ],
        "stats.json": [],
    } | replaced
    return {f"runs/v1/mmlu/{name}": content for name, content in files.items() if content is not None}


@pytest.mark.parametrize("place", ["scenario_state.json", "instances.json"])
def test_run_of_helm_has_questions_options_and_measures(collect: Collect, place: str) -> None:
    run = helm_run()
    if place == "instances.json":
        state = run.pop("runs/v1/mmlu/scenario_state.json")
        run["runs/v1/mmlu/instances.json"] = [one["instance"] for one in state["request_states"]]

    found = collect(run)

    assert scores(found) == {("openai/gpt2", "2 + 2?"): 0.5}
    (prompt,), (row,) = found.prompts.to_pylist(), found.scores.to_pylist()
    assert (prompt["benchmark"], prompt["task"]) == ("mmlu", "philosophy")
    assert (prompt["choices"], prompt["answer"]) == (["five", "four"], "B")
    assert (row["metric"], row["tokens_in"], row["tokens_out"], row["latency_seconds"]) == ("exact_match", 50, 1, 0.25)
    assert "1 perturbed instances" in found.notes[0]


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"run_spec.json": None}, "the run has no run_spec.json beside it"),
        ({"scenario_state.json": None}, "no scenario_state.json or instances.json beside it"),
        ({"scenario_state.json": {"request_states": []}}, "instance 'id1' is not among the run's instances"),
        ({"per_instance_stats.json": [{"instance_id": "id1", "stats": [stat("foo", 1)]}]}, "none of the metrics"),
        ({"per_instance_stats.json": '[{"instance_id": "id1", "sta'}, "the run is damaged"),
    ],
)
def test_run_of_helm_that_is_not_whole_is_named(collect: Collect, replaced: dict[str, Any], reason: str) -> None:
    found = collect(helm_run(**replaced))

    assert found.scores.num_rows == 0
    assert reason in reasons(found)[0]


# OpenCompass


def opencompass(**replaced: Any) -> dict[str, Any]:
    asked = ["Answer the question.\n\nQ: 1 + 1?", "Answer the question.\n\nQ: 2 + 2?"]
    files = {
        "predictions/qwen2.5-7b/gsm8k.json": {
            "0": {"origin_prompt": [{"role": "HUMAN", "prompt": asked[0]}], "prediction": "2", "gold": "2"},
            "1": {"origin_prompt": [{"role": "HUMAN", "prompt": asked[1]}], "prediction": "5", "gold": "4"},
        },
        "results/qwen2.5-7b/gsm8k.json": {
            "accuracy": 50.0,
            "details": {
                "type": "GEN",
                "0": {"predictions": "2", "correct": True},
                "1": {"predictions": "5", "correct": False},
            },
        },
        "summary/summary.csv": "dataset,version,metric,mode,qwen2.5-7b\ngsm8k,1d7fe4,accuracy,gen,50.0\n",
    } | replaced
    return {f"outputs/20261130/{name}": content for name, content in files.items() if content is not None}


def test_predictions_of_opencompass_meet_their_details(collect: Collect) -> None:
    found = collect(opencompass())

    assert scores(found) == {("qwen2.5-7b", "Q: 1 + 1?"): 1.0, ("qwen2.5-7b", "Q: 2 + 2?"): 0.0}
    assert sorted(found.prompts["answer"].to_pylist()) == ["2", "4"]
    assert reasons(found) == []


def test_predictions_of_opencompass_in_parts_are_joined(collect: Collect) -> None:
    whole = opencompass()
    predictions = whole.pop("outputs/20261130/predictions/qwen2.5-7b/gsm8k.json")
    for part in "01":
        whole[f"outputs/20261130/predictions/qwen2.5-7b/gsm8k_{part}.json"] = {"0": predictions[part]}

    assert len(scores(collect(whole))) == 2


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"results/qwen2.5-7b/gsm8k.json": {"accuracy": 50.0}}, "run OpenCompass with --dump-eval-details"),
        ({"results/qwen2.5-7b/gsm8k.json": None}, "run the evaluation, too"),
        ({"predictions/qwen2.5-7b/gsm8k.json": None}, "there is no predictions/qwen2.5-7b/gsm8k.json"),
        ({"results/qwen2.5-7b/gsm8k.json": {"accuracy": 1, "details": [{"correct": True}]}}, "1 details and"),
    ],
)
def test_run_of_opencompass_that_is_not_whole_is_named(collect: Collect, replaced: dict[str, Any], reason: str) -> None:
    found = collect(opencompass(**replaced))

    assert found.scores.num_rows == 0
    assert reason in reasons(found)[0]


# All of them


def test_same_question_of_two_models_is_one_prompt(collect: Collect) -> None:
    found = collect(
        {"a/log.json": log(sample("C")), "b/log.json": log(sample("I"), eval=log()["eval"] | {"model": "b/c"})}
    )

    assert found.prompts.num_rows == 1
    assert set(found.candidates["candidate"].to_pylist()) == {"openai/gpt-4o", "b/c"}
    outcome = validation.check(found)
    assert outcome.passed, outcome.sentence()


@pytest.mark.parametrize(
    ("name", "content", "called"),
    [
        ("x.pkl", b"\x80\x04.", "a pickle"),
        ("scores.xlsx", b"PK", "an Excel workbook"),
        ("results.csv", "prompt_id,model,score\np1,a,1\n", "a table of scores"),
        ("scores.tsv", "prompt_id\ta\np1\t1\n", "a table separated by tabs"),
        ("runs.zip", b"PK", "a compressed file"),
        ("x.arrow", b"ARROW1", "an Arrow or Feather file"),
        ("judgment.jsonl", '{"question_id": 81, "model": "a", "judge": ["gpt-4"], "score": 8}', "MT-bench judgments"),
        ("pairs.jsonl", '{"question_id": 81, "model_1": "a", "model_2": "b", "g1_winner": "a"}', "MT-bench judgments"),
        ("annotations.json", '[{"instruction": "x", "output_1": "", "output_2": "", "preference": 1.5}]', "AlpacaEval"),
        ("outputs.json", '[{"instruction": "x", "output": "", "generator": "m"}]', "AlpacaEval outputs"),
        ("battles.csv", "model_a,model_b,winner\na,b,tie\n", "Chatbot Arena"),
        ("out.json", '{"evalId": "e", "results": {"results": []}}', "promptfoo"),
        ("details_x.parquet", pa.table({"doc": ["x"]}), "a details file of lighteval"),
        ("r.json", '{"config_general": {}, "results": {}}', "a results file of lighteval"),
        ("log.jsonl", '{"spec": {"completion_fns": ["m"]}}', "OpenAI Evals"),
        ("t.json", '{"testCases": [{"metricsData": []}]}', "DeepEval"),
        ("ragas.csv", "user_input,response,faithfulness\nx,y,1\n", "Ragas"),
        ("scores_GPT.json", '{"task": {"examples": 1, "target_scores": {}}, "examples": []}', "BIG-bench"),
        ("e.json", '{"schema_version": "0.3.0", "evaluation_id": "e"}', "Every Eval Ever"),
    ],
)
def test_format_that_is_not_read_is_named_with_what_to_do(
    collect: Collect, name: str, content: Any, called: str
) -> None:
    with pytest.raises(InputError, match=rf"{called}.*, which is not read; \w+"):
        collect({name: content})


def test_format_that_is_not_read_is_noted_beside_others(collect: Collect) -> None:
    found = collect({"log.json": log(sample("C")), "more/battles.csv": "model_a,model_b,winner\na,b,tie\n"})

    assert found.scores.num_rows == 1
    assert any("Chatbot Arena battles" in note for note in found.notes)


def test_folder_of_nothing_that_is_known_says_what_is_read(collect: Collect) -> None:
    with pytest.raises(InputError, match="logs of Inspect"):
        collect({"notes.txt": "x", "numbers.csv": "a,b\n1,2\n"})
