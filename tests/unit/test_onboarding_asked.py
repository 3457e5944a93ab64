"""What a newcomer answered is kept, all of it, and the champion is opened once on the way."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from llm_server import LlmServer
from test_asking import question, right

from modelsat.bundle import bundle
from modelsat.bundle.bundle import Bundle
from modelsat.data.collection import Collection, collect
from modelsat.io import storage
from modelsat.onboarding import asked
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.change import Action, Change
from modelsat.onboarding.order import Order
from modelsat.steps import onboard

QUESTIONS = 12


@pytest.fixture
def parent(make_bundle: Callable[..., Bundle], tmp_path: Path) -> Bundle:
    rows = [question(i) for i in range(QUESTIONS)]
    return make_bundle({"ada": 0.5}, aptitude_test=rows, attribution="").write(tmp_path / "parent")


def test_answers_to_further_questions_are_kept_beside_the_first_ones(parent: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        change, facts = Change(Action.ADD, "bob"), {"endpoint": server.url}
        order = Order(change, facts, 1, str(tmp_path / "parent"), parent.digest, "router/1", "apt-by-hand")

        first, all_of_them, again = (
            asked.ask(parent, order, AskingSettings(questions=questions), tmp_path / "work", str(tmp_path / "answers"))
            for questions in (4, None, None)
        )

    assert [collect([kept]).scores.num_rows for kept in (first, all_of_them)] == [4, QUESTIONS]
    assert again == all_of_them
    assert len(server.asked) == QUESTIONS


def test_repaired_endpoint_is_asked_anew_under_another_revision(parent: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        for revision in ("", "repaired"):
            server.answer = right if revision else lambda _: "no answer to read"
            change, facts = Change(Action.ADD, "bob", revision), {"endpoint": server.url, "revision": revision or None}
            order = Order(change, facts, 1, str(tmp_path / "parent"), parent.digest, "router/1", "apt-by-hand")
            kept = asked.ask(parent, order, AskingSettings(), tmp_path / "work", str(tmp_path / "answers"))

    assert len(server.asked) == 2 * QUESTIONS
    assert collect([kept]).scores.num_rows == QUESTIONS
    assert asked.unreadable([kept]) == 0


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often a folder is fetched from S3 and how often a bundle is verified; both happen."""
    counts: Counter[str] = Counter()
    fetch_folder, verify = storage.fetch_folder, bundle.verify

    def fetching(uri: str, into: Path) -> None:
        counts["fetched"] += 1
        fetch_folder(uri, into)

    def verifying(folder: Path, uri: str = "") -> str:
        counts["verified"] += 1
        return verify(folder, uri)

    monkeypatch.setattr(storage, "fetch_folder", fetching)
    monkeypatch.setattr(bundle, "verify", verifying)
    return counts


def test_champion_is_fetched_and_verified_once_to_take_answers(
    parent: Bundle, bucket: str, opened: Counter[str], tmp_path: Path
) -> None:
    uri = bundle.publish(tmp_path / "parent", f"s3://{bucket}/bundles")
    opened.clear()
    with LlmServer(right).running() as server:
        change = Change(Action.ADD, "bob")
        order = Order(change, {"endpoint": server.url}, 1, uri, parent.digest, "router/1", "apt-by-hand")
        asks = onboard.Sources([], [], str(tmp_path / "answers"), tmp_path / "work")

        onboard.gather(order, asks, AskingSettings(), tmp_path / "asked")
        assert opened == {"fetched": 1, "verified": 1}

        kept = [str(folder) for folder in (tmp_path / "answers").iterdir()]
        onboard.gather(order, onboard.Sources(kept, [], "", tmp_path), AskingSettings(), tmp_path / "read")
        assert opened == {"fetched": 2, "verified": 2}

    assert len(server.asked) == QUESTIONS
    assert Collection.read(tmp_path / "read").scores.num_rows == QUESTIONS
