"""The instruct step: validated tables in; aptitude test, cards, capability instructions and preview out."""

from pathlib import Path

from modelsat.aptitude import instructions
from modelsat.data.collection import Collection
from modelsat.io.atomic import write_text


def run(scores: Path, tasks: int, questions: int, into: Path, page: Path) -> tuple[str, dict[str, int]]:
    """Choose the aptitude test, build every candidate's card, and pair candidates with training prompts.

    Args:
        scores: Folder with the validated tables.
        tasks: Tasks of the aptitude test aimed at.
        questions: Questions of the aptitude test aimed at.
        into: Receives capability instructions, cards and test; no held-out outcome is in it.
        page: Receives sizes, class balance and three rendered instructions, Markdown.

    Returns:
        How the aptitude test was chosen, and counts of instructions and questions.
    """
    built = instructions.build(Collection.read(scores), tasks, questions)
    built.write(into)
    write_text(page, instructions.preview(built))
    return built.facts["story"], built.counts()
