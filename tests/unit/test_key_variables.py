"""Which variables may hold keys of models: the same answer wherever a variable is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from modelsat.cli import app
from modelsat.data import candidate_facts, catalogue
from modelsat.errors import InputError
from modelsat.io.key_variables import RESERVED, SETTING, fault_in_key_variable
from serving.gateway import upstreams

SECRETS = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MODELSAT_SIGNING_KEY", "MODELSAT_ENDPOINT_TOKENS"),
    *("MLFLOW_TRACKING_PASSWORD", "KUBERNETES_TOKEN", "KFP_API_KEY", "DATABASE_PASSWORD", "GITHUB_TOKEN", "PATH"),
)


def test_names_that_end_in_api_key_may_hold_keys() -> None:
    assert [fault_in_key_variable(name, {}) for name in ("OPENAI_API_KEY", "_A1_API_KEY")] == [None, None]


@pytest.mark.parametrize("name", SECRETS)
def test_credentials_of_the_machine_hold_no_key_of_a_model(name: str) -> None:
    assert fault_in_key_variable(name, {}) is not None


@pytest.mark.parametrize("name", ["sk-abc", "key", "1A_API_KEY", "A B", "", None, "A_API_KEY\n", "\uff21_API_KEY", 3])
def test_a_key_in_place_of_a_name_is_refused_and_not_repeated(name: object) -> None:
    fault = fault_in_key_variable(name, {})

    assert fault == "this is no name of an environment variable; write one such as QWEN_API_KEY, never the key itself"


def test_setting_names_further_variables() -> None:
    environment = {SETTING: "HF_TOKEN, QWEN_KEY"}

    assert fault_in_key_variable("HF_TOKEN", environment) is None
    assert fault_in_key_variable("QWEN_KEY", environment) is None
    assert fault_in_key_variable("HF_TOKEN", {}) == (
        "this variable may not hold the key of a model; use one whose name ends in _API_KEY, or add its name to "
        "MODELSAT_KEY_VARIABLES"
    )


@given(st.sampled_from(RESERVED), st.from_regex(r"[A-Z0-9_]{0,12}", fullmatch=True), st.booleans())
def test_no_setting_opens_what_belongs_to_the_platform(prefix: str, rest: str, is_api_key: bool) -> None:
    name = f"{prefix}{rest}{'_API_KEY' if is_api_key else ''}"

    assert fault_in_key_variable(name, {SETTING: name}) is not None


@given(st.text(min_size=1, max_size=30) | st.sampled_from(SECRETS))
def test_a_refused_name_stands_in_no_sentence(name: str) -> None:
    fault = fault_in_key_variable(name, {}) or ""

    assert len(name) < 12 or name not in fault


@pytest.mark.parametrize("name", [*SECRETS, "OPENAI_API_KEY", "HF_TOKEN", "QWEN_KEY"])
def test_catalogues_upstreams_and_imports_apply_one_rule(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, "HF_TOKEN")
    fault = fault_in_key_variable(name)
    rows = tmp_path / "catalogue.csv"
    rows.write_text(f"candidate,api_key_env\nada,{name}\n")
    upstream = tmp_path / "upstreams.yaml"
    upstream.write_text(f"upstreams: [{{candidate: ada, base_url: 'http://h', key_variable: {name}}}]")

    _, faults = catalogue.usable(str(rows))
    assert [f"api_key_env: {fault}" in line for line in faults] == ([True] if fault else [])
    try:
        assert upstreams.read(upstream, {name: "sesame", SETTING: "HF_TOKEN"})["ada"].key == "sesame"
        refused = None
    except InputError as error:
        refused = str(error)
    assert (refused is None) == (fault is None)
    assert refused is None or f"key_variable: {fault}" in refused
    try:
        assert candidate_facts.parse({"api_key_env": name}) == {"api_key_env": name}
        refused = None
    except ValueError as error:
        refused = str(error)
    assert refused == (None if fault is None else f"api_key_env: {fault}")


def test_import_refuses_a_variable_that_no_catalogue_may_name(tmp_path: Path) -> None:
    models = tmp_path / "models.json"
    models.write_text('{"object": "list", "data": [{"id": "ada", "object": "model"}]}')
    command = ["catalogue", "import", str(models), "--into", str(tmp_path / "out.yaml"), "--endpoint", "http://h/v1"]

    done = CliRunner().invoke(app, [*command, "--api-key-env", "AWS_SECRET_ACCESS_KEY"])

    assert isinstance(done.exception, InputError)
    assert "--api-key-env: variables that begin with AWS_" in str(done.exception)
    assert not (tmp_path / "out.yaml").exists()
