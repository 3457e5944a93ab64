"""Sentences on what a samples file of lm-evaluation-harness does not add to the tables, and why."""

from collections.abc import Mapping

from modelsat.data.readers.lm_eval_results import HarnessRun
from modelsat.data.readers.lm_eval_sheets import SampleSheet
from modelsat.data.remarks import Remark

AGAIN, EMPTY, UNCLEAR, NO_SCORE = "again", "empty", "unclear", "no score"
_NAMED = 5


def asks_nothing(sheet: SampleSheet) -> str:
    """Return the remark on a task without questions, such as the likelihood of a text."""
    return Remark.TASK_LEFT_OUT.of(
        f"{_whose(sheet)} is left out: its documents ask no question in {sheet.file.uri!r}, they only have texts "
        "completed or compared, and a router decides by questions"
    )


def asks_one_thing(sheet: SampleSheet) -> str:
    """Return the remark on a task that sent one text for all documents, as afrobench's xlsum of lm-eval 0.4.13 does."""
    return Remark.TASK_LEFT_OUT.of(
        f"{_whose(sheet)} is left out: the same text was sent for all of its documents ({sheet.file.uri!r}), so none "
        "of them was shown to the model; mend the task's doc_to_text and run it again"
    )


def shows_media(sheet: SampleSheet) -> str:
    """Return the remark on a task about pictures or sounds, which its text does not hold."""
    return Remark.NOT_TEXT.of(
        f"{_whose(sheet)} is left out ({sheet.file.uri!r}): its questions come with images, audio or video, "
        "and a router reads text only"
    )


def no_measure(sheet: SampleSheet) -> str:
    """Return the remark on a task without a usable metric."""
    return Remark.TASK_LEFT_OUT.of(
        f"{_whose(sheet)} is left out, since no metric in {sheet.file.uri!r} gives each document a "
        "number in [0, 1] of which more is better; add such a metric to the task and run it again"
    )


def remarks(sheet: SampleSheet, left_out: Mapping[str, int], n_documents: int | None) -> list[str]:
    """Return remarks on a file that was read.

    Args:
        sheet: The samples file.
        left_out: How many documents were left out, by reason.
        n_documents: How many were readable, None where the task was not to be read.
    """
    whose, where = _whose(sheet), sheet.file.uri
    sizes = sheet.run.sizes(sheet.task)
    n = sum(left_out.values()) - left_out[AGAIN]
    out = []
    if sizes and sizes[1] < sizes[0]:
        out.append(
            Remark.RUN_INCOMPLETE.of(
                f"{whose} was run on {sizes[1]} of {sizes[0]} documents ({where}); run it without --limit to have "
                "them all"
            )
        )
    if sizes and n_documents is not None and n_documents < sizes[1]:
        out.append(
            Remark.RUN_INCOMPLETE.of(
                f"{where!r} holds {n_documents} of the {sizes[1]} documents that {whose} was run on; "
                "copy the file again, or run the task again if the disk was full"
            )
        )
    if left_out[EMPTY]:
        out.append(
            Remark.EMPTY_ANSWERS.of(
                f"{left_out[EMPTY]} of {n} answers of {whose} are empty ({where}), so they count as missing, not as "
                "wrong; check the endpoint and the limit of generated tokens, and run it again"
            )
        )
    if left_out[UNCLEAR]:
        out.append(
            Remark.QUESTION_UNCLEAR.of(
                f"{left_out[UNCLEAR]} of {n} documents of {whose} are left out ({where}), since the question cannot be "
                "told from the examples or the chat template around it; run it with --num_fewshot 0"
            )
        )
    if left_out[NO_SCORE]:
        out.append(
            Remark.NO_SCORE.of(
                f"{left_out[NO_SCORE]} of {n} documents of {whose} have no score of any metric ({where}) and are left "
                "out"
            )
        )
    return out


def absences(run: HarnessRun, sampled: set[str]) -> list[str]:
    """Return the remark on tasks of which a run has averages only."""
    absent = [repr(task) for task in run.tasks if task not in sampled]
    if not absent:
        return []
    names = ", ".join(absent[:_NAMED] + [f"{len(absent) - _NAMED} more"] * (len(absent) > _NAMED))
    sentence = f"{run.file.uri!r} has only averages and no samples of {names}; run the harness again with --log_samples"
    return [Remark.AVERAGES_ONLY.of(sentence)]


def packed(uri: str) -> str:
    """Return the reason for which compressed samples are rejected."""
    return f"samples are compressed ({uri.rpartition('.')[2]}), which is not read here; unpack the file"


def renamed(run: HarnessRun) -> str:
    """Return the remark on a model whose name cannot be a candidate's."""
    return Remark.MODEL_RENAMED.of(
        f"the model {run.given_name!r} in {run.file.uri!r} is called {run.candidate!r} here, since its name is a path "
        "or has characters that a candidate's name cannot have"
    )


def _whose(sheet: SampleSheet) -> str:
    return f"task {sheet.task!r} of {sheet.run.candidate!r}"
