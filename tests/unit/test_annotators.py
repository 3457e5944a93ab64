"""An LLM annotates prompts over HTTP: asked with care, remembered, and measured by the tags that it gives."""

import csv
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelsat.cli import evaluation as verb
from modelsat.data import splits
from modelsat.errors import InputError, ServiceError
from modelsat.evaluation import comparison
from modelsat.evaluation.table import BEST_SINGLE
from modelsat.io import chat_endpoint
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.rivals import annotators, inference_dynamics, tag_features
from modelsat.rivals.annotators import annotate, read
from modelsat.rivals.rival import Labelled

SUMS = '{"capabilities": ["reasoning"], "knowledge": ["arithmetic"]}'
WORDS = '{"capabilities": ["comprehension"], "knowledge": ["spelling"]}'
KEY = "key-that-nobody-may-see"
NO_WAITS = (0.0, 0.0)
Reply = Callable[[str], "str | int | bytes"]
"""A prompt to an answer of the LLM, a status, or the whole body."""


@dataclass
class Server:
    """An annotator on this machine: what it says, and what it was asked."""

    url: str
    reply: Reply = lambda prompt: SUMS if "Add" in prompt else WORDS
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    inside: int = 0
    most_inside: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def endpoint(self, model: str = "tagger", **settings: Any) -> ChatEndpoint:
        return ChatEndpoint(self.url, model, **{"waits_seconds": NO_WAITS, **settings})

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][1]["content"] for body in self.asked]


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                state.asked.append(body)
                state.keys.append(self.headers.get("Authorization"))
                state.inside += 1
                state.most_inside = max(state.most_inside, state.inside)
            said = state.reply(body["messages"][1]["content"]) if self.path == "/v1/chat/completions" else 404
            with state.lock:
                state.inside -= 1
            status, answer = (said, b"") if isinstance(said, int) else (200, said)
            if isinstance(answer, str):
                answer = json.dumps({"choices": [{"message": {"content": answer}}]}).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **state.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Listening(http.server.ThreadingHTTPServer):
        daemon_threads = False
        request_queue_size = 64

    listening = Listening(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{listening.server_address[1]}/v1")
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    yield state
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_tags_come_in_the_order_of_the_texts(server: Server, tmp_path: Path) -> None:
    tags = annotate(["Add 1 and 2", "Spell owl", "Add 1 and 2"], server.endpoint(), tmp_path)

    assert tags["capabilities"].to_pylist() == [["reasoning"], ["comprehension"], ["reasoning"]]
    assert tags["knowledge"].to_pylist() == [["arithmetic"], ["spelling"], ["arithmetic"]]
    assert len(server.asked) == 2


def test_question_holds_the_prompt_at_temperature_0_and_the_key_is_a_header(server: Server, tmp_path: Path) -> None:
    annotate(["Spell owl"], server.endpoint(key=KEY), tmp_path)

    (body,) = server.asked
    assert (body["model"], body["temperature"]) == ("tagger", 0)
    assert "Spell owl" in body["messages"][1]["content"]
    assert KEY not in json.dumps(body)
    assert server.keys == [f"Bearer {KEY}"]


def test_long_prompt_loses_its_middle(server: Server, tmp_path: Path) -> None:
    annotate(["begin" + "x" * 20_000 + "end"], server.endpoint(), tmp_path)

    (prompt,) = server.prompts
    assert "begin" in prompt
    assert prompt.endswith("end")
    assert len(prompt) < annotators.CHARACTERS + 100


def test_answer_is_read_through_what_surrounds_it() -> None:
    tags = {"capabilities": ["Coding", "magic", "reasoning", "coding"], "knowledge": [" Graph\n Theory"]}
    answer = f"Sure:\n```json\n{json.dumps(tags)}\n```"

    assert read(answer) == {"capabilities": ["coding", "reasoning"], "knowledge": ["graph theory"]}


@pytest.mark.parametrize(
    "answer",
    ["", "42", "[]", "{", '{"capabilities"', '{"answer": 4}', '{"knowledge": "algebra"}', '{"knowledge": [4, ""]}'],
)
def test_answer_without_tags_is_none(answer: str) -> None:
    assert read(answer) is None


def test_no_more_tags_are_read_than_there_are_ranks() -> None:
    found = read(json.dumps({"knowledge": [f"field {i}" for i in range(9)]}))

    assert found == {"capabilities": [], "knowledge": ["field 0", "field 1", "field 2", "field 3"]}


def test_garbage_and_refusals_are_no_tags_and_garbage_is_remembered(server: Server, tmp_path: Path) -> None:
    server.reply = lambda prompt: 400 if "filtered" in prompt else "I see." if "odd" in prompt else SUMS
    texts = ["Add 1", "odd", "filtered"]

    tags = annotate(texts, server.endpoint(), tmp_path)
    again = annotate(texts, server.endpoint(), tmp_path)

    assert tags["knowledge"].to_pylist() == [["arithmetic"], None, None]
    assert again == tags
    assert [sum(text in prompt for prompt in server.prompts) for text in texts] == [1, 1, 2]


def test_annotator_that_never_gives_tags_is_no_annotator(server: Server, tmp_path: Path) -> None:
    server.reply = lambda _: "I would rather talk about the weather."

    with pytest.raises(ServiceError, match="model 'tagger' refused every prompt or gave no answer that can be read"):
        annotate(["Add 1", "Spell owl"], server.endpoint(), tmp_path)


@pytest.mark.parametrize("fault", [503, 429, b"<html>busy</html>", b'{"choices": []}'])
def test_passing_fault_is_asked_again(server: Server, tmp_path: Path, fault: int | bytes) -> None:
    server.reply = lambda _: fault if len(server.asked) < 3 else SUMS

    tags = annotate(["Add 1"], server.endpoint(), tmp_path)

    assert tags["knowledge"].to_pylist() == [["arithmetic"]]
    assert len(server.asked) == 3


def test_asking_again_has_an_end_and_the_error_tells_neither_prompt_nor_key(server: Server, tmp_path: Path) -> None:
    server.reply = lambda _: 503

    with pytest.raises(ServiceError, match="failed 3 times, last with status 503; run the same command") as caught:
        annotate(["Spell secret"], server.endpoint(key=KEY), tmp_path)

    assert len(server.asked) == 3
    assert KEY not in str(caught.value) + repr(server.endpoint(key=KEY))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("stated", "pauses"), [("7", [7.0, 9.0]), ("86400", [60.0, 60.0]), ("soon", [1.0, 9.0])])
def test_pause_is_as_long_as_the_endpoint_asks_within_a_minute(
    server: Server, monkeypatch: pytest.MonkeyPatch, stated: str, pauses: list[float]
) -> None:
    paused: list[float] = []
    monkeypatch.setattr(chat_endpoint, "time", SimpleNamespace(sleep=paused.append))
    server.reply, server.headers = lambda _: 429, {"Retry-After": stated}

    with pytest.raises(ServiceError, match="last with status 429"):
        server.endpoint(waits_seconds=(1.0, 9.0)).ask("Tag this.", "Add 1")

    assert paused == pauses


@pytest.mark.parametrize("status", [401, 404])
def test_lasting_fault_is_asked_once(server: Server, tmp_path: Path, status: int) -> None:
    server.reply = lambda _: status

    with pytest.raises(ServiceError, match=f"answers status {status} to model 'tagger'; check its address"):
        annotate(["Add 1"], server.endpoint(), tmp_path)

    assert len(server.asked) == 1


def test_endpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    nowhere = ChatEndpoint("http://127.0.0.1:9/v1", "tagger", waits_seconds=())

    with pytest.raises(ServiceError, match=r"'http://127.0.0.1:9/v1' failed 1 times, last with .*refused"):
        annotate(["Add 1"], nowhere, tmp_path)


def test_stopped_run_goes_on_where_it_was(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotators, "CONCURRENT", 1)
    texts = [f"Add {i} and {i}" for i in range(10)]
    server.reply = lambda prompt: 401 if texts[6] in prompt else SUMS
    with pytest.raises(ServiceError):
        annotate(texts, server.endpoint(), tmp_path)
    answered = len(server.asked) - 1
    server.asked.clear()
    server.reply = lambda _: SUMS

    tags = annotate(texts, server.endpoint(), tmp_path)

    assert tags["knowledge"].to_pylist() == [["arithmetic"]] * 10
    assert answered >= 6
    assert len(server.asked) == 10 - answered


def test_another_model_wording_or_a_torn_file_is_asked_anew(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(model: str = "tagger") -> int:
        server.asked.clear()
        annotate(["Add 1"], server.endpoint(model), tmp_path)
        return len(server.asked)

    assert [asked(), asked(), asked("other"), asked("other")] == [1, 0, 1, 0]
    for file in tmp_path.rglob("*.json"):
        file.write_text('{"answer": "{')
    assert [asked(), asked()] == [1, 0]
    monkeypatch.setattr(annotators, "INSTRUCTION", "Other words.")
    assert [asked(), asked()] == [1, 0]


def test_disk_holds_answers_and_no_prompt(server: Server, tmp_path: Path) -> None:
    annotate(["Spell owl"], server.endpoint(key=KEY), tmp_path)

    (file,) = tmp_path.rglob("*.json")
    assert json.loads(file.read_text()) == {"answer": WORDS}


def test_questions_are_asked_side_by_side_up_to_a_bound(server: Server, tmp_path: Path) -> None:
    together = threading.Barrier(annotators.CONCURRENT, timeout=20)

    def reply(_: str) -> str:
        together.wait()
        return SUMS

    server.reply = reply

    annotate([f"Add {i}" for i in range(3 * annotators.CONCURRENT)], server.endpoint(), tmp_path)

    assert server.most_inside == annotators.CONCURRENT


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", "http://[/v1"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"^the address of the chat endpoint (has|begins|names)"):
        ChatEndpoint(url, "tagger")


def test_credentials_are_refused_where_they_would_be_shown() -> None:
    with pytest.raises(InputError, match="holds credentials; give the key in the environment") as caught:
        ChatEndpoint(f"http://me:{KEY}@host/v1", "tagger")
    with pytest.raises(InputError, match="holds a line break or an odd character") as broken:
        ChatEndpoint("http://host/v1", "tagger", f"{KEY}\nX-Other: 1")

    assert KEY not in str(caught.value) + str(broken.value)


def at(degrees: float) -> list[float]:
    return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]


def embed(phrases: Sequence[str]) -> np.ndarray:
    """Phrases are directions in degrees; less than 45.6 degrees apart is nearer than 0.7."""
    return np.asarray([at(float(phrase)) for phrase in phrases])


def test_near_phrases_are_one_domain_begun_by_the_most_frequent() -> None:
    found = tag_features.domains({"0": 9, "40": 20, "80": 12, "130": 10}, set(), embed)

    # 40 comes first and takes 0 and 80 along, which are 80 degrees apart; 130 is 90 degrees from 40.
    assert found == {"40": 1, "0": 1, "80": 1, "130": 2}


def test_rare_domain_is_none_and_unseen_phrase_is_of_the_nearest() -> None:
    found = tag_features.domains({"0": 6, "10": 4, "90": 9, "180": 30}, {"40", "50", "95", "140"}, embed)

    assert {phrase: found[phrase] for phrase in ("180", "0", "10", "90")} == {"180": 1, "0": 2, "10": 2, "90": 0}
    assert {phrase: found[phrase] for phrase in ("40", "50", "95", "140")} == {"40": 2, "50": 0, "95": 0, "140": 1}


def test_without_training_phrases_every_domain_is_other() -> None:
    assert tag_features.domains({}, {"0", "90"}, embed) == {"0": 0, "90": 0}


def test_numbers_of_tags_are_ranked_and_each_once_per_prompt() -> None:
    table = pa.Table.from_pylist(
        [
            {"capabilities": ["coding", "reasoning"], "knowledge": ["0", "10", "180"]},
            {"capabilities": [], "knowledge": ["180"]},
            {"capabilities": None, "knowledge": None},
        ],
        schema=annotators.TAGS,
    )

    found = tag_features.numbers(table, np.asarray([True, True, False]), embed)

    # No phrase comes ten times here, so that all are one tag.
    assert found[:, 0].tolist() == [[5, 0, -1, -1], [-1, -1, -1, -1], [-1, -1, -1, -1]]
    assert found[:, 1].tolist() == [[0, -1, -1, -1], [0, -1, -1, -1], [-1, -1, -1, -1]]


def test_profile_of_prompts_with_few_tags_by_hand() -> None:
    train = Labelled(
        np.asarray([[0, 1], [1, -1]]), np.asarray([[1, 0], [0, 1]], np.float32), np.zeros(2), np.ones((2, 2))
    )

    scorer = inference_dynamics.profile(train, lambda tags: tags, 2, decay=0.5)

    # The first prompt weighs its tags 2/3 and 1/3, the second its only one 1; both candidates are right half the time.
    index = np.asarray([[2 / 3, 0], [(1 / 3) / 2, 1 / 2], [0.5 / 1.5, 0.5 / 1.5]])
    asked = np.asarray([[1, 0], [0, -1], [-1, -1], [7, -1]])
    wanted = [2 / 3 * index[1] + 1 / 3 * index[0], index[0], [0, 0], index[2]]
    np.testing.assert_allclose(scorer(asked), wanted, atol=1e-6)


def test_capabilities_and_knowledge_count_alike() -> None:
    numbers = np.asarray([[[0, -1], [0, -1]], [[0, -1], [1, -1]]])
    train = Labelled(numbers, np.asarray([[1, 0], [0, 1]], np.float32), np.zeros(2), np.ones((2, 2)))

    scores = inference_dynamics.fit_annotated(train, train)(numbers)

    assert scores.tolist() == [[1.5, 0.5], [0.5, 1.5]]


@pytest.fixture
def results(tmp_path: Path, texts_in: Callable[[str, int, str], list[str]]) -> Path:
    """Sums for `adder`, words for `speller`, some odd ones for nobody; all under one label."""
    folder = tmp_path / "results"
    folder.mkdir()
    counts = {splits.TRAIN: 30, splits.VALIDATION: 10, splits.TEST: 10}
    sums, words, odd = (
        [text for split, n in counts.items() for text in texts_in(split, n // share, stem)]
        for stem, share in (("Add the numbers", 1), ("Spell the word", 1), ("odd", 5))
    )
    rows = [(text, int(text in sums), int(text in words), 0.9 * (text in sums)) for text in [*sums, *words, *odd]]
    with (folder / "prompts.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["prompt_id", "benchmark", "category", "prompt"])
        table.writerows([f"p{i}", "secret-benchmark", "secret-label", row[0]] for i, row in enumerate(rows))
    with (folder / "scores.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["prompt_id", "adder", "speller", "second"])
        table.writerows([f"p{i}", *row[1:]] for i, row in enumerate(rows))
    return folder


def test_router_with_an_annotator_routes_by_its_tags_and_never_by_a_label(
    server: Server, results: Path, tmp_path: Path
) -> None:
    failed: set[str] = set()

    def reply(prompt: str) -> str | int:
        if "odd" in prompt:
            return "No idea."
        if "0 ?" in prompt and prompt not in failed:
            failed.add(prompt)
            return 503
        return SUMS if "Add" in prompt else WORDS

    server.reply = reply
    lines: list[str] = []

    found = comparison.compare(
        [str(results)], ["inference-dynamics"], tmp_path, progress=lines.append, annotator=server.endpoint()
    )

    assert failed
    readable = np.asarray(["odd" not in text for text in found.arena.texts])
    assert found.evaluation.correct["inference-dynamics"][readable].min() == 1.0
    assert found.evaluation.correct[BEST_SINGLE][readable].mean() == 0.5
    assert comparison.as_json(found)["routers"]["inference-dynamics"]["uri"] == "inference-dynamics, tags by tagger"
    assert lines[0] == "scoring with inference-dynamics"
    assert "no readable tags for 10 of 110 prompts" in lines
    assert not any("secret" in json.dumps(body) for body in server.asked)


def test_command_asks_the_annotator_with_the_key_of_the_environment(
    server: Server, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSAT_ANNOTATOR_KEY", f"{KEY}\n")

    verb.evaluate(
        ["inference-dynamics"],
        [str(results)],
        cache=tmp_path / "vectors",
        annotator=server.url,
        annotator_model="tagger",
    )

    shown = capfd.readouterr()
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert "annotating prompts 110/110" in shown.err
    assert KEY not in shown.out + shown.err
    assert "Spell" not in shown.out + shown.err


def test_half_an_annotator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give both --annotator and --annotator-model"):
        verb.evaluate(["inference-dynamics"], [str(tmp_path)], annotator="http://host/v1")


def test_annotator_without_the_router_that_uses_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an annotator is of use to 'inference-dynamics' only; name that router too"):
        comparison.compare(["nowhere"], ["knn"], tmp_path, annotator=ChatEndpoint("http://host/v1", "tagger"))
