"""Real DeepSpeed processes, started as the pipeline starts them: alone, in company, killed and gone on."""

import contextlib
import fcntl
import json
import os
import random
import re
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file

from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import bundle
from modelsat.cluster import launch_torchrun
from modelsat.data import contracts, splits
from modelsat.errors import ConflictError, InputError, ModelsatError
from modelsat.evaluation.table import CHALLENGER, FUSION, MODEL_SAT, STACK
from modelsat.steps import finetune
from modelsat.steps.finetune import Trained
from training import checkpoints

STEPS = 53
RECIPE = {
    "entry_layer": 1,
    "max_tokens": 32,
    "lora_rank": 2,
    "connector_steps": 20,
    "connector_batch": 51,
    "epochs": 3,
    "batch": 15,
    "learning_rate": 0.003,
    "dropout": 0.0,
    "checkpoint_seconds": 0,
    "threads": 1,
}
# Ranks, ZeRO stage, seconds between checkpoints.
LINE_UPS = {"one rank": (1, 1, 0.0), "two ranks, now and then one of them lost": (2, 2, 0.15)}
REFERENCE, BEREFT = LINE_UPS
each_line_up = pytest.mark.parametrize("line_up", LINE_UPS)
# How often BEREFT loses a rank; `make test-faults` asks for more.
KILLS = int(os.environ.get("MODELSAT_TRAINING_KILLS", "1"))
# The first test of all waits for every launch.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Run:
    """A finished training: its folder, what it announced, and the loss at every logged step."""

    work: Path
    announced: dict[str, Any]
    losses: dict[int, float]

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        return tensors_of(self.work)


def write_recipe(folder: Path, **changes: Any) -> str:
    settings = RECIPE | changes
    # A file of its own for each: two threads write at the same time.
    path = folder / f"recipe-{uuid.uuid4().hex}.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    return str(path)


def launch(instructions: Path, backbone: Path, work: Path, recipe: str, ranks: int) -> Run:
    facts = launch_torchrun.launch(instructions, backbone, work, recipe, ranks)
    return Run(work, facts["announced"], losses_of(work))


def tensors_of(work: Path) -> dict[str, torch.Tensor]:
    return load((work / "network.safetensors").read_bytes())


def losses_of(work: Path) -> dict[int, float]:
    return {int(row["step"]): row["loss"] for row in launch_torchrun.history(work)}


@dataclass(frozen=True)
class Told:
    """What a call said: on screen, and in the end."""

    printed: str
    result: Any


class Screen(threading.local):
    """What each thread printed."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, line: str, end: str = "\n", **_: object) -> None:
        self.text += line + end

    def listen(self, call: Callable[[], Any]) -> Told:
        self.text = ""
        try:
            result = call()
        except ModelsatError as error:
            result = error
        return Told(self.text, result)


def processes(work: Path) -> dict[int, str]:
    """Return the processes that work in a folder or in one below it: their ids, and their ranks where they have one."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if any(word == str(work) or word.startswith(f"{work}/") for word in words):
                settings = dict(pair.split("=", 1) for pair in _environment(entry) if "=" in pair)
                found[int(entry.name)] = "" if "torch.distributed.run" in words else settings.get("RANK", "")
    return found


def _environment(entry: Path) -> list[str]:
    return (entry / "environ").read_bytes().decode().split("\0")


@contextlib.contextmanager
def killing(rank: int, work_root: Path, after: int) -> Iterator[list[int]]:
    """Kill one rank as soon as a step from `after` on is taken, in this launch; yield whom it killed."""
    killed: list[int] = []
    over = threading.Event()
    before = len(_taken(work_root))

    def watch() -> None:
        while not over.wait(0.002):
            if any(step >= after for step in _taken(work_root)[before:]):
                for pid, found in processes(work_root).items():
                    if found == str(rank):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                            killed.append(pid)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield killed
    finally:
        over.set()
        watcher.join()


def _taken(work_root: Path) -> list[int]:
    # At these two depths alone: checkpoints come and go below.
    files = [*work_root.glob("taught-0.jsonl"), *work_root.glob("*/taught-0.jsonl")]
    text = "".join(path.read_text() for path in files)
    return [int(step) for step in re.findall(r'^{"step": (\d+),', text, re.MULTILINE)]


@dataclass(frozen=True)
class Loss:
    """One loss of a rank: after which step, what training said, and the orphans it left."""

    after: int
    killed: Told
    left: dict[int, str]


@dataclass(frozen=True)
class Story:
    """A fine-tuning that was killed, run again, run once more, and run after its result was spoilt."""

    after: int
    killed: Told
    left: dict[int, str]
    resumed: Told
    repeated: Told
    retrained: Told
    losses: tuple[dict[int, float], dict[int, float]]
    networks: tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]
    out: Path


@dataclass(frozen=True)
class Stage:
    """Where everything is launched."""

    instructions: Path
    backbone: Path
    folder: Path
    screen: Screen

    def train(self, line_up: str) -> Run:
        ranks, stage, seconds = LINE_UPS[line_up]
        recipe = write_recipe(self.folder, zero_stage=stage, checkpoint_seconds=seconds)
        return launch(self.instructions, self.backbone, self.folder / line_up, recipe, ranks)

    def lose_ranks(self, steps: Sequence[int]) -> tuple[list[Loss], Told]:
        """Kill a rank after each of these steps, ascending; then let the training end."""
        losses = []
        for after in steps:
            with killing(random.randint(0, 1), self.folder / BEREFT, after) as pids:
                killed = self.screen.listen(lambda: self.train(BEREFT))
            assert len(pids) == 1, killed
            losses.append(Loss(after, killed, processes(self.folder / BEREFT)))
        return losses, self.screen.listen(lambda: self.train(BEREFT))

    def refuse(self) -> Told:
        bare = self.folder / "bare"
        bare.mkdir()
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (bare / name).write_bytes((self.backbone / name).read_bytes())
        recipe = write_recipe(self.folder)
        return self.screen.listen(lambda: launch(self.instructions, bare, self.folder / "refused", recipe, 1))

    def tell(self, after: int) -> Story:
        settings = finetune.FinetuneSettings(write_recipe(self.folder, dropout=0.4), 1, str(self.backbone))
        root, out = self.folder / "trainings", self.folder / "out"

        def run(name: str) -> Told:
            into = out / name
            into.mkdir(parents=True)
            files = (into / "router", into / "predictions.parquet", into / "page.html")
            return self.screen.listen(lambda: finetune.run(self.instructions, *files, root, settings))

        with killing(0, root, after) as pids:
            killed = run("killed")
        assert len(pids) == 1, killed
        left = processes(root)
        resumed = run("resumed")
        (work,) = root.iterdir()
        network = work / "network.safetensors"
        first = losses_of(work), tensors_of(work)
        repeated = run("repeated")
        content = bytearray(network.read_bytes())
        content[-1] ^= 1
        network.write_bytes(content)
        (work / "history.jsonl").unlink()
        retrained = run("retrained")
        losses, networks = zip(first, (losses_of(work), tensors_of(work)), strict=True)
        return Story(after, killed, left, resumed, repeated, retrained, losses, networks, out)


@dataclass(frozen=True)
class Seen:
    """The outcome of every launch."""

    trained: dict[str, Run]
    losses: list[Loss]
    resumed: Told
    story: Story
    refused: Told


@pytest.fixture(scope="module")
def seen(instructions_folder: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Launch everything once, two at a time: most of each launch is imports on one core."""
    folder, screen = tmp_path_factory.mktemp("runs"), Screen()
    stage = Stage(instructions_folder, backbone, folder, screen)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setenv("DS_ACCELERATOR", "cpu")
        patch.setattr(launch_torchrun, "print", screen, raising=False)
        story = pool.submit(stage.tell, random.randint(2, 25))
        bereft = pool.submit(stage.lose_ranks, sorted(random.sample(range(1, STEPS - 8), KILLS)))
        refused, reference = pool.submit(stage.refuse), pool.submit(stage.train, REFERENCE)
        losses, resumed = bereft.result()
        trained = {REFERENCE: reference.result(), BEREFT: resumed.result}
        yield Seen(trained, losses, resumed, story.result(), refused.result())
    assert processes(folder) == {}


@pytest.fixture(scope="module")
def trained(seen: Seen) -> dict[str, Run]:
    return seen.trained


@pytest.fixture(scope="module")
def story(seen: Seen) -> Story:
    return seen.story


@each_line_up
def test_losses_are_the_same_on_any_number_of_ranks_and_however_many_are_lost(
    trained: dict[str, Run], line_up: str
) -> None:
    losses, reference = trained[line_up].losses, trained[REFERENCE].losses

    both = sorted(losses.keys() & reference.keys())
    assert both[0] == 1
    assert both[-1] == STEPS
    assert [losses[step] for step in both] == pytest.approx([reference[step] for step in both], abs=1e-3)


@each_line_up
def test_networks_are_the_same_on_any_number_of_ranks_and_however_many_are_lost(
    trained: dict[str, Run], line_up: str
) -> None:
    found, reference = trained[line_up].tensors, trained[REFERENCE].tensors

    assert found.keys() == reference.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, reference[name], atol=5e-3, rtol=0, msg=lambda text, name=name: name + text)


@each_line_up
def test_run_announces_what_it_is(trained: dict[str, Run], line_up: str, instructions: Instructions) -> None:
    announced = trained[line_up].announced

    ranks, stage, _ = LINE_UPS[line_up]
    prompts = len(instructions.part(splits.TRAIN).ids)
    assert (announced["ranks"], announced["zero_stage"], announced["threads_per_rank"]) == (ranks, stage, 1)
    assert (announced["training_prompts"], announced["candidates"]) == (prompts, 12)
    assert announced["steps_of_stage_1"] + announced["steps_of_stage_2"] == STEPS


def test_training_learns_and_leaves_the_lower_layers_as_they_were(trained: dict[str, Run]) -> None:
    run = trained[REFERENCE]
    before = load_file(run.work / "backbone" / "model.safetensors")

    moved = {
        name: not torch.equal(value, before[_in_backbone(name)].to(value.dtype))
        for name, value in run.tensors.items()
        if name.startswith(("embeddings.", "lower.", "upper."))
    }

    assert run.losses[STEPS] < 0.5 * run.losses[1]
    assert {name for name, other in moved.items() if other} == {
        f"upper.{layer}.attention.self.{part}.weight" for layer in (0, 1) for part in ("query", "value")
    }


def _in_backbone(name: str) -> str:
    part, _, rest = name.partition(".")
    if part == "embeddings":
        return name
    layer, _, inner = rest.partition(".")
    return f"encoder.layer.{int(layer) + (part == 'upper')}.{inner}"


def test_the_two_newest_checkpoints_are_left(trained: dict[str, Run]) -> None:
    kept = checkpoints.complete(trained[REFERENCE].work / "checkpoints")

    assert kept == [f"step-{STEPS - 1:07d}", f"step-{STEPS:07d}"]


def test_killed_training_ends_in_a_sentence_and_leaves_no_process(story: Story) -> None:
    assert isinstance(story.killed.result, ModelsatError)
    assert "a rank was ended by SIGKILL" in str(story.killed.result)
    assert str(story.killed.result).endswith("run the same command to go on from the last checkpoint")
    assert story.left == {}
    assert list((story.out / "killed").iterdir()) == []


def test_training_run_again_goes_on_from_the_last_checkpoint(story: Story) -> None:
    lines = [line for line in story.resumed.printed.splitlines() if line.startswith("resuming after step ")]

    assert isinstance(story.resumed.result, Trained)
    assert len(lines) == 1
    assert story.after - 1 <= int(re.findall(r"\d+", lines[0])[0]) < STEPS


def test_resumed_training_ends_as_an_uninterrupted_one(story: Story) -> None:
    (resumed, uninterrupted), (found, expected) = story.losses, story.networks

    assert resumed[1] == pytest.approx(uninterrupted[1], abs=1e-3)
    assert resumed[STEPS] == pytest.approx(uninterrupted[STEPS], abs=1e-3)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-3, rtol=0, msg=lambda text, name=name: name + text)


def test_finished_training_is_not_done_again(story: Story) -> None:
    assert "training prompts" in story.resumed.printed
    assert "training prompts" not in story.repeated.printed
    assert story.repeated.result == story.resumed.result
    first, second = (bundle.read(story.out / name / "router").digest for name in ("resumed", "repeated"))
    assert first == second


def test_training_whose_network_was_spoilt_is_done_again(story: Story) -> None:
    assert isinstance(story.retrained.result, Trained)
    assert f"step {STEPS}/{STEPS}" in story.retrained.printed
    assert "resuming" not in story.retrained.printed
    assert story.retrained.result.metrics["final_loss"] == story.losses[1][STEPS]


def test_bundle_scores_held_out_prompts_as_predicted(story: Story, instructions: Instructions) -> None:
    test = instructions.part(splits.TEST)

    table = contracts.read(story.out / "resumed" / "predictions.parquet", contracts.PREDICTIONS)
    router = bundle.read(story.out / "resumed" / "router")
    scored = router.success_probability(test.texts)

    rows = [row for row in table.to_pylist() if row["router"] == CHALLENGER]
    assert [row["prompt_id"] for row in rows] == test.ids
    np.testing.assert_allclose(np.asarray([row["success_probability"] for row in rows]), scored, atol=1e-5)
    assert {CHALLENGER, MODEL_SAT, FUSION, STACK} <= set(table["router"].to_pylist())
    assert set(table["bundle_digest"].to_pylist()) == {router.digest}


def test_trained_reports_the_loss_and_what_it_was_trained_with(story: Story, instructions: Instructions) -> None:
    told = story.resumed.result

    final = story.losses[0][STEPS]
    assert told.metrics["final_loss"] == final
    assert told.sentence.startswith(f"loss {final:.3f} after {STEPS} steps, Model-SAT weighs ")
    assert {name: told.parameters[name] for name in RECIPE} == RECIPE | {"dropout": 0.4}
    assert told.data_digest == instructions.facts["data_digest"]
    assert (story.out / "resumed" / "page.html").stat().st_size > 0


def test_training_that_lost_one_of_two_ranks_ends_in_a_sentence_and_goes_on_when_run_again(seen: Seen) -> None:
    assert len(seen.losses) == KILLS
    for loss in seen.losses:
        assert isinstance(loss.killed.result, ModelsatError)
        assert "a rank was ended by SIGKILL" in str(loss.killed.result)
        assert loss.left == {}
    assert f"step {STEPS}/{STEPS}" in seen.resumed.printed


def test_each_prompt_teaches_once_per_epoch_however_many_ranks_are_lost(
    seen: Seen, instructions: Instructions, taught: Callable[[Path], dict[int, list[int]]]
) -> None:
    prompts = range(len(instructions.part(splits.TRAIN).ids))
    batches = -(-len(prompts) // RECIPE["batch"])
    first = RECIPE["connector_steps"]

    for line_up in LINE_UPS:
        steps = taught(seen.trained[line_up].work)
        assert sorted(steps) == list(range(1, STEPS + 1))
        for epoch in range(RECIPE["epochs"]):
            start = first + 1 + epoch * batches
            assert sorted(row for step in range(start, start + batches) for row in steps[step]) == list(prompts)


def test_steps_that_were_lost_are_taken_again_with_the_same_prompts(seen: Seen) -> None:
    lines = (seen.trained[BEREFT].work / "taught-1.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]

    starts = {row["after"] for row in rows}
    teaching: dict[int, set[tuple[int, ...]]] = {}
    for row in rows:
        teaching.setdefault(row["step"], set()).add(tuple(row["prompts"]))
    assert len(starts) <= KILLS + 1
    assert len(rows) >= STEPS
    assert all(len(one) == 1 for one in teaching.values())


def test_error_of_ours_keeps_its_class_and_its_sentence_across_processes(seen: Seen) -> None:
    assert isinstance(seen.refused.result, InputError)
    assert str(seen.refused.result).endswith(
        "/bare' has no model.safetensors; convert it to one safetensors file first"
    )


def test_folder_in_which_another_process_trains_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match=f"another process trains in '{tmp_path}'; wait for it or stop it"):
            launch_torchrun.launch(tmp_path, tmp_path, tmp_path, "tiny", 1)

    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_instructions_that_are_not_there_are_named_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        finetune.run(
            tmp_path / "absent", tmp_path / "router", tmp_path / "predictions", tmp_path / "page", tmp_path / "work"
        )

    assert list(tmp_path.iterdir()) == []


def test_recipe_that_is_not_there_is_named_before_anything_is_started(
    instructions_folder: Path, tmp_path: Path
) -> None:
    settings = finetune.FinetuneSettings(recipe="gpu9")

    with pytest.raises(InputError, match=r"^there is no recipe 'gpu9'; name one of \["):
        finetune.run(instructions_folder, tmp_path / "r", tmp_path / "p", tmp_path / "h", tmp_path / "work", settings)

    assert list(tmp_path.iterdir()) == []


def test_training_goes_on_in_the_same_folder_with_another_number_of_ranks(
    instructions_folder: Path, tmp_path: Path
) -> None:
    seen: list[tuple[Path, int]] = []

    def launch(
        _instructions: Path, _backbone: Path, work: Path, _recipe: str, ranks: int, *_: object
    ) -> dict[str, Any]:
        seen.append((work, ranks))
        raise ModelsatError("enough")

    for ranks in (2, 1):
        settings = finetune.FinetuneSettings("tiny", ranks)
        with pytest.raises(ModelsatError, match="enough"):
            finetune.run(
                instructions_folder, *(tmp_path / name for name in "rph"), tmp_path / "work", settings, launch=launch
            )

    assert [ranks for _, ranks in seen] == [2, 1]
    assert len({work for work, _ in seen}) == 1


SLEEPER = """
import os, sys, time
from pathlib import Path

if os.environ["RANK"] == "0":
    (Path(sys.argv[1]) / "history.jsonl").write_text('{"step": 1, "loss": 3.0}\\n')
    print("step 1 loss 3.0", flush=True)
time.sleep(100)
"""


def test_no_rank_outlives_a_launcher_that_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    seen: list[float] = []

    def interrupt(row: Mapping[str, float]) -> None:
        seen.append(row["loss"])
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            launch_torchrun._follow([*command, str(tmp_path / "sleeper.py"), str(tmp_path)], tmp_path, interrupt)

        assert seen == [3.0]
        assert processes(tmp_path) == {}
    finally:
        for pid in processes(tmp_path):
            os.kill(pid, signal.SIGKILL)


def test_line_that_was_cut_off_in_the_history_is_left_out_and_a_repeated_step_counts_once(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text(
        '{"step": 1, "loss": 3.0}\n{"step": 9, "loss": 2.0}\n{"step": 5, "loss": 2.5}\n{"step": 9, "loss": 1.0}\n{"ste'
    )

    assert launch_torchrun.history(tmp_path) == [
        {"step": 1, "loss": 3.0},
        {"step": 5, "loss": 2.5},
        {"step": 9, "loss": 1.0},
    ]
    assert launch_torchrun.history(tmp_path / "absent") == []
