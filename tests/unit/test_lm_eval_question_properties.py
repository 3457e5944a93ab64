"""Whatever a run wraps around a question of lm-evaluation-harness, the question stays the same."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from harness_files import TEMPLATES, context, row, write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsat.data import readers
from modelsat.io import storage

WORDS = st.sampled_from(["river", "stone", "how", "many", "is", "the", "cloud?", "3", "x+1", "(a)", "Straße", "猫"])
SENTENCES = st.lists(WORDS, min_size=4, max_size=9).map(" ".join)
PARAGRAPHS = st.lists(SENTENCES, min_size=1, max_size=3).map("\n\n".join)
SYSTEM = "Obey the rules of the house."
DESCRIPTION = "Here come the puzzles of the day.\n\n"


@st.composite
def tasks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw documents whose answers are words that no question holds, and a task that asks about them."""
    texts = draw(st.lists(PARAGRAPHS, min_size=9, max_size=9, unique=True))
    docs = [{"ask": f"{text} ({i})", "key": f"answer-{i}-zebra"} for i, text in enumerate(texts)]
    before = draw(st.sampled_from(["", "Question: ", "Read this.\n\nPuzzle: "]))
    after = draw(st.sampled_from(["", "\nAnswer:", "\n\nReply in German:"]))
    return {"docs": docs, "before": before, "after": after, "template": before + "{{ask}}" + after}


def read(
    task: dict[str, Any], is_code: bool, shots: int, template: str | None, **how: Any
) -> dict[str, tuple[str, str]]:
    """Write a run and read it alone; return prompts and digests by id."""

    def text(doc: dict[str, str]) -> str:
        return str(task["before"]) + doc["ask"] + str(task["after"])

    docs, pool = task["docs"][:3], task["docs"][3:]
    rows = []
    for i, doc in enumerate(docs):
        examples = [(text(other), other["key"]) for other in pool[i % 2 :][:shots]]
        sent = context(text(doc), examples, template, how["turns"], how["system"], how["description"])
        rows.append(row(doc, doc["key"], sent))
    config = {
        "doc_to_text": "def text(doc):\n    return doc\n" if is_code else task["template"],
        "doc_to_target": "{{key}}",
        "description": how["description"],
        "num_fewshot": shots,
    }
    facts = {"system_instruction": how["system"] or None, "chat_template_sha": "0" if template else None}
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_run(Path(scratch) / "run", "lab/m", {"puzzles": rows}, config, facts)
        (harvest,) = readers.read(str(folder), storage.snapshot(str(folder), Path(scratch)))
    assert harvest.rejects.num_rows == 0
    return {str(p["prompt_id"]): (str(p["prompt"]), str(p["stem_digest"])) for p in harvest.prompts.to_pylist()}


@pytest.mark.parametrize("is_code", [False, True])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    task=tasks(),
    shots=st.sampled_from([0, 1, 5]),
    template=st.sampled_from([None, *TEMPLATES]),
    turns=st.booleans(),
    system=st.sampled_from(["", SYSTEM]),
    description=st.sampled_from(["", DESCRIPTION]),
)
def test_question_does_not_depend_on_examples_template_system_prompt_or_description(
    is_code: bool, task: dict[str, Any], shots: int, template: str | None, turns: bool, system: str, description: str
) -> None:
    plain = read(task, False, 0, None, turns=False, system="", description="")

    wrapped = read(task, is_code, shots, template, turns=turns, system=system, description=description)

    assert wrapped == plain
    assert len(plain) == 3
    for doc, (prompt, _) in zip(task["docs"], plain.values(), strict=False):
        assert doc["ask"] in prompt
        assert "zebra" not in prompt
