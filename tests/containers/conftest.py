"""The three images, built once for all tests of the tier, and a network with S3 and MLflow.

Building takes minutes where the layers are not there yet. What `infra/images/build.sh` takes, such as BASE_IMAGE and
WHEELHOUSE, comes from the environment.
"""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from daemon import HOST, RESTRICTED, address, answers, container, docker
from steps import Site

from modelsat.data import sample

INFRA = Path(__file__).parents[2] / "infra"
BUILD, BASE = INFRA / "images" / "build.sh", INFRA / "base"


@pytest.fixture(scope="session")
def build() -> Iterator[Callable[[str], str]]:
    """Return a function that builds an image once and gives its name; all are removed in the end."""
    tag = f"test-{uuid.uuid4().hex[:8]}"
    built: list[str] = []

    def make(image: str) -> str:
        name = f"modelsat/{image}-python:{tag}"
        if name not in built:
            environment = {**os.environ, "DOCKER_HOST": HOST, "TAG": tag, "REPOSITORY": "modelsat"}
            done = subprocess.run([str(BUILD), image], env=environment, capture_output=True, text=True)
            assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
            built.append(name)
        return name

    yield make
    for name in built:
        docker("rmi", name)


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[str, str]]:
    """Make a network; give its name and the address of this machine in it."""
    name = f"modelsat-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    try:
        yield name, docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", name)
    finally:
        docker("network", "rm", name)


@pytest.fixture(scope="module")
def s3(network: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve S3 at the network's gateway, with results on 400 synthetic prompts."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=network[1], port=0, verbose=False)
    server.start()
    settings = {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    bucket = boto3.resource(
        "s3", endpoint_url=settings["AWS_ENDPOINT_URL"], aws_access_key_id="test", aws_secret_access_key="test"
    ).Bucket("modelsat")
    bucket.create()
    scores = tmp_path_factory.mktemp("scores") / "sample"
    sample.write(scores, prompts=400)
    for path in filter(Path.is_file, scores.rglob("*")):
        bucket.upload_file(str(path), f"scores/{path.relative_to(scores).as_posix()}")
    yield settings
    server.stop()


@pytest.fixture(scope="module")
def site(
    build: Callable[[str], str],
    network: tuple[str, str],
    s3: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Run MLflow as its manifest does, on SQLite and with artifacts in S3."""
    manifest = next(yaml.safe_load_all((BASE / "mlflow.yaml").read_text(encoding="utf-8")))
    (server,) = manifest["spec"]["template"]["spec"]["containers"]
    settings = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))["configMapGenerator"]
    literals = dict(line.split("=", 1) for one in settings for line in one.get("literals", []))
    environment = {entry["name"]: entry["value"] for entry in server["env"] if "value" in entry} | {
        **s3,
        "MLFLOW_BACKEND_STORE_URI": "sqlite:////tmp/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": literals["mlflow-artifacts"],
        "MLFLOW_SERVER_ALLOWED_HOSTS": literals["mlflow-allowed-hosts"],
    }
    volume = tmp_path_factory.mktemp("volume")
    volume.chmod(0o777)
    (volume / "recipe.yaml").write_text("max_tokens: 32\nconnector_steps: 20\nepochs: 0.25\n")
    options = [*RESTRICTED, "--network", network[0], "--network-alias", "mlflow", "--publish", "127.0.0.1::5000"]
    with container(*options, build("pipeline"), *server["args"], environment=environment) as running:
        url = address(running, 5000)
        answers(f"{url}/health")
        yield Site(network[0], s3, url, volume, build)
