"""Feedback through a real gateway: kept where asked for, taken from whom the answer was given, never in the way."""

import asyncio
import inspect
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from endpoint_process import Endpoint
from local_servers import Upstream, served
from typer.testing import CliRunner

from modelsat.cli import app
from modelsat.cli.serving import gateway
from modelsat.data.collection import collect
from modelsat.errors import InputError, ServiceError
from modelsat.feedback import log
from modelsat.feedback.joining import join
from modelsat.io import storage
from modelsat.offpolicy import readers, requests
from serving import tokens
from serving.gateway import exploration, feedback_ids, feedback_settings, segments, upstreams
from serving.gateway.app import create_app
from serving.gateway.feedback_settings import FeedbackSettings
from serving.gateway.gateway_settings import GatewaySettings
from serving.refusal import Refused

KEY = b"a key that only the gateways of this test know"
NAMES = ("cheap", "strong", "weak")
PROMPT = "the capital of Atlantis"
ADA, BOB = {"authorization": "Bearer lovelace"}, {"authorization": "Bearer bob"}
Start = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def start(endpoint: Endpoint, tmp_path: Path) -> Iterator[Start]:
    """Return a context manager with a client of a gateway that keeps feedback in `log`, unless told otherwise."""
    upstream = Upstream()
    with served(upstream.app()) as url:
        catalogue = {name: upstreams.Upstream(f"{url}/v1", f"org/{name}", timeout_seconds=0.5) for name in NAMES}

        @contextmanager
        def begin(faults: dict[str, str] | None = None, explore: float = 0.0, **more: Any) -> Iterator[httpx.Client]:
            upstream.faults = faults or {}
            kept = FeedbackSettings(**({"log": str(tmp_path / "log"), "key": KEY} | more))
            clients = frozenset(map(tokens.digest, ("lovelace", "bob")))
            settings = GatewaySettings(clients=clients, explore=explore, feedback=kept)
            with (
                served(create_app(catalogue, endpoint.url, settings)) as base,
                httpx.Client(base_url=base, timeout=30) as client,
            ):
                yield client

        yield begin


def ask(client: httpx.Client, headers: dict[str, str] = ADA, model: str = "auto", **body: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}]} | body
    return client.post("/v1/chat/completions", json=body, headers=headers)


def say(client: httpx.Client, feedback_id: Any, score: Any = 1.0, headers: dict[str, str] = ADA) -> httpx.Response:
    return client.post("/v1/feedback", json={"feedback_id": feedback_id, "score": score}, headers=headers)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_answer_and_outcome_are_joined_and_become_a_score(start: Start, tmp_path: Path) -> None:
    with start(keeps_text=True) as client:
        answer = ask(client, user="somebody")
        said = say(client, answer.headers["x-modelsat-feedback-id"], 0.75)
    folder = tmp_path / "log"
    joined = join(storage.snapshot(str(folder), folder))
    (folder / "outcomes.csv").write_text(f"request_id,score\n{answer.headers['x-modelsat-request-id']},1\n")

    assert said.status_code == 202
    assert said.json()["score"] == 0.75
    assert joined.votes.scores.tolist() == [0.75]
    assert joined.votes.candidates.tolist() == ["strong"]
    assert joined.votes.expected == pytest.approx([0.8])
    found = collect([str(folder)])
    assert found.scores.select(["candidate", "score"]).to_pylist() == [{"candidate": "strong", "score": 1.0}]
    assert found.prompts["prompt"].to_pylist() == [PROMPT]


def test_what_an_answer_used_is_logged_learned_from_and_counted_beside_a_promise(start: Start, tmp_path: Path) -> None:
    """1,000 tokens of prompt and 200 of answer at 10 USD per million are 0.012 USD; 0.8 was promised."""
    with start({"org/strong": "usage"}, keeps_text=True) as client:
        answer = ask(client)
        say(client, answer.headers["x-modelsat-feedback-id"], 0.75)
        say(client, answer.headers["x-modelsat-feedback-id"], 0.25)
        told = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines())
    folder = tmp_path / "log"
    (folder / "outcomes.csv").write_text(f"request_id,score\n{answer.headers['x-modelsat-request-id']},1\n")

    (row,) = collect([str(folder)]).scores.to_pylist()
    assert (row["tokens_in"], row["tokens_out"], row["cost_usd"]) == (1000, 200, pytest.approx(0.012))
    assert row["latency_seconds"] >= 0
    assert float(told['modelsat_paid_usd_total{model="strong"}']) == pytest.approx(0.012)
    assert told['modelsat_tokens_total{kind="cached",model="strong"}'] == "400.0"
    # The first outcome alone is compared, so that a client cannot be counted twice.
    assert float(told['modelsat_feedback_promised_success_total{model="strong"}']) == pytest.approx(0.8)
    assert told['modelsat_feedback_realised_success_total{model="strong"}'] == "0.75"
    assert told['modelsat_feedback_rated_answers_total{model="strong"}'] == "1.0"


def test_log_in_s3_is_read_like_one_in_a_folder(start: Start, bucket: str) -> None:
    place = f"s3://{bucket}/feedback"
    with start(keeps_text=True, log=place) as client:
        name = ask(client).headers["x-modelsat-request-id"]
    storage.create(f"{place}/outcomes.csv", f"request_id,score\n{name},0.5\n".encode())

    assert collect([place]).scores["score"].to_pylist() == [0.5]


def test_row_holds_no_text_no_token_and_no_header_unless_text_is_asked_for(start: Start, tmp_path: Path) -> None:
    with start() as client:
        ask(client, headers=ADA | {"x-secret": "open-sesame"}, user="somebody", tools=[])
    (row,) = rows(tmp_path / "log")
    content = "".join(path.read_text() for path in (tmp_path / "log").iterdir())

    assert set(row) == {"event", *log.FIELDS[log.ANSWER]}
    assert (row["candidate"], row["outcome"], row["propensity"]) == ("strong", "routed", 1.0)
    assert row["client"] == feedback_ids.keyed_digest(KEY, "client", tokens.digest("lovelace"))
    assert not any(word in content for word in (PROMPT, "somebody", "sesame", "lovelace", tokens.digest("lovelace")))


def test_nothing_is_kept_unless_asked_for(endpoint: Endpoint) -> None:
    with served(create_app({}, endpoint.url)) as url:
        answer = httpx.post(f"{url}/v1/feedback", json={"feedback_id": "1", "score": 1})

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "this gateway keeps no feedback; start it with --feedback-log"


def test_only_answers_of_which_the_router_expected_something_are_kept(start: Start, tmp_path: Path) -> None:
    with start(faults={"org/strong": "500"}) as client:
        named, fallen = ask(client, model="cheap"), ask(client)
        failed = ask(client, modelsat={"candidates": ["strong"]})

    assert "x-modelsat-feedback-id" not in named.headers
    assert (failed.status_code, "x-modelsat-feedback-id" in failed.headers) == (500, False)
    assert "x-modelsat-feedback-id" in fallen.headers
    (row,) = rows(tmp_path / "log")
    assert (row["candidate"], row["outcome"], row["success_probability"]) == ("cheap", "fallback", pytest.approx(0.7))


def test_decision_alone_has_an_id_too(start: Start) -> None:
    with start() as client:
        answer = client.post("/v1/route", json={"messages": [{"role": "user", "content": "Hi"}]}, headers=ADA)
        said = say(client, answer.headers["x-modelsat-feedback-id"])

    assert said.status_code == 202


def test_the_same_outcome_twice_is_answered_the_same(start: Start, tmp_path: Path) -> None:
    with start() as client:
        told = ask(client).headers["x-modelsat-feedback-id"]
        first, second = say(client, told, 0), say(client, told, 0)
    folder = tmp_path / "log"

    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert join(storage.snapshot(str(folder), folder)).votes.scores.tolist() == [0.0]


def test_another_gateway_with_the_same_key_knows_the_answer_after_a_restart(start: Start, tmp_path: Path) -> None:
    with start() as client:
        told = ask(client).headers["x-modelsat-feedback-id"]
    with start() as client:
        said = say(client, told)
    with start(key=b"another key of another set of gateways") as client:
        strange = say(client, told)

    assert (said.status_code, strange.status_code) == (202, 404)
    assert sorted(row["event"] for row in rows(tmp_path / "log")) == ["answer", "outcome"]


@pytest.mark.parametrize("told", ["", "x", "-", "6a-b-c", "\ud83d", "9" * 10_000])
def test_unknown_answer_and_somebody_elses_are_a_404(start: Start, told: str) -> None:
    with start() as client:
        body = json.dumps({"feedback_id": told, "score": 1}).encode()
        unknown = client.post("/v1/feedback", content=body, headers=ADA)
        elses = say(client, ask(client).headers["x-modelsat-feedback-id"], headers=BOB)

    assert (unknown.status_code, elses.status_code) == (404, 404)
    assert unknown.json()["error"]["message"].startswith("no answer was given to this client under this feedback_id")


def test_answer_too_long_ago_is_a_410() -> None:
    told = feedback_ids.issue(KEY, "ada", now=1_000_000.0)

    assert feedback_ids.check(KEY, told, "ada", 1_000_000.0 + 60, 60) == feedback_ids.plain(told)
    with pytest.raises(Refused, match="the answer is older than 7 days") as refused:
        feedback_ids.check(KEY, told, "ada", 1_000_000.0 + 7 * 86_400 + 1, 7 * 86_400)
    assert refused.value.status == 410


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"score": 1}', b'{"feedback_id": "a", "score": 1, "comment": "x"}', b"[" * 100_000]
    + [b'{"feedback_id": "a", "score": %s}' % score for score in (b"1.5", b"-1", b"true", b"NaN", b'"1"', b"null")]
    + [b'{"feedback_id": 7, "score": 1}'],
)
def test_malformed_outcome_is_a_400_with_a_sentence(start: Start, body: bytes) -> None:
    with start() as client:
        answer = client.post("/v1/feedback", content=body, headers=ADA)

    assert answer.status_code == 400
    assert re.search(
        r"; (send both and nothing else|correct them|send a flatter one)$", answer.json()["error"]["message"]
    )


def test_strangers_say_nothing_and_clients_no_faster_than_their_pace(start: Start) -> None:
    with start(per_minute=6) as client:
        told = ask(client).headers["x-modelsat-feedback-id"]
        stranger = say(client, told, headers={})
        answers = [say(client, told) for _ in range(2)]
        other = say(client, told, headers=BOB)

    assert stranger.status_code == 401
    assert [answer.status_code for answer in answers] == [202, 429]
    assert int(answers[1].headers["retry-after"]) > 0
    assert other.status_code == 404


def test_store_that_fails_is_in_nobodys_way(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(uri: str, content: bytes) -> None:
        raise ServiceError("S3 is away")

    monkeypatch.setattr(storage, "create", fail)
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 1)
    with start() as client:
        answers = [ask(client) for _ in range(3)]
        said = say(client, answers[0].headers["x-modelsat-feedback-id"])
        scrape = client.get("/metrics").text

    assert [*(answer.status_code for answer in answers), said.status_code] == [200, 200, 200, 202]
    assert 'modelsat_feedback_total{event="answer"} 3.0' in scrape
    assert "4 rows of the feedback log wait, since S3 is away" in caplog.text


@pytest.mark.parametrize("writable", [True, False])
def test_what_finds_no_room_is_lost_and_counted(tmp_path: Path, writable: bool) -> None:
    """Each row is a line of 12 bytes, so two may wait in 30; where the store fails to the end, they are lost too."""
    place, lost = tmp_path / "log", list[int]()
    if not writable:
        place.touch()

    async def fill() -> list[bool]:
        kept = segments.Segments(str(place), lost.append, most_bytes=30)
        room = [kept.add({"a": "123"}) for _ in range(3)]
        kept.close()
        await kept.write()
        return room

    assert asyncio.run(fill()) == [True, True, False]
    assert lost == ([1] if writable else [1, 2])
    assert rows(place) == ([{"a": "123"}] * 2 if writable else [])


def test_rows_that_waited_are_written_when_the_store_is_back(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, tries = storage.create, []

    def fail_once(uri: str, content: bytes) -> None:
        tries.append(uri)
        if len(tries) == 1:
            raise OSError("no space")
        create(uri, content)

    monkeypatch.setattr(storage, "create", fail_once)
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 1)
    with start() as client:
        ask(client)
        deadline = time.monotonic() + 20
        while not tries:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        ask(client)

    assert [row["event"] for row in rows(tmp_path / "log")] == ["answer", "answer"]
    assert len(tries) == 2


def test_log_says_nothing_of_prompts_and_ids(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with start(keeps_text=True) as client:
        told = ask(client).headers["x-modelsat-feedback-id"]
        say(client, told)

    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("modelsat", "uvicorn"))]
    assert not any(word in line for line in ours for word in (PROMPT, told, KEY.decode()))


def test_settings_want_a_secret_and_make_a_folder_for_their_owner(tmp_path: Path) -> None:
    place = tmp_path / "kept" / "here"

    made = feedback_settings.read(str(place), True, 3.0, "k" * 32)

    assert made == FeedbackSettings(str(place), b"k" * 32, keeps_text=True, days=3.0)
    assert place.stat().st_mode & 0o077 == 0
    assert feedback_settings.read("", False, 7.0, "") is None
    with pytest.raises(InputError, match="MODELSAT_FEEDBACK_KEY has fewer than 32 characters"):
        feedback_settings.read(str(place), False, 7.0, "short")
    with pytest.raises(InputError, match="name its place with --feedback-log"):
        feedback_settings.read("", True, 7.0, "")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        feedback_settings.read(str(tmp_path / "file" / "log"), False, 7.0, "k" * 32)


def test_command_keeps_nothing_by_default_and_wants_the_key_where_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(feedback_settings.KEY, raising=False)
    defaults = inspect.signature(gateway).parameters

    run = CliRunner().invoke(app, ["gateway", "--upstreams", "x.yaml", "--feedback-log", str(tmp_path / "log")])

    assert (defaults["feedback_log"].default, defaults["feedback_text"].default) == ("", False)
    assert defaults["feedback_days"].default == feedback_settings.DAYS
    assert "MODELSAT_FEEDBACK_KEY has fewer than 32 characters" in str(run.exception)
    assert not (tmp_path / "log").exists()


def test_explored_share_is_left_to_chance_with_its_probability(start: Start, tmp_path: Path) -> None:
    with start(explore=1.0) as client:
        answers = [ask(client, messages=[{"role": "user", "content": f"{PROMPT} {i}?"}]) for i in range(30)]

    assert {answer.headers["x-modelsat-selected-model"] for answer in answers} == set(NAMES)
    for row in rows(tmp_path / "log"):
        assert row["propensity"] == pytest.approx(1 / 3)
        assert row["outcome"] == ("routed" if row["candidate"] == "strong" else "explored")


@pytest.mark.parametrize(
    ("draw", "order", "propensity"),
    [
        (0.00, ["a", "b", "c", "d"], 0.925),
        (0.024, ["a", "b", "c", "d"], 0.925),
        (0.03, ["b", "a", "c", "d"], 0.025),
        (0.09, ["d", "a", "b", "c"], 0.025),
        (0.1, ["a", "b", "c", "d"], 0.925),
        (0.99, ["a", "b", "c", "d"], 0.925),
    ],
)
def test_a_tenth_of_the_choices_is_spread_over_four_candidates(
    draw: float, order: list[str], propensity: float
) -> None:
    """0.1 / 4 = 0.025 each, and the best has the other 0.9 too."""
    found = exploration.drawn("abcd", 0.1, draw)

    assert found == (order, pytest.approx(propensity))


def test_without_exploration_or_others_the_choice_is_certain() -> None:
    assert exploration.drawn("ab", 0.0, 0.0) == (["a", "b"], 1.0)
    assert exploration.drawn("a", 0.5, 0.0) == (["a"], 1.0)


def test_log_is_read_as_requests_with_the_probability_of_each_choice(start: Start, tmp_path: Path) -> None:
    """`modelsat prove` reads what the gateway wrote: who answered, how likely that was, and what came of it."""
    with start({"org/strong": "usage"}, keeps_text=True, explore=0.3) as client:
        answers = [ask(client, user=f"u{i}", metadata={"n": str(i)}) for i in range(3)]
        for answer in answers:
            say(client, answer.headers["x-modelsat-feedback-id"], 0.5)
    log_read = requests.of_rows(readers.read([str(tmp_path / "log")]).rows)

    assert log_read.model.tolist() == [answer.headers["x-modelsat-selected-model"] for answer in answers]
    assert log_read.prompt.tolist() == [PROMPT] * 3
    assert log_read.outcome.tolist() == [0.5] * 3
    # Three upstreams: a tenth each by chance, and seven tenths more for the router's own choice.
    expected = {"routed": 0.8, "explored": 0.1}
    told = [expected.get(answer.headers["x-modelsat-outcome"], float("nan")) for answer in answers]
    assert log_read.propensity.tolist() == pytest.approx(told, nan_ok=True)
