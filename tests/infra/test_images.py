"""The container files and their scripts say what the product needs of them; read, not built."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "infra" / "images"
EXTRAS = {"pipeline": ["pipelines", "database"], "training": ["train"], "serving": ["serve", "sessions", "traces"]}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PROJECT["project"]["version"]
each_image = pytest.mark.parametrize("image", EXTRAS)

Stage = list[tuple[str, str]]


def stages(image: str) -> list[Stage]:
    """Return the instructions of a container file by stage; what stands before the first FROM is stage 0."""
    lines = (IMAGES / f"{image}.Dockerfile").read_text(encoding="utf-8").splitlines()
    joined = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    found: list[Stage] = [[]]
    for line in filter(str.strip, joined.splitlines()):
        instruction, argument = line.split(maxsplit=1)
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, " ".join(argument.split())))
    return found


def arguments(stage: Stage, instruction: str) -> list[str]:
    return [argument for name, argument in stage if name == instruction]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    return normal(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])


@each_image
def test_every_stage_stands_on_the_base_image_argument(image: str) -> None:
    before, *others = stages(image)

    assert before == [("ARG", "BASE_IMAGE=python:3.11-slim")]
    assert [stage[0][1] for stage in others] == [
        "${BASE_IMAGE} AS requirements",
        "${BASE_IMAGE} AS build",
        "${BASE_IMAGE}",
    ]


@each_image
def test_the_image_runs_as_a_numbered_user_without_rights(image: str) -> None:
    user = arguments(stages(image)[-1], "USER")[-1]

    assert int(user.split(":")[0]) > 0


@each_image
def test_the_image_starts_a_program_and_no_shell(image: str) -> None:
    final = stages(image)[-1]
    starts = arguments(final, "ENTRYPOINT") + arguments(final, "CMD")

    assert json.loads(starts[0])[0] == "modelsat"
    assert all(isinstance(json.loads(start), list) for start in starts)


@pytest.mark.parametrize("image", ["pipeline", "training"])
def test_images_of_steps_have_no_entry_point_since_kubeflow_gives_the_whole_command(image: str) -> None:
    assert arguments(stages(image)[-1], "ENTRYPOINT") == []


def test_the_endpoint_listens_on_all_addresses_and_serves_what_kserve_mounts() -> None:
    final = stages("serving")[-1]

    assert json.loads(arguments(final, "ENTRYPOINT")[0])[1:] == ["serve", "--host", "0.0.0.0", "--port", "8080"]  # noqa: S104
    assert json.loads(arguments(final, "CMD")[0]) == ["--bundle", "/mnt/models"]
    assert arguments(final, "EXPOSE") == ["8080"]


@each_image
def test_the_image_carries_title_version_and_revision(image: str) -> None:
    final = stages(image)[-1]
    labels = " ".join(arguments(final, "LABEL"))

    assert f'org.opencontainers.image.title="modelsat {image}"' in labels
    assert "org.opencontainers.image.version=$VERSION" in labels
    assert "org.opencontainers.image.revision=$REVISION" in labels
    assert {"VERSION=unknown", "REVISION=unknown"} <= set(arguments(final, "ARG"))


@each_image
def test_the_image_prints_at_once_and_never_asks_a_model_hub(image: str) -> None:
    settings = " ".join(arguments(stages(image)[-1], "ENV")).split()

    assert {"PYTHONUNBUFFERED=1", "HF_HUB_OFFLINE=1", "PATH=/opt/modelsat/bin:$PATH"} <= set(settings)


@each_image
def test_nothing_of_the_build_but_the_environment_reaches_the_image(image: str) -> None:
    final = stages(image)[-1]

    assert arguments(final, "COPY") == [
        "--from=build /opt/modelsat /opt/modelsat",
        "--from=build /package /opt/modelsat",
    ]
    assert not [argument for argument in arguments(final, "ARG") if argument.startswith("PIP_")]


@each_image
def test_every_installation_is_of_files_whose_digests_are_known(image: str) -> None:
    _, first, build, _ = stages(image)
    commands = re.findall(r"pip (?:install|wheel) [^&;\n]+", "\n".join(arguments(build, "RUN")))
    files = [re.findall(r"-r (\S+)\.txt|(/wheels?/\*\.whl)|( \.)", f"{command.strip()}") for command in commands]
    with_torch = [
        ["torch"],
        *([["weights"]] if image == "training" else []),
        ["requirements"],
        ["/wheels/*.whl"],
        ["cuda"],
    ]

    assert arguments(first, "RUN") == [
        f"python3 requirements.py ${{PIP_NO_INDEX:+--without-hashes}} {' '.join(EXTRAS[image])}"
    ]
    assert [["".join(one).strip() for one in found] for found in files] == [
        ["build-system"],
        *([["requirements"], ["/wheels/*.whl"]] if image == "pipeline" else with_torch),
        ["."],
        ["/wheel/*.whl"],
    ]
    assert all("--no-deps" in command for command in commands)
    assert all("--no-build-isolation" in command for command in commands if "pip wheel" in command)


def test_the_pipeline_image_has_no_torch(resolver: ModuleType) -> None:
    wanted, found = resolver.requirements(PROJECT, EXTRAS["pipeline"]), set[str]()
    while wanted:
        name = name_of(wanted.pop())
        if name in found:
            continue
        found.add(name)
        with contextlib.suppress(metadata.PackageNotFoundError):
            wanted += [line for line in metadata.requires(name) or [] if "extra ==" not in line]

    assert {"kfp", "mlflow", "great-expectations", "scikit-learn"} <= found
    assert not {"torch", "transformers", "deepspeed", "kserve"} & found


def test_the_serving_image_can_fetch_from_mlflow_without_its_server(resolver: ModuleType) -> None:
    names = {name_of(line) for line in resolver.requirements(PROJECT, ["serve"])}

    assert {"boto3", "kserve", "mlflow-skinny", "torch", "transformers"} <= names
    assert not {"mlflow", "deepspeed", "peft", "kfp"} & names


def test_requirements_of_nested_extras_are_found_once(resolver: ModuleType) -> None:
    project = {
        "project": {
            "name": "own",
            "dependencies": ["core"],
            "optional-dependencies": {"a": ["own[b, c]", "x"], "b": ["own[a]", "y"], "c": ["x"]},
        },
    }

    assert resolver.requirements(project, ["a"]) == ["core", "x", "y"]
    with pytest.raises(KeyError):
        resolver.requirements(project, ["unknown"])


@pytest.mark.parametrize("path", sorted(IMAGES.iterdir()), ids=lambda path: path.name)
def test_no_file_names_a_host(path: Path) -> None:
    if path.is_dir():
        pytest.skip("a folder")
    text = path.read_text(encoding="utf-8").replace("org.opencontainers.image.", "")

    assert "://" not in text
    assert re.findall(r"\b[\w-]+\.(?:com|dev|io|net|org)\b", text) == []


def ignored(path: str) -> bool:
    """Decide like docker, for a file that leaves out everything and lets some folders in again."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    first, *others = [line for line in lines if not line.startswith("#")]
    kept = [line.removeprefix("!") for line in others if line.startswith("!")]
    anywhere = {line.removeprefix("**/") for line in others if not line.startswith("!")}
    assert first == "*"
    assert not any(character in name for name in [*kept, *anywhere] for character in "*?[")
    return not any(path == name or path.startswith(f"{name}/") for name in kept) or bool(
        anywhere & set(path.split("/"))
    )


@pytest.mark.parametrize(
    "path",
    [
        *(".git/HEAD", ".venv/bin/python", ".run/mlflow.db", "shared/data/scores.csv", "tests/conftest.py"),
        *(
            "docs/results.md",
            "findings/kfp_condition_on_named_output.sh",
            "infra/other.yaml",
            ".env",
            "src/modelsat/__pycache__/gate.pyc",
            "dist/a.whl",
        ),
    ],
)
def test_the_context_leaves_out_what_no_image_needs(path: str) -> None:
    assert ignored(path)


@each_image
def test_the_context_holds_whatever_is_copied(image: str) -> None:
    copied = [argument for stage in stages(image) for argument in arguments(stage, "COPY")]
    for argument in copied:
        if argument.startswith("--from="):
            continue
        for source in argument.replace("wheelhous[e]", "wheelhouse").split()[:-1]:
            assert not ignored(source), source
            assert source == "wheelhouse" or (ROOT / source).exists(), source


def test_components_name_the_images_that_are_built() -> None:
    text = (ROOT / "components" / "images.py").read_text(encoding="utf-8")

    for image in ("pipeline", "training"):
        assert f'"modelsat/{image}-python:{VERSION}"' in text


@pytest.mark.parametrize("script", ["base.sh", "build.sh", "wheelhouse.sh"])
def test_scripts_can_be_run_and_stop_at_the_first_fault(script: str) -> None:
    path = IMAGES / script

    assert os.access(path, os.X_OK)
    assert "\nset -euo pipefail\n" in path.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.fixture
def build_with_stub(tmp_path: Path) -> Callable[..., list[tuple[list[str], list[str]]]]:
    """Return a function that runs build.sh with a docker that notes its arguments and the names in its context."""
    stub = tmp_path / "docker"
    stub.write_text(
        "#!/usr/bin/env bash\n"
        f'n=$(find "{tmp_path}" -name "call-*.tar" | wc -l)\n'
        f'printf "%s\\n" "$@" >"{tmp_path}/call-$n.txt"\n'
        f'cat >"{tmp_path}/call-$n.tar"\n'
    )
    stub.chmod(0o755)

    def build(*words: str, **settings: str) -> list[tuple[list[str], list[str]]]:
        environment = {"PATH": os.environ["PATH"], "DOCKER": str(stub), **settings}
        subprocess.run([str(IMAGES / "build.sh"), *words], env=environment, check=True, cwd="/")
        calls = []
        for path in sorted(tmp_path.glob("call-*.txt")):
            with tarfile.open(path.with_suffix(".tar")) as context:
                calls.append((path.read_text().splitlines(), context.getnames()))
        return calls

    return build


def test_build_makes_all_images_and_hands_on_what_it_was_given(
    build_with_stub: Callable[..., list[tuple[list[str], list[str]]]],
) -> None:
    calls = build_with_stub(BASE_IMAGE="some/base", TORCH_INDEX="some-index", ACCELERATOR="cuda", PIP_CERT="/ca.pem")

    assert [words[words.index("--tag") + 1] for words, _ in calls] == [
        f"modelsat/{image}-python:{VERSION}" for image in EXTRAS
    ]
    for words, names in calls:
        assert {"BASE_IMAGE=some/base", f"VERSION={VERSION}", "PIP_CERT=/ca.pem"} <= set(words)
        assert any(re.fullmatch(r"REVISION=([0-9a-f]{40}(-dirty)?|unknown)", word) for word in words)
        assert "--network" not in words
        assert {
            "pyproject.toml",
            "hashes.txt",
            "src/modelsat/evaluation/gate.py",
            "training/recipes/cpu.yaml",
        } <= set(names)
        assert not [name for name in names if ignored(name) and name not in ("infra",)]
    assert ["TORCH_INDEX=some-index" in words for words, _ in calls] == [False, True, True]
    assert ["ACCELERATOR=cuda" in words for words, _ in calls] == [False, True, False]


def test_build_from_a_wheelhouse_needs_no_network(
    build_with_stub: Callable[..., list[tuple[list[str], list[str]]]], tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a-1-py3-none-any.whl").touch()

    [(words, names)] = build_with_stub("serving", WHEELHOUSE=str(tmp_path / "wheels"), TAG="1", REPOSITORY="host/team")

    assert words[words.index("--network") + 1] == "none"
    assert "PIP_NO_INDEX=1" in words
    assert words[words.index("--tag") + 1] == "host/team/serving-python:1"
    assert "wheelhouse/a-1-py3-none-any.whl" in names
    assert "pyproject.toml" in names


BASE = f"python@sha256:{'0' * 64}"


def list_wheels(folder: Path) -> str:
    """Write SHA256SUMS as `sha256sum` does, and return its digest."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.glob("*.whl"))]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[Path, str]:
    """A wheelhouse of two wheels with its list, and the list's digest."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("a-1.whl", "b-1.whl"):
        (folder / name).write_bytes(name.encode())
    return folder, list_wheels(folder)


def test_release_is_built_from_a_base_by_digest_and_known_wheels(
    build_with_stub: Callable[..., list[tuple[list[str], list[str]]]], wheels: tuple[Path, str]
) -> None:
    folder, digest = wheels

    calls = build_with_stub("serving", RELEASE="1", BASE_IMAGE=BASE, WHEELHOUSE=str(folder), WHEELS_DIGEST=digest)

    assert [f"BASE_IMAGE={BASE}" in words for words, _ in calls] == [True]
    assert {"wheelhouse/a-1.whl", "wheelhouse/b-1.whl"} <= set(calls[0][1])


def changed(folder: Path) -> None:
    (folder / "a-1.whl").write_bytes(b"another")


def smuggled(folder: Path) -> None:
    (folder / "c-1.whl").write_bytes(b"c")


def relisted(folder: Path) -> None:
    smuggled(folder)
    list_wheels(folder)


@pytest.mark.parametrize(
    ("base", "change", "sentence"),
    [
        ("python:3.11-slim", None, "a release needs a base by digest"),
        ("", None, "a release needs a base by digest"),
        (BASE, changed, "are not those of its SHA256SUMS"),
        (BASE, smuggled, "are not those of its SHA256SUMS"),
        (BASE, relisted, "is not the list that WHEELS_DIGEST names"),
    ],
)
def test_release_of_what_is_not_pinned_is_refused(
    base: str, change: Callable[[Path], None] | None, sentence: str, wheels: tuple[Path, str]
) -> None:
    folder, digest = wheels
    if change is not None:
        change(folder)
    given = {"RELEASE": "1", "BASE_IMAGE": base, "WHEELHOUSE": str(folder), "WHEELS_DIGEST": digest, "DOCKER": "false"}

    done = subprocess.run(
        [str(IMAGES / "build.sh")], env={"PATH": os.environ["PATH"], **given}, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert sentence in done.stderr


def test_build_refuses_an_image_it_does_not_know() -> None:
    done = subprocess.run([str(IMAGES / "build.sh"), "gateway"], capture_output=True, text=True)

    assert done.returncode == 2
    assert "usage" in done.stderr
