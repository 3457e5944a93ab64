"""Component: choose the aptitude test, build cards and capability instructions."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def build_instructions(
    scores: dsl.Input[dsl.Dataset],
    tasks: int,
    questions: int,
    instructions: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
) -> str:
    """Choose the aptitude test, build every candidate's card, and pair candidates with training prompts.

    Args:
        scores: Folder with the validated tables.
        tasks: Tasks of the aptitude test aimed at.
        questions: Questions of the aptitude test aimed at.
        instructions: Folder with capability instructions, cards and the test; no held-out outcome is in it.
        report: Sizes, class balance and three rendered instructions.
        metrics: Counts of instructions by split and of aptitude questions.

    Returns:
        The story of the aptitude test.
    """
    from pathlib import Path

    from modelsat.steps import instruct

    outputs = Path(instructions.path), Path(report.path)
    story, counts = instruct.run(Path(scores.path), tasks, questions, *outputs)
    for name, value in counts.items():
        metrics.log_metric(name, value)
    return story
