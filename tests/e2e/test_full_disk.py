"""A disk that is full ends every step that writes in one sentence with exit code 6, and nothing half-written stays.

The disks are real: full from the first byte, or with room for two blocks.
"""

import asyncio
import gc
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from llm_server import LlmServer

from modelsat import cli
from modelsat.bundle import bundle, champions
from modelsat.bundle.bundle import Bundle
from modelsat.cluster import launch_torchrun
from modelsat.data import collection, sample
from modelsat.data.sample.candidates import CANDIDATES
from modelsat.errors import ResourceError
from modelsat.feedback import log
from modelsat.onboarding import asked
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.change import Action, Change
from modelsat.onboarding.order import Order
from modelsat.onboarding.releases import ledger
from modelsat.onboarding.releases.ledger import Release
from serving.gateway import segments

BLOCK = 4096
TEST: list[dict[str, object]] = [
    {
        **{"version": "by-hand", "task": "sums", "category": "sums", "keywords": ["plus"] * 5, "position": i},
        **{"prompt_id": f"q{i}", "stem_digest": f"{i:064x}", "text": f"What is {i} plus {i}?", "benchmark": "sums"},
        **{"choices": None, "answer": str(2 * i), "scorer": "number"},
    }
    for i in range(60)
]


@dataclass(frozen=True)
class Place:
    """What steps read: benchmark results, what was collected from them, a bundle, questions, a server that answers."""

    root: Path
    made: Bundle
    url: str

    def __truediv__(self, name: str) -> str:
        return str(self.root / name)

    def onboard(self, disk: Path) -> None:
        """Ask a newcomer the aptitude test."""
        change = Change(Action.ADD, "new")
        order = Order(change, {"endpoint": self.url}, 1, self / "bundle", self.made.digest, "router/1", "by-hand")
        asked.ask(bundle.read(self.root / "bundle"), order, AskingSettings(), disk / "work", str(disk / "answers"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Bundle]) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("place")
    sample.write(root / "results", prompts=400)
    collection.collect([str(root / "results")]).write(root / "collected")
    names = [candidate.name for candidate in CANDIDATES]
    prices = dict.fromkeys(names, 1.0)
    made = make_bundle(dict.fromkeys(names, 0.5), prices, aptitude_test=TEST).write(root / "bundle")
    rows = [{"id": f"org/model-{i}", "pricing": {"prompt": "0.000001"}} for i in range(200)]
    (root / "models.json").write_text(json.dumps({"data": rows}))
    questions = [{"question": row["text"], "answer": row["answer"], "category": "sums"} for row in TEST]
    (root / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
    with LlmServer(lambda text: f"Answer: {2 * int(text.split()[2])}").running() as server:
        (root / "catalogue.yaml").write_text(json.dumps([{"candidate": "new", "endpoint": server.url}]))
        yield Place(root, made, server.url)


COMMANDS: dict[str, Callable[[Place, Path], list[str]]] = {
    "sample": lambda _, disk: [str(disk / "out")],
    "collect": lambda at, disk: [at / "results", "--into", str(disk / "out")],
    "instruct": lambda at, disk: [at / "collected", "--into", str(disk / "out")],
    "evaluate": lambda at, disk: [
        *("--router", at / "bundle", "--scores", at / "results", "--cache", at / "cache"),
        *("--json", str(disk / "out.json")),
    ],
    "catalogue import": lambda at, disk: [at / "models.json", "--into", str(disk / "out.yaml")],
    "measure": lambda at, disk: [
        *("--catalogue", at / "catalogue.yaml", "--questions", at / "questions.jsonl", "--into", str(disk / "out")),
    ],
    "ask": lambda at, disk: [
        *("--bundle", at / "bundle", "--catalogue", at / "catalogue.yaml", "--candidate", "new"),
        *("--into", str(disk / "out")),
    ],
}
STEPS: dict[str, Callable[[Place, Path], object]] = {
    "train": lambda at, disk: at.made.write(disk / "router"),
    "register": lambda at, disk: bundle.publish(at.root / "bundle", str(disk / "bundles")),
    "promote": lambda at, disk: champions.promote(
        str(disk), at / "bundle", at.made.digest, "r/1", "run", "promoted", 0
    ),
    "onboard": lambda at, disk: at.onboard(disk),
    "watch": lambda _, disk: ledger.announce(str(disk), Release("ada", "1", source="here" * 4000)),
}
IN_PARTS = ("collect", "measure", "train", "register", "onboard")
"""Steps whose first file may still fit."""


def exit_code(step: str, place: Place, disk: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a command as a user does; a step that is no command of its own runs in the place of one."""
    if step in COMMANDS:
        monkeypatch.setattr(sys, "argv", ["modelsat", *step.split(), *COMMANDS[step](place, disk)])
    else:
        monkeypatch.setattr(cli, "app", lambda: STEPS[step](place, disk))
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code
    return 0


def is_whole(path: Path) -> bool:
    """Say whether a file claims to be complete.

    Answers of a model are kept line by line, so that they need not be paid for again; a bundle is published file by
    file, of which the last one makes it a bundle.
    """
    return path.is_file() and path.name != "other" and ".answers." not in path.name and "bundles" not in path.parts


@pytest.mark.parametrize(
    ("step", "room"), [*((step, 0) for step in [*COMMANDS, *STEPS]), *((step, 2 * BLOCK) for step in IN_PARTS)]
)
def test_step_that_meets_a_full_disk_ends_in_one_sentence_and_leaves_nothing_half_written(
    step: str,
    room: int,
    place: Place,
    mount_disk: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    disk = mount_disk(f"size={4 * BLOCK}")
    (disk / "other").write_bytes(bytes(4 * BLOCK - room))

    code = exit_code(step, place, disk, monkeypatch)
    # A writer of Arrow holds its file, and so the disk, as long as the error is there.
    gc.collect()

    assert code == 6
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("the disk is full: ")
    assert said.endswith("free some space and run the same command again")
    assert [path for path in disk.rglob("*") if is_whole(path)] == []
    assert list(disk.rglob(bundle.MANIFEST)) == []


def test_training_that_has_nowhere_to_leave_its_error_ends_with_that_of_the_disk(
    mount_disk: Callable[[str], Path],
) -> None:
    """The sentence comes from what the rank said: the file that usually holds it does not fit either."""
    disk = mount_disk(f"size={BLOCK}")
    (disk / "other").write_bytes(bytes(BLOCK))
    rank = (
        "import sys; from pathlib import Path; from modelsat.errors import ModelsatError\n"
        "from modelsat.io.recorded_failure import record_failure; from modelsat.io.atomic import write_json\n"
        "work = Path(sys.argv[1])\n"
        "try:\n    write_json(work / 'trained.json', [0] * 5000)\n"
        "except ModelsatError as error:\n    record_failure(work, error); sys.exit(1)\n"
    )

    with pytest.raises(ResourceError, match=r"^the disk is full: .*trained\.json"):
        launch_torchrun._follow([sys.executable, "-c", rank, str(disk)], disk, lambda _: None)


def test_feedback_of_a_gateway_waits_for_room_and_says_so(
    mount_disk: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    disk = mount_disk(f"size={4 * BLOCK}")
    filler = disk / "other"
    filler.write_bytes(bytes(4 * BLOCK))
    lost: list[int] = []

    async def scenario() -> None:
        kept = segments.Segments(str(disk / "log"), lost.append, seconds=0.01)
        assert kept.add({"event": "outcome", "score": 1})
        writing = asyncio.create_task(kept.write())
        while not caplog.records:
            await asyncio.sleep(0.01)
        filler.unlink()
        kept.close()
        await writing

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())

    assert caplog.records[0].message.startswith("1 rows of the feedback log wait, since the disk is full: ")
    assert [path.read_bytes() for path in (disk / "log").iterdir()] == [log.encode({"event": "outcome", "score": 1})]
    assert lost == []
