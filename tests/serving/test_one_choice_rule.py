"""One choice rule: what is judged offline is what the library ranks first, the endpoint answers, the gateway tries."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from endpoint_process import Endpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from kserve import InferRequest
from prometheus_client import CollectorRegistry

from modelsat.bundle import ranking
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts, splits
from modelsat.data import sample as samples
from modelsat.data.collection import Collection, collect
from modelsat.data.score_matrix import matrix
from modelsat.errors import InputError
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import scoring, table
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.table import CHALLENGER
from modelsat.policy import choice, costs, promise
from modelsat.policy.eligibility import eligible
from modelsat.policy.preferences import AUTO, CHEAPEST, UTILITY, Preferences
from modelsat.policy.promise import Promise
from modelsat.routers.constant import Constant
from modelsat.routers.knn import Knn
from modelsat.text.encoder import Encoder
from serving.gateway.chat_request import ChatRequest
from serving.gateway.decision import Decider
from serving.gateway.upstreams import Upstream
from serving.predictor import Predictor
from serving.refusal import Refused
from serving.rest_endpoint import described
from serving.telemetry import EndpointTelemetry

NAN = float("nan")
HALF = np.float32(0.5)
PROBABILITIES = [
    0.0,
    0.05,
    0.08,
    0.5,
    float(np.nextafter(HALF, np.float32(1))),
    float(np.nextafter(HALF, np.float32(0))),
    1,
]
PROMPTS = ["x" * 40, "y" * 400, "z" * 4000]
# Of 10, 100 and 1000 tokens: none, two or one of the prompts is too long for these.
CONTEXTS = [NAN, 50.0, 500.0, 5000.0]


class Scripted(Constant):
    """Says of each prompt what the script says, and counts on that much less of it."""

    def __init__(self, probabilities: np.ndarray, margin: np.ndarray) -> None:
        super().__init__([f"m{i}" for i in range(probabilities.shape[1])], np.full(probabilities.shape[1], 0.5))
        self.script = dict(zip(PROMPTS, probabilities, strict=True))
        self.margin = margin

    @property
    def doubt(self) -> np.ndarray:
        return self.margin

    def success_probability(self, texts: Any, progress: Any = None) -> np.ndarray:  # noqa: ARG002
        return np.asarray([self.script.get(text, self.margin * 0) for text in texts], dtype=np.float32)


@dataclass(frozen=True)
class Case:
    """A router and a request; `reachable` are the candidates with an upstream that the client's patterns leave."""

    bundle: Bundle
    preferences: Preferences
    reachable: tuple[str, ...]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw probabilities and margins with exact ties and neighbours in float32, prices, limits and preferences."""
    m = draw(st.integers(1, 5))

    def each(values: list[Any]) -> list[Any]:
        return draw(st.lists(st.sampled_from(values), min_size=m, max_size=m))

    probabilities = np.asarray([each(PROBABILITIES) for _ in PROMPTS], dtype=np.float32)
    margin = np.asarray(each([0.0, 0.0, 0.1, 0.2, 0.7]), dtype=np.float32)
    names = [f"m{i}" for i in range(m)]
    rows: list[dict[str, object]] = [
        {"candidate": name, "price_in": price, "price_out": price, "context_length": context, "tools": tools}
        for name, price, context, tools in zip(
            names,
            each([None, 0.0, 1.0, 1.0, 3.0]),
            each([None, None, 50, 500, 5000]),
            each([None, False, True, True]),
            strict=True,
        )
    ]
    bundle = Bundle(
        router=Scripted(probabilities, margin),
        candidates=contracts.from_rows(rows, contracts.CANDIDATES),
        aptitude_test=contracts.APTITUDE_TEST.empty_table(),
        cards=contracts.CARDS.empty_table(),
        # Platt scaling would pull the drawn numbers apart; they are what a calibrated router says.
        calibration=np.asarray,  # type: ignore[arg-type]
        lineage={"mean_score": dict(zip(names, each([0.0, 0.3, 0.6, 0.6]), strict=True))},
        digest="0" * 64,
    )
    asked = {
        "policy": draw(st.sampled_from([AUTO, UTILITY, CHEAPEST])),
        "cost_weight": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "min_success_probability": draw(st.sampled_from([0.0, 0.05, 0.3, 0.5, 1.0])),
        "max_cost_usd": draw(st.sampled_from([None, None, 3e-4, 2.1e-4])),
        "tools": draw(st.booleans()),
        "candidates": draw(st.sampled_from([None, ("m[012]",), ("m1", "m3", "m4")])),
    }
    if draw(st.booleans()) and draw(st.booleans()):
        asked = {"candidates": asked["candidates"], "budget_usd": draw(st.sampled_from([3e-4, 1e-3, 1.0]))}
    preferences = Preferences(**asked)
    upstreams = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return Case(bundle, preferences, tuple(upstreams))


class InProcess:
    """The KServe model and a gateway in front of it, joined by JSON of protocol v2 as it goes over the wire."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.predictor = Predictor("router", EndpointTelemetry(CollectorRegistry()))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            assert self.predictor.bundle is not None
            return httpx.Response(200, content=orjson.dumps(described(self.predictor.bundle)))
        body = await request.aread()
        try:
            question = await self.predictor.preprocess(InferRequest.from_bytes(body, len(body), "router"))
            answer, _ = (await self.predictor.predict(question)).to_rest()
        except Refused as refused:
            return httpx.Response(400, json={"error": str(refused)})
        return httpx.Response(200, content=orjson.dumps(answer))

    def decide(self, case: Case, text: str) -> list[str] | None:
        """Return the order that the gateway tries; None where it refuses."""
        self.predictor.bundle = case.bundle
        upstreams = {name: Upstream("http://upstream", name) for name in case.reachable}

        async def decided() -> list[str]:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self._answer)) as client:
                decider = Decider(client, "http://endpoint", upstreams, 20.0, 0.05)
                chat = ChatRequest(AUTO, [{"role": "user", "content": text}], {}, case.preferences)
                return (await decider.decide(chat, "client")).order

        try:
            return self.runner.run(decided())
        except Refused:
            return None

    def answer(self, case: Case, text: str, **parameters: Any) -> dict[str, Any]:
        """Return the outputs of the endpoint itself."""
        self.predictor.bundle = case.bundle
        body = {"inputs": [{"name": "prompt", "shape": [1], "datatype": "BYTES", "data": [text]}]}
        request = httpx.Request("POST", "http://endpoint", json=body | {"parameters": parameters})
        outputs = self.runner.run(self._answer(request)).json()["outputs"]
        return {output["name"]: output["data"] for output in outputs}


@pytest.fixture(scope="module")
def served() -> Iterator[InProcess]:
    made = InProcess()
    yield made
    made.runner.close()


def of_names(case: Case) -> Preferences:
    """Return the preferences as the library is asked: patterns and upstreams as names."""
    patterns = case.preferences.candidates
    matched = [name for name in case.reachable if patterns is None or any(_matches(name, one) for one in patterns)]
    return replace(case.preferences, candidates=None, available=tuple(matched))


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or (pattern == "m[012]" and name in ("m0", "m1", "m2"))


@settings(max_examples=300)
@given(cases())
def test_what_is_judged_is_what_the_library_ranks_and_what_the_gateway_tries(served: InProcess, case: Case) -> None:
    """Judged from a table in float64, ranked from a reading, tried after a way through JSON: the same."""
    bundle, preferences = case.bundle, of_names(case)
    for text in PROMPTS:
        size = costs.tokens_in([text])
        cost = bundle.pool.cost(size)
        told = bundle.success_probability([text]).astype(np.float64)
        order = served.decide(case, text)
        try:
            allowed = eligible(bundle.pool, size, cost, preferences)
        except InputError:
            assert order is None
            continue
        ranked = ranking.rank(bundle, [text], bundle.reading([text]), preferences)
        possible = [row["candidate"] for row in ranking.rows(ranked) if row["success_probability"] is not None]
        assert order == possible
        if preferences.budget_usd is None:
            preferences = promise.resolved(preferences, None)
            judged = choice.choose(
                told,
                allowed,
                bundle.pool.mean_score,
                cost,
                preferences.cost_weight or 0.0,
                bundle.router.doubt,
                preferences.min_success_probability,
                preferences.policy,
            )
            assert [bundle.names[judged[0]]] == ranked.model == order[:1]


def arena_of(bundle: Bundle) -> Arena:
    """Return an arena of the prompts in which all candidates may be chosen and all was right."""
    n, m = len(PROMPTS), len(bundle.names)
    known = np.zeros((n, m))
    cost = bundle.pool.cost(costs.tokens_in(PROMPTS))
    return Arena(
        prompt_ids=[f"p{i}" for i in range(n)],
        texts=PROMPTS,
        candidates=bundle.names,
        truth=known + 1,
        pool=known == 0,
        sets=np.asarray(["set"] * n),
        labels=np.asarray(["label"] * n),
        # Other means than the bundle's: a bundle breaks ties by its own.
        prior=known + np.linspace(0.9, 0.1, m),
        label_prior=known,
        cost=cost,
    )


@settings(max_examples=150)
@given(cases(), st.sampled_from(["nothing", 0.0, 0.3, None]))
def test_table_of_the_evaluation_holds_what_the_endpoint_answers(
    served: InProcess, case: Case, promised: str | float | None
) -> None:
    """Without preferences, whatever the default promises, at its best and with a cost weight.

    A prompt that no candidate reads is refused by the endpoint.
    """
    if promised != "nothing":
        told_of = Promise("m0", promised, 0.003, 0.95, 0.0, 0.0, 1.0, 100)  # type: ignore[arg-type]
        lineage = case.bundle.lineage | {"promise": told_of.as_json()}
        case = replace(case, bundle=replace(case.bundle, lineage=lineage))
    bundle = case.bundle
    arena, told = arena_of(bundle), bundle.success_probability(PROMPTS)
    terms = scoring.terms(bundle, arena, bundle.candidates)
    plain = table.evaluate(arena, {CHALLENGER: told}, terms={CHALLENGER: terms}).choices[CHALLENGER]
    weighted = table.chosen(arena, told, terms, case.preferences.cost_weight or 0.0)
    best = table.chosen(arena, told, terms.at_its_best)

    for row in np.flatnonzero(terms.allowed.any(axis=1)):
        weight = {"cost_weight": case.preferences.cost_weight or 0.0}
        assert served.answer(case, PROMPTS[row], policy="best")["model"] == [bundle.names[best[row]]]
        assert served.answer(case, PROMPTS[row])["model"] == [bundle.names[plain[row]]]
        assert served.answer(case, PROMPTS[row], **weight)["model"] == [bundle.names[weighted[row]]]


def by_hand(probabilities: list[float], margin: list[float], means: list[float], prices: list[float | None]) -> Case:
    """Return a case of one row of probabilities for every prompt."""
    names = [f"m{i}" for i in range(len(means))]
    rows: list[dict[str, object]] = [
        {"candidate": name, "price_in": price, "price_out": price} for name, price in zip(names, prices, strict=True)
    ]
    bundle = Bundle(
        router=Scripted(np.asarray([probabilities] * len(PROMPTS), np.float32), np.asarray(margin, np.float32)),
        candidates=contracts.from_rows(rows, contracts.CANDIDATES),
        aptitude_test=contracts.APTITUDE_TEST.empty_table(),
        cards=contracts.CARDS.empty_table(),
        calibration=np.asarray,  # type: ignore[arg-type]
        lineage={"mean_score": dict(zip(names, means, strict=True))},
    )
    return Case(bundle, Preferences(), tuple(names))


def test_margin_above_the_probability_decides_the_same_everywhere(served: InProcess) -> None:
    """0.05 - 0.10 = -0.05 is more than 0.08 - 0.20 = -0.12; cut off at 0 they would tie, and the mean would win."""
    case = by_hand([0.05, 0.08], [0.10, 0.20], [0.3, 0.6], [1.0, 1.0])
    arena = arena_of(case.bundle)
    terms = scoring.terms(case.bundle, arena, case.bundle.candidates)

    assert table.chosen(arena, case.bundle.success_probability(PROMPTS), terms).tolist() == [0, 0, 0]
    assert ranking.route(case.bundle, PROMPTS).model == ["m0"] * 3
    assert served.answer(case, PROMPTS[0])["model"] == ["m0"]
    assert served.decide(case, PROMPTS[0]) == ["m0", "m1"]


def test_newcomer_with_a_better_mean_leaves_the_promised_best_single_everywhere(served: InProcess) -> None:
    """The promise names `m0`, of mean 0.78; `m1` came later, of mean 0.8, and is likelier on every prompt."""
    case = by_hand([0.6, 0.9], [0, 0], [0.78, 0.8], [3.0, 1.0])
    told_of = Promise("m0", None, 0.003, 0.95, 0.0, 0.0, 1.0, 100)
    lineage = case.bundle.lineage | {"promise": told_of.as_json()}
    case = replace(case, bundle=replace(case.bundle, lineage=lineage))
    arena = arena_of(case.bundle)
    terms = scoring.terms(case.bundle, arena, case.bundle.candidates)

    assert table.chosen(arena, case.bundle.success_probability(PROMPTS), terms).tolist() == [0, 0, 0]
    assert scoring.served(case.bundle, PROMPTS, case.bundle.success_probability(PROMPTS)) == ["m0"] * 3
    assert ranking.route(case.bundle, PROMPTS).model == ["m0"] * 3
    assert served.answer(case, PROMPTS[0])["model"] == ["m0"]
    assert served.decide(case, PROMPTS[0]) == ["m0", "m1"]


def test_candidate_out_of_reach_of_the_gateway_never_says_what_is_expensive(served: InProcess) -> None:
    """0.7 against 0.6, 3 against 1 USD: at weight 0.12 the cheap one leads by 0.02 of the pair's scale of 3 USD.

    On the scale of the third candidate, at 100 USD, the price would count for 0.0024 and the likelier one would lead.
    """
    case = by_hand([0.7, 0.63, 0.1], [0, 0, 0], [0.5, 0.5, 0.5], [3.0, 1.0, 100.0])
    weighted = replace(case, preferences=Preferences(cost_weight=0.12))

    assert served.decide(weighted, PROMPTS[0]) == ["m0", "m1", "m2"]
    assert served.decide(replace(weighted, reachable=("m0", "m1")), PROMPTS[0]) == ["m1", "m0"]
    by_pattern = replace(weighted, preferences=Preferences(("m0", "m1"), cost_weight=0.12))
    assert served.decide(by_pattern, PROMPTS[0]) == ["m1", "m0"]


def test_first_request_of_a_gateway_weighs_costs_as_the_default_promises(served: InProcess) -> None:
    """As above, with the weight of the default: who is in reach has to be said before anything was answered."""
    case = by_hand([0.7, 0.63, 0.1], [0, 0, 0], [0.5, 0.5, 0.5], [3.0, 1.0, 100.0])
    told_of = Promise("m0", 0.12, 0.003, 0.95, 0.0, 0.0, 1.0, 100)
    lineage = case.bundle.lineage | {"promise": told_of.as_json()}
    case = replace(case, bundle=replace(case.bundle, lineage=lineage), reachable=("m0", "m1"))

    assert served.decide(case, PROMPTS[0]) == ["m1", "m0"]


def test_best_single_is_not_learned_from_a_client_that_allows_fewer(served: InProcess) -> None:
    """A client that allows `m1` alone leaves `m0`, of mean 0.9, the best single one for all others."""
    case = by_hand([0.2, 0.6], [0, 0], [0.9, 0.5], [3.0, 1.0])
    narrow = Preferences(("m1",), cost_weight=0.1)
    away = False

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503) if away else await served._answer(request)

    async def orders() -> list[list[str]]:
        nonlocal away
        served.predictor.bundle = case.bundle
        upstreams = {name: Upstream("http://upstream", name) for name in case.reachable}
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            decider = Decider(client, "http://endpoint", upstreams, 20.0, 0.05)
            asked = ChatRequest(AUTO, [{"role": "user", "content": PROMPTS[0]}], {}, narrow)
            first = await decider.decide(asked, "client")
            away = True
            return [first.order, (await decider.decide(replace(asked, preferences=Preferences()), "other")).order]

    assert served.runner.run(orders()) == [["m1"], ["m0", "m1"]]


def test_gateway_whose_upstreams_the_router_does_not_know_says_so(served: InProcess) -> None:
    case = by_hand([0.7, 0.6], [0, 0], [0.5, 0.5], [3.0, 1.0])

    assert served.decide(replace(case, preferences=Preferences(cost_weight=0.1), reachable=("other",)), "Hello") is None
    assert served.decide(replace(case, reachable=("other", "m1")), PROMPTS[0]) == ["m1"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("sample") / "files"
    samples.write(folder, seed=0, prompts=800)
    return collect([str(folder)])


@pytest.fixture(scope="module")
def neighbours(
    sample: Collection, tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Bundle]:
    """Folder and bundle: three nearest training prompts of the sample over a tiny random BERT, so ties are many."""
    names = tuple(sample.candidates["candidate"].to_pylist())
    ids = sample.prompts["prompt_id"].to_pylist()
    rows = np.flatnonzero(splits.assign(sample.prompts["stem_digest"].to_pylist()) == splits.TRAIN)[:200]
    outcomes = matrix(sample.scores, [ids[i] for i in rows], names)
    encoder = Encoder(tiny_backbone, max_tokens=64)
    router = Knn(names, encoder, encoder.encode(arenas.texts_of(sample, rows)), outcomes, 3)
    bundle = Bundle(
        router=router,
        candidates=sample.candidates,
        aptitude_test=contracts.APTITUDE_TEST.empty_table(),
        cards=contracts.CARDS.empty_table(),
        lineage={
            "mean_score": dict(zip(names, map(float, np.nanmean(outcomes, axis=0)), strict=True)),
            "tokens_out": costs.mean_tokens_out(sample.scores, names),
            "data_digest": "",
        },
    )
    folder = tmp_path_factory.mktemp("neighbours") / "bundle"
    return folder, bundle.write(folder)


def test_real_endpoint_answers_the_sample_as_the_evaluation_says(
    sample: Collection, neighbours: tuple[Path, Bundle], start_endpoint: Callable[..., Endpoint]
) -> None:
    folder, bundle = neighbours
    arena = arenas.build(sample)
    told = bundle.success_probability(arena.texts)
    columns = [bundle.names.index(name) for name in arena.candidates]
    terms = scoring.terms(bundle, arena, sample.candidates)
    endpoint = start_endpoint("--bundle", str(folder))
    pools = [",".join(arena.candidates[i] for i in np.flatnonzero(pool)) for pool in arena.pool]
    for weight in (0.0, 0.3):
        judged = table.chosen(arena, told[:, columns], terms, weight)
        chosen = []
        for text, pool in zip(arena.texts, pools, strict=True):
            chosen += endpoint.infer([text], {"candidates": pool, "cost_weight": weight}).output("model")

        assert len(set(chosen)) > 2
        assert chosen == [arena.candidates[i] for i in judged]
