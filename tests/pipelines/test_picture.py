"""Pictures of the docs show the steps of the compiled pipelines, each below all that it waits for."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import picture

IMAGES = Path(__file__).parents[2] / "docs" / "img"


def compiled(name: str) -> Any:
    return next(yaml.safe_load_all((picture.COMPILED / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", picture.PICTURED)
def test_picture_of_the_docs_is_that_of_the_compiled_pipeline(name: str) -> None:
    """Run `python -m pipelines.picture docs/img` after `modelsat compile`."""
    assert (IMAGES / f"pipeline_{name}.svg").read_text(encoding="utf-8") == picture.picture(compiled(name))


def test_every_step_is_named_in_the_picture() -> None:
    texts = {node.text for node in ElementTree.fromstring(picture.picture(compiled("watch"))).iter() if node.text}  # noqa: S314

    assert {"Find releases", "for each release", "Onboard", "if a new champion", "Fine-tune router"} <= texts


def test_steps_stand_below_what_they_wait_for_and_beside_what_they_do_not() -> None:
    tasks = {
        "d": {"dependentTasks": ["b", "c"]},
        "b": {"dependentTasks": ["a"]},
        "c": {"dependentTasks": ["a"]},
        "a": {},
    }

    assert picture.rows(tasks) == [["a"], ["b", "c"], ["d"]]
