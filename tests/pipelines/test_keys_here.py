"""On one machine a step finds the keys of candidates in the environment of whoever runs the pipeline."""

from pathlib import Path

import pytest
from kfp import dsl

from modelsat.errors import ModelsatError
from pipelines import local, resources


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def find_key() -> str:
    """Return the key of a candidate, as the step that asks it finds it."""
    from modelsat.onboarding.asking import keys

    return keys.required({"candidate": "new", "api_key_env": "NEW_API_KEY"})[:2]


@dsl.pipeline
def asks() -> None:
    """Run the step with the keys that it gets on a cluster."""
    resources.with_candidate_keys(find_key().set_caching_options(False))


def test_step_finds_the_key_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_API_KEY", "sk-of-mine")

    local.run(tmp_path, {}, asks)

    monkeypatch.delenv("NEW_API_KEY")
    with pytest.raises(ModelsatError, match="the environment variable NEW_API_KEY is not set"):
        local.run(tmp_path, {}, asks)
