"""The console over HTTP: who may look, what its numbers are, and that nothing of what is typed stays anywhere.

The endpoint's router says 0.8 for `strong`, 0.7 for `cheap` and 0.3 for `weak`, whatever the prompt.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from console_gateway import LOGIN, TOKEN, ConsoleGateway, started
from endpoint_process import Endpoint
from local_servers import closed_port
from starlette.datastructures import Headers

from serving import tokens
from serving.gateway.console import answered, counted, login, pages, pictures, question, served_router, state
from serving.gateway.console.question import Question
from serving.gateway.console.served_router import ServedRouter
from serving.gateway.decision import RoutingDecision
from serving.gateway.telemetry import Telemetry
from serving.gateway.usage import Usage
from serving.refusal import Refused

NAMES = ("cheap", "strong", "weak")
SECRET = "the capital of Atlantis"
HOSTILE = "<script>alert(1)</script>"
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def console(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleGateway]:
    """A gateway whose console asks for a token."""
    with started(endpoint.url, tmp_path_factory.mktemp("console") / "log", NAMES) as one:
        yield one


@pytest.fixture
def inside(console: ConsoleGateway) -> Iterator[ConsoleGateway]:
    """The same with a person who has logged in."""
    assert console.log_in().status_code == 303
    yield console
    console.client.cookies.clear()


def test_stranger_gets_a_form_and_no_number(console: ConsoleGateway) -> None:
    for path in ("/console", "/console/route"):
        page = console.client.get(path)

        assert page.status_code == 401
        assert 'name="token"' in page.text
        assert "cheap" not in page.text


def test_token_opens_the_console_by_a_cookie_that_does_not_hold_it(console: ConsoleGateway) -> None:
    answer = console.log_in()
    console.client.cookies.clear()

    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "path=/console", "samesite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN.lower() not in cookie
    assert tokens.digest(TOKEN) not in cookie
    assert answer.headers["location"] == "/console"


def test_cookie_travels_over_tls_alone_where_the_browser_came_over_tls(console: ConsoleGateway) -> None:
    answer = console.client.post("/console/login", data={"token": TOKEN}, headers={"x-forwarded-proto": "https"})
    console.client.cookies.clear()

    assert "secure" in answer.headers["set-cookie"].lower()


def test_unknown_token_is_refused_with_a_sentence_and_without_a_cookie(console: ConsoleGateway) -> None:
    answer = console.log_in("a guess")

    assert answer.status_code == 401
    assert "This token is unknown" in answer.text
    assert "set-cookie" not in answer.headers


def test_cookie_opens_nothing_but_the_console(inside: ConsoleGateway) -> None:
    cookie = {"cookie": f"modelsat_console={inside.client.cookies['modelsat_console']}"}
    body = {"messages": [{"role": "user", "content": "Hi"}]}

    assert httpx.get(f"{inside.url}/console", headers=cookie).status_code == 200
    assert httpx.post(f"{inside.url}/v1/route", json=body, headers=cookie).status_code == 401
    assert httpx.get(f"{inside.url}/v1/models", headers=cookie).status_code == 401


def test_logging_out_takes_the_cookie_away(inside: ConsoleGateway) -> None:
    inside.client.post("/console/logout")

    assert inside.client.get("/console").status_code == 401


def client_of(cookie: str, clients: frozenset[str]) -> str:
    return login.client_of("GET", "/console", Headers({"cookie": f"modelsat_console={cookie}"}), clients)


def test_cookie_is_good_for_its_token_and_its_time_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = (frozenset({tokens.digest(name)}) for name in ("ada", "bob"))
    answer = pages.answer("")
    assert login.let_in(answer, "ada", ada, is_secure=False)
    until, proof = answer.headers["set-cookie"].split(";")[0].partition("=")[2].split(".")

    assert client_of(f"{until}.{proof}", ada | bob) == tokens.digest("ada")
    for forged in (f"{int(until) + 1}.{proof}", f"{until}.{proof[:-1]}", f"{until}.", "", f"{until}.ü", "²."):
        with pytest.raises(Refused):
            client_of(forged, ada)
    with pytest.raises(Refused):
        client_of(f"{until}.{proof}", bob)
    monkeypatch.setattr(login.time, "time", lambda: float(until))
    with pytest.raises(Refused):
        client_of(f"{until}.{proof}", ada)


def test_gateway_without_tokens_shows_its_console_to_everybody(endpoint: Endpoint, tmp_path: Path) -> None:
    with started(endpoint.url, tmp_path / "log", NAMES, has_login=False) as console:
        page = console.client.get("/console")

    assert page.status_code == 200
    assert "Log out" not in page.text


def test_pages_let_no_script_no_frame_and_nothing_from_elsewhere_in(inside: ConsoleGateway) -> None:
    policy = inside.client.get("/console").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_what_is_typed_is_shown_and_neither_counted_logged_nor_kept(
    inside: ConsoleGateway, caplog: pytest.LogCaptureFixture
) -> None:
    before = inside.client.get("/metrics").text
    with caplog.at_level(logging.DEBUG):
        page = inside.route(SECRET)
    kept = b"".join(path.read_bytes() for path in inside.log.glob("*")) if inside.log.exists() else b""

    assert page.status_code == 200
    assert SECRET in page.text
    assert "strong: 10.0 points more likely to succeed than cheap" in page.text
    assert inside.client.get("/metrics").text == before
    assert SECRET not in caplog.text
    assert SECRET.encode() not in kept


def test_dial_and_filters_are_those_of_a_request(inside: ConsoleGateway) -> None:
    chosen = {
        "strong": {"dial": "best"},
        "cheap": {"dial": "weight", "cost_weight": "0.5"},
        "weak": {"candidates": "w*"},
    }

    for name, fields in chosen.items():
        assert f"<td>{name}</td>" in inside.route("Hi", **fields).text.split('class="strong"')[1][:80]


def test_reason_speaks_of_those_that_the_filter_allows(inside: ConsoleGateway) -> None:
    page = inside.route("Hi", candidates="cheap, weak").text

    assert "cheap: 40.0 points more likely to succeed than weak" in page
    assert "<td>strong</td>" not in page


def test_mistake_is_said_and_what_was_typed_stays(inside: ConsoleGateway) -> None:
    page = inside.route(SECRET, max_cost_usd="much", candidates="cheap")

    assert page.status_code == 400
    assert "max_cost_usd &#39;much&#39; is not a number" in page.text
    assert SECRET in page.text
    assert 'value="cheap"' in page.text


def test_empty_prompt_and_a_form_that_is_too_large_are_refused(inside: ConsoleGateway) -> None:
    assert "the prompt is empty" in inside.route(" ").text
    assert inside.route("x" * 100_001).status_code == 413


def test_text_of_strangers_stays_text(inside: ConsoleGateway) -> None:
    assert HOSTILE not in inside.route(HOSTILE, candidates=HOSTILE).text
    telemetry = Telemetry()
    telemetry.requests.labels(HOSTILE, "routed").inc()
    counts = counted.read(NOW, telemetry.registry.collect())
    served = ServedRouter(HOSTILE, best_single=HOSTILE, promise=HOSTILE)

    assert HOSTILE not in pages.overview(served, counts, {HOSTILE: HOSTILE}, (HOSTILE,), NOW, has_login=True)


def test_page_says_so_where_the_endpoint_does_not_answer(tmp_path: Path) -> None:
    with closed_port() as nobody, started(nobody, tmp_path / "log", NAMES, has_login=False) as console:
        page = console.client.get("/console")
        asked = console.route("Hi")

    assert page.status_code == 200
    assert "does not answer (ConnectError); check --endpoint" in page.text
    assert "no router has said yet who is best" in asked.text


def test_endpoint_says_since_when_it_serves(console: ConsoleGateway, endpoint: Endpoint) -> None:
    page = console.client.get("/console", headers=LOGIN).text
    served = served_router.read(endpoint.get("/v2/models/router").json, endpoint.get("/metrics").body.decode())

    assert f"Router {served.version} is served, since" in page
    assert served.since is not None
    assert (served.kind, served.promotions) == ("constant", ())
    assert "Not known here: the endpoint serves a bundle without champion records" in page


def telemetry_of_four_answers() -> Telemetry:
    """Three answers of cheap and one of strong; two of cheap's are rated; 1 USD was paid where strong costs 4."""
    telemetry = Telemetry()
    ranked = [
        {"candidate": "cheap", "success_probability": 0.7, "expected_cost_usd": 0.001},
        {"candidate": "strong", "success_probability": 0.9, "expected_cost_usd": 0.01},
    ]
    for name, outcome in (("cheap", "routed"), ("cheap", "routed"), ("cheap", "fallback"), ("strong", "routed")):
        telemetry.requests.labels(name, outcome).inc()
        telemetry.decided(RoutingDecision([name], outcome, ranked=ranked, best_single="strong"), name)
    telemetry.used("cheap", Usage(10, 10), 1.0, 4.0)
    telemetry.used("strong", Usage(10, 10), 2.0, None)
    telemetry.rated("cheap", 0.7, 1.0)
    telemetry.rated("cheap", 0.7, 0.0)
    return telemetry


def test_numbers_are_those_of_the_metrics() -> None:
    counts = counted.read(NOW, telemetry_of_four_answers().registry.collect())

    assert (counts.answers, counts.fallbacks, counts.rated) == (4, 1, 2)
    assert (counts.paid_usd, counts.best_single_usd, counts.saved) == (1.0, 4.0, 0.75)
    cheap, strong = counts.candidates["cheap"], counts.candidates["strong"]
    assert (cheap.answers, cheap.share, cheap.paid_usd) == (3, 0.75, 1.0)
    assert (cheap.promised, cheap.rated_promised, cheap.realised) == (pytest.approx(0.7), pytest.approx(0.7), 0.5)
    assert (strong.promised, strong.rated_promised, strong.realised) == (pytest.approx(0.9), None, None)


def test_gateway_that_has_answered_nothing_claims_nothing() -> None:
    counts = counted.read(NOW, Telemetry().registry.collect())

    assert (counts.answers, counts.saved, counts.realised) == (0, None, None)
    assert [tile.value for tile in state.tiles(ServedRouter(), counts)] == ["0", "–", "–", "–"]


def test_broken_promise_is_a_warning_from_the_number_of_answers_on_at_which_the_alert_speaks() -> None:
    """0.7 is promised and 0.5 comes true; the alert asks for 200 rated answers."""
    served = ServedRouter(version="v")
    for rated, tone in ((199, "good"), (200, "warn")):
        telemetry = Telemetry()
        for i in range(rated):
            telemetry.rated("cheap", 0.7, float(i % 2))
        counts = counted.read(NOW, telemetry.registry.collect())

        assert state.sentence(served, counts, NOW)[1] == tone


def test_picture_says_in_words_what_it_shows() -> None:
    bar = pictures.shares("Share", {"a": 0.75, "b": 0.25, "c": 0.0}, {"a": 0, "b": 1, "c": 2})

    assert 'aria-label="Share: a 75 %, b 25 %"' in bar
    assert bar.count("<rect") == 2
    assert 'aria-label="realised 50 %, promised 70 %"' in pictures.bullet(0.7, 0.5)


def test_last_promotions_are_shown_with_their_verdicts() -> None:
    rows = [
        {"epoch": epoch, "model": f"router/{epoch}", "verdict": verdict, "promoted_at": "2026-11-29T11:00:00+00:00"}
        for epoch, verdict in ((2, "rolled back to epoch 1"), (1, "promoted"))
    ]
    metadata = {"parameters": {"router_version": "v"}, "serving": {"since": None, "promotions": rows}}
    served = served_router.read(metadata, "")
    counts = counted.read(NOW - timedelta(hours=2), Telemetry().registry.collect())

    page = pages.overview(served, counts, {}, (), NOW, has_login=False)

    assert "since 2026-11-29 11:00 UTC (1 day ago)" in page
    assert page.index("rolled back to epoch 1") < page.index("<td>promoted</td>")


def test_fallback_is_said_to_be_one() -> None:
    decision = RoutingDecision(["strong"], "fallback", reason="router endpoint silent for 1 s")

    assert answered.sentence(decision) == "strong would answer. This is a fallback: router endpoint silent for 1 s."
    assert answered.sections(decision) == []


def test_form_is_read_as_a_browser_sends_it() -> None:
    asked = question.read(b"prompt=a+b%0D%0Ac&dial=nonsense&modalities=image&modalities=smell&tools=1&more=x")

    assert asked == Question(prompt="a b\r\nc", cost_weight="", modalities=("image",), tools=True)
    assert question.as_request(asked).preferences.modalities == ("image",)
