"""Exports an aptitude test as a task of EleutherAI's lm-evaluation-harness, for whoever runs all tests with it.

The harness asks the same words and scores by its own `exact_match`, so it is a little stricter than
`modelsat.onboarding.asking`: a reply without "Answer:" is wrong, and 3.50 is not 3.5. Its results come back through
`modelsat.data.readers.lm_eval`; the questions are known again by their stems.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from modelsat.bundle.bundle import Bundle
from modelsat.io.atomic import atomic_folder, write_text
from modelsat.onboarding.asking import questions

TASK = "modelsat_aptitude"
DOCUMENTS = "questions.jsonl"

_ANSWER = r"""(?i)answer\s*(?:is)?\s*[:=][\s*_`"'$]*(.*)"""
_IGNORED = (
    r"""[\s*_`"'$]+""",
    r"(?<=\d),(?=\d{3})",
    r"^\((?=[A-Za-z]\))",
    # What follows the letter of an option is the option.
    r"(?<=^[A-Za-z])[.):].*",
    r"(?:\.0*)+$",
)


def export(bundle: Bundle, into: Path, first: int | None = None, max_tokens: int = 1024) -> Path:
    """Write a task folder: the configuration, the questions, and how to run it.

    Args:
        bundle: Of the router whose test is exported.
        into: Folder, replaced where it exists; the configuration names it by its full path.
        first: Only the first so many questions of the frozen order; None takes all that have a gold answer.
        max_tokens: Longest answer.

    Returns:
        `into`.

    Raises:
        InputError: No question has a gold answer and a scorer.
    """
    asked = questions.askable(bundle.aptitude_test, first).to_pylist()
    with atomic_folder(into) as beside:
        write_text(beside / DOCUMENTS, "".join(json.dumps(_document(one), ensure_ascii=False) + "\n" for one in asked))
        config = configuration(into.resolve() / DOCUMENTS, str(asked[0]["version"]), max_tokens)
        write_text(beside / f"{TASK}.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        write_text(beside / "README.md", f"{_README}\n{bundle.attribution}\n")
    return into


def configuration(documents: Path, version: str, max_tokens: int) -> dict[str, Any]:
    """Return the task's configuration in the harness's own terms.

    Args:
        documents: The questions, JSON Lines, by their full path.
        version: Of the aptitude test.
        max_tokens: Longest answer.
    """
    return {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(documents)}},
        "test_split": "test",
        "output_type": "generate_until",
        "num_fewshot": 0,
        "doc_to_text": "{{text}}",
        "doc_to_target": "{{answer}}",
        "target_delimiter": "",
        "generation_kwargs": {"until": [], "do_sample": False, "temperature": 0.0, "max_gen_toks": max_tokens},
        "filter_list": [
            {
                "name": "flexible-extract",
                "filter": [
                    {"function": "regex", "regex_pattern": _ANSWER, "group_select": -1},
                    {"function": "take_first"},
                ],
            }
        ],
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "ignore_case": True,
                "regexes_to_ignore": list(_IGNORED),
            }
        ],
        "metadata": {"version": 1.0, "aptitude_test": version},
    }


def _document(question: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": question["prompt_id"],
        "question": questions.prompt(question),
        "choices": question["choices"],
        "answer": question["answer"],
        "scorer": question["scorer"],
        "text": questions.wording(question),
    }


_README = f"""# The aptitude test of a modelsat bundle, as a task of lm-evaluation-harness

    pip install "lm-eval[api]"
    lm_eval run --model local-chat-completions --tasks {TASK} --include_path THIS_FOLDER --apply_chat_template \\
        --model_args model=NAME,base_url=http://HOST/v1/chat/completions,tokenizer_backend=None,num_concurrent=8 \\
        --output_path RESULTS --log_samples
    modelsat collect RESULTS --into collected

The key of the endpoint is read from OPENAI_API_KEY. {TASK}.yaml names {DOCUMENTS} by its full path: export again, or
correct the path, where the folder has moved.
"""
