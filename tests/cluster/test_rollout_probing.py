"""Probes: which prompts are asked, what counts as wrong, and what an endpoint's answer is read as."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelsat.cluster.rollout import probing
from modelsat.cluster.rollout.probing import ProbeAnswer, Probes, ask, pairs, probes

TWO = Probes(("a", "b"), np.array([["x", "x"], ["y", ""]], dtype=object))
ROWS = np.arange(2)


@pytest.fixture
def contest(tmp_path: Path, make_collection: Callable[..., Any]) -> tuple[Path, Path]:
    scores = np.array([[1, 0], [0, 1], [1, np.nan]], dtype=float)
    collected = make_collection(scores, ["first?", "second?", "third?"], ["a", "b"], prompt_ids=["p2", "p1", "p3"])
    collected.write(tmp_path / "scores")
    decisions = pa.table(
        {
            "prompt_id": ["p2", "p1", "p3"],
            "champion: chosen": ["a", "b", "a"],
            "modelsat router: chosen": ["b", "b", "b"],
        }
    )
    pq.write_table(decisions, tmp_path / "decisions.parquet")
    return tmp_path / "scores", tmp_path / "decisions.parquet"


def test_probes_are_held_out_prompts_that_every_candidate_answered(contest: tuple[Path, Path]) -> None:
    found = probes(*contest, "promoted")

    assert [text.split("\n")[0] for text in found.prompts] == ["second?", "first?"]
    assert found.expected.tolist() == [["b", "b"], ["a", "b"]]


def test_answers_of_the_served_router_count_before_choices_among_admitted_candidates(
    contest: tuple[Path, Path],
) -> None:
    """In the evaluation the champion chooses `new`, which was admitted there; where it is served it cannot."""
    decisions = pq.read_table(contest[1])
    pq.write_table(decisions.append_column("champion: served", pa.array(["a", "a", ""])), contest[1])

    assert probes(*contest, "promoted").expected.tolist() == [["a", "b"], ["a", "b"]]


def test_the_constant_router_is_not_held_to_the_challengers_choices(contest: tuple[Path, Path]) -> None:
    assert probes(*contest, "do not route").expected.tolist() == [["b", ""], ["a", ""]]


def test_without_a_contest_errors_and_latency_are_judged_and_no_answer_is_wrong() -> None:
    found = probes(None, None, "promoted")

    assert found.prompts
    assert set(found.expected.ravel()) == {""}


def test_probes_are_kept_for_whoever_goes_on_with_the_promotion(tmp_path: Path) -> None:
    probing.keep(str(tmp_path), "run", TWO)
    probing.keep(str(tmp_path), "run", TWO)

    assert probing.kept(str(tmp_path), "run").prompts == TWO.prompts
    assert probing.kept(str(tmp_path), "another") is probing.ANY


def answering(choices: dict[str, str], versions: dict[str, str]) -> probing.Ask:
    return lambda address, _: ProbeAnswer(versions[address], choices[address], 0.1)


def test_a_choice_other_than_the_evaluation_s_is_wrong_where_the_evaluation_says_one() -> None:
    found = pairs(("c", "n"), ("1", "2"), TWO, ROWS, [], answering({"c": "x", "n": "z"}, {"c": "1", "n": "2"}))

    assert found.wrong.tolist() == [[False, True], [True, False]]
    assert not found.failed.any()


def test_an_answer_of_a_version_that_was_not_meant_is_left_out() -> None:
    found = pairs(("c", "n"), ("1", "2"), TWO, ROWS, [], answering({"c": "x", "n": "x"}, {"c": "1", "n": "1"}))

    assert len(found.failed) == 0


def test_a_champion_without_an_address_is_what_it_answered_before() -> None:
    before = [ProbeAnswer("1", "x", 0.5), ProbeAnswer("", "", 9.0)]

    found = pairs(("", "n"), ("1", "2"), TWO, ROWS, before, answering({"n": "x"}, {"n": "2"}))

    assert found.failed.tolist() == [[False, False], [True, False]]
    assert found.seconds[:, 0].tolist() == [0.5, 9.0]
    assert not found.wrong[:, 0].any()


def test_a_champion_of_whom_nothing_is_known_never_makes_a_challenger_look_slow() -> None:
    found = pairs(("", "n"), ("1", "2"), TWO, ROWS, [], answering({"n": "x"}, {"n": "2"}))

    assert (found.seconds[:, 0] > found.seconds[:, 1]).all()


@pytest.fixture
def endpoint() -> Iterator[Callable[[int, bytes], str]]:
    """Return a function that starts an endpoint with one answer and gives its address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status if self.path == "/v1/models/router:predict" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_version_and_choice_are_read_from_the_protocol(endpoint: Callable[[int, bytes], str]) -> None:
    body = json.dumps({"predictions": [{"model": "qwen", "router_version": "abc", "candidates": []}]})

    answer = ask(endpoint(200, body.encode()) + "/", "hello")

    assert (answer.version, answer.choice) == ("abc", "qwen")
    assert answer.seconds > 0


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (200, b"no json"), (200, b'{"predictions": []}'), (200, b"[1]"), (503, b"")]
)
def test_whatever_goes_wrong_is_no_answer(endpoint: Callable[[int, bytes], str], status: int, body: bytes) -> None:
    assert ask(endpoint(status, body), "hello").version == ""


def test_an_endpoint_that_is_not_there_is_no_answer() -> None:
    assert ask("http://127.0.0.1:9", "hello").version == ""
