"""The whole retrain pipeline as containers, with S3 and MLflow over the network, and the endpoint that follows it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon import RESTRICTED, address, answers, container, needed
from steps import Site

from modelsat.bundle import champions
from modelsat.data import sample
from modelsat.errors import ValidationFailed
from modelsat.io import mlflow_registry
from pipelines import whole_loop

STEPS = [
    "Check prerequisites",
    "Share out sources",
    "Read benchmark results",
    "Collect benchmark scores",
    "Validate scores",
    "Build capability instructions",
    "Fine-tune router",
    "Evaluate router",
    "Register router",
    "Promote router",
]
pytestmark = needed


@pytest.fixture(scope="module")
def promoted(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Run the pipeline once; give its folder, the outputs of its tasks and what the terminal showed."""
    folder = tmp_path_factory.mktemp("runs") / "promoted"
    return folder, *site.run(folder)


@pytest.fixture
def champion(site: Site, promoted: object, use_s3: Callable[[str], None]) -> champions.Champion:
    use_s3(site.s3["AWS_ENDPOINT_URL"])
    found = champions.current("s3://modelsat/champions")
    assert found is not None
    return found


def test_every_step_runs_in_its_image_as_a_user_without_rights(promoted: tuple[Path, Path, str], site: Site) -> None:
    folder, tasks, shown = promoted
    (log,) = (folder / "logs").glob("pipeline-*.log")
    found = re.findall(r"Executing task '([\w-]+)'|^ *in (modelsat/.+)$", log.read_text(encoding="utf-8"), re.MULTILINE)
    ran_in = {task: image for (task, _), (_, image) in zip(found[::2], found[1::2], strict=True)}

    assert re.findall(r"^(\w[\w -]+?) +done +\d+\.\d s$", shown, re.MULTILINE) == STEPS
    trained = {task for task, image in ran_in.items() if image == site.build("training")}
    assert trained == {"finetune-router", "evaluate-router"}
    assert set(ran_in.values()) == {site.build("pipeline"), site.build("training")}
    assert {path.stat().st_uid for path in tasks.iterdir()} == {10001}


def test_record_and_bundle_of_the_champion_lie_in_s3_and_mlflow_mirrors_them(
    champion: champions.Champion, site: Site
) -> None:
    name, version = champion.model.split("/")
    registered = mlflow_registry.client(site.mlflow).get_model_version_by_alias(name, "champion")

    assert (champion.epoch, champion.verdict) == (1, "promoted")
    assert champion.bundle_uri == f"s3://modelsat/bundles/{champion.bundle_digest}"
    assert registered.version == version
    assert registered.tags["bundle_digest"] == champion.bundle_digest


def test_the_endpoint_follows_the_champion_in_s3(champion: champions.Champion, site: Site) -> None:
    options = [*RESTRICTED, "--network", site.network, "--publish", "127.0.0.1::8080", site.build("serving")]
    with container(*options, "--champions", "s3://modelsat/champions", environment=site.s3) as endpoint:
        url = address(endpoint, 8080)
        answers(f"{url}/v2/health/ready")
        answer = whole_loop.infer(url, "What is 17 * 23?")

    assert answer["parameters"]["router_version"] == champion.bundle_digest[:12]


def test_a_step_that_halts_ends_the_run(site: Site, tmp_path: Path) -> None:
    source = site.volume / "bad"
    sample.write(source, prompts=400)
    lines = (source / "scores.csv").read_text(encoding="utf-8").split("\n")
    cells = lines[41].split(",")
    lines[41] = ",".join([cells[0], "85", *cells[2:]])
    (source / "scores.csv").write_text("\n".join(lines), encoding="utf-8")

    with pytest.raises(ValidationFailed, match="row 42"):
        site.run(tmp_path / "halted", collect_sources=[str(source)])
