"""A promotion carried out: stages, the way back, kills at every call, several at once; KServe's part is simulated."""

import copy
import itertools
import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster_edge import Kserve, Objects, Versions
from kserve.models import V1beta1CanarySpec, V1beta1PredictorSpec

from modelsat.bundle import champions
from modelsat.bundle.champions import Champion
from modelsat.cluster.rollout import inference_service as service_of
from modelsat.cluster.rollout.plan import Rollout, RolloutRules
from modelsat.cluster.rollout.probing import ANY, ProbeAnswer, Probes
from modelsat.cluster.rollout.promotion import Promoter
from modelsat.cluster.rollout.traffic import TrafficWay, way
from modelsat.errors import ConflictError, InputError, ServiceError, VerdictNo

PROBES = Probes(tuple(f"question {i}" for i in range(60)), np.array([["right", "right"]] * 60, dtype=object))


class Killed(BaseException):
    """The process ends here, whatever it was doing."""


class World:
    """One namespace with its records, alias and endpoint."""

    def __init__(self, store: Path, mode: str = "Knative", seed: int = 0, weights: bool = True) -> None:
        """Make one; mode "canary" is Standard where the definition has `spec.canary`."""
        self.store = str(store)
        self.objects, self.versions = Objects(), Versions(seed)
        canary = mode == "canary"
        self.kserve = Kserve(self.objects, self.versions, "Standard" if canary else mode, canary, weights)
        self.alias = ""
        self.lines: list[str] = []
        self.clock = 0.0
        self.rules = RolloutRules()
        self.at_sleep: Callable[[], None] = self.kserve.reconcile

    def mirror(self, champion: Champion) -> None:
        self.alias = champion.model

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        self.at_sleep()

    def promoter(self) -> Promoter:
        return Promoter(
            services=self.objects,
            name="router",
            store=self.store,
            mirror=self.mirror,
            rules=self.rules,
            say=self.lines.append,
            ask=self.kserve.ask,
            now=lambda: self.clock,
            sleep=self.sleep,
        )

    def promote(self, name: str, against: int, probes: Probes = PROBES) -> Champion:
        return self.promoter().promote(wanted(name, against), probes)

    def agrees_on(self, name: str) -> bool:
        """Say whether record, alias and endpoint name the same bundle, and no promotion is under way."""
        current = champions.current(self.store)
        self.kserve.reconcile()
        return (
            current is not None
            and current.model == f"router/{name}" == self.alias
            and self.kserve.bundle() == f"b/{name}"
            and self.kserve.shares == {f"b/{name}": 100}
            and not self.kserve.canaries
            and service_of.rollout(self.kserve.service) is None
            and service_of.epoch(self.kserve.service) == current.epoch
        )


def wanted(name: str, against: int) -> Rollout:
    return Rollout(f"run-{name}", against, f"b/{name}", name, f"router/{name}", "promoted")


@pytest.fixture(params=["Knative", "Standard", "canary"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    found = World(tmp_path / "champions", request.param)
    found.promote("old", 0)
    found.kserve.reconcile()
    found.lines.clear()
    return found


@pytest.fixture(params=["Knative", "canary"])
def split(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    found = World(tmp_path / "champions", request.param)
    found.promote("old", 0)
    found.lines.clear()
    return found


def test_the_first_promotion_waits_for_ready_pods_and_becomes_champion(tmp_path: Path) -> None:
    world = World(tmp_path)

    assert world.promote("old", 0).epoch == 1
    assert world.agrees_on("old")


def test_a_good_challenger_goes_through_its_stages_and_everything_follows(world: World) -> None:
    champion = world.promote("new", 1)

    assert champion.epoch == 2
    assert world.agrees_on("new")


def test_a_split_has_the_shares_that_the_stages_say(split: World) -> None:
    shares = []
    split.at_sleep = lambda: (split.kserve.reconcile(), shares.append(split.kserve.shares.get("b/new", 0)))  # type: ignore[func-returns-value]

    split.promote("new", 1)

    assert list(dict.fromkeys(shares)) == [10, 50, 100]


def test_the_split_is_counted_by_who_answers_at_the_address_of_clients(split: World) -> None:
    split.promote("new", 1)

    counted = [line for line in split.lines if "own address" in line]
    assert counted
    assert all("'old'" in line for line in counted)


def test_a_mode_without_a_split_says_that_it_is_a_rolling_update(tmp_path: Path) -> None:
    world = World(tmp_path, "Standard")
    world.promote("old", 0)
    world.lines.clear()

    world.promote("new", 1)

    assert "cannot split traffic" in world.lines[0]
    assert service_of.percent(world.kserve.service) is None


@pytest.mark.parametrize("bad", ["errors", "latency", "wrong answers"])
def test_a_bad_challenger_is_back_at_no_traffic_within_three_checks(split: World, bad: str) -> None:
    if bad == "errors":
        split.versions.errors["b/new"] = 0.2
    elif bad == "latency":
        split.versions.slowness["b/new"] = 3.0
    else:
        split.versions.choices["b/new"] = "wrong"
    shares = []
    split.at_sleep = lambda: (split.kserve.reconcile(), shares.append(split.kserve.shares.get("b/new", 0)))  # type: ignore[func-returns-value]

    with pytest.raises(VerdictNo, match=bad):
        split.promote("new", 1)

    assert sum(share > 0 for share in shares) <= 3
    assert max(shares) == 10
    assert split.agrees_on("old")


@pytest.mark.parametrize("bad", ["errors", "latency", "wrong answers"])
def test_a_bad_challenger_of_a_rolling_update_is_replaced_by_the_champion(tmp_path: Path, bad: str) -> None:
    world = World(tmp_path, "Standard")
    world.promote("old", 0)
    world.versions.errors["b/new"] = 0.2 if bad == "errors" else 0.0
    world.versions.slowness["b/new"] = 3.0 if bad == "latency" else 1.0
    world.versions.choices["b/new"] = "wrong" if bad == "wrong answers" else "right"

    with pytest.raises(VerdictNo, match=bad):
        world.promote("new", 1)

    assert world.agrees_on("old")


def test_a_challenger_beside_stands_as_kserve_s_webhook_wants_it(tmp_path: Path) -> None:
    """A name, its own bundle, one implementation and no scaling; the champion's predictor stays as it is."""
    world = World(tmp_path, "canary")
    world.promote("old", 0)
    before = copy.deepcopy(world.kserve.service["spec"]["predictor"])

    world.promoter()._begin(wanted("new", 1), PROBES)

    (beside,) = world.kserve.canaries
    assert world.kserve.service["spec"]["predictor"] == before
    assert beside == {
        "trafficPercent": 10,
        "predictor": {
            "name": "challenger",
            "model": {
                "name": "kserve-container",
                "modelFormat": {"name": "modelsat"},
                "args": ["--bundle", "b/new"],
            },
        },
    }
    client = V1beta1CanarySpec(predictor=beside["predictor"], traffic_percent=beside["trafficPercent"])
    assert client.traffic_percent == 10
    assert set(beside["predictor"]) <= set(V1beta1PredictorSpec.attribute_map.values())


def test_challenger_beside_keeps_all_traffic_until_the_champion_s_pods_are_replaced(tmp_path: Path) -> None:
    world = World(tmp_path, "canary")
    world.promote("old", 0)
    seen: list[tuple[str, int]] = []

    def note() -> None:
        world.kserve.reconcile()
        seen.extend((world.kserve.bundle(), one["trafficPercent"]) for one in world.kserve.canaries)

    world.at_sleep = note
    world.promote("new", 1)

    assert list(dict.fromkeys(seen)) == [("b/old", 10), ("b/old", 50), ("b/new", 100)]
    assert world.kserve.canaries == []


def test_ingress_without_weights_is_named_by_who_answers(tmp_path: Path) -> None:
    """KServe 0.20 starts the canary's pods and gives them no client."""
    world = World(tmp_path, "canary", weights=False)
    world.promote("old", 0)
    world.lines.clear()

    world.promote("new", 1)

    assert any("none by the challenger, which KServe 0.20" in line for line in world.lines)
    assert world.agrees_on("new")


def test_bad_challenger_that_meets_no_client_is_found_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, "canary", weights=False)
    world.promote("old", 0)
    world.versions.choices["b/new"] = "wrong"

    with pytest.raises(VerdictNo, match="wrong answers"):
        world.promote("new", 1)

    assert world.agrees_on("old")


def test_canary_that_admission_refuses_is_a_rolling_update_and_says_why(tmp_path: Path) -> None:
    world = World(tmp_path, "canary")
    world.promote("old", 0)
    world.lines.clear()

    def refuse(body: dict[str, Any]) -> dict[str, Any]:
        if "canary" in body["spec"]:
            raise InputError("canary is only supported in Standard deployment mode")
        return body

    world.objects.admit = refuse
    world.promote("new", 1)

    assert "only supported in Standard" in world.lines[0]
    assert "by a rolling update" in next(line for line in world.lines if "begins" in line)
    assert world.agrees_on("new")


def test_challenger_that_fails_at_100_percent_is_taken_away_and_the_champion_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path, "canary")
    world.promote("old", 0)

    def breaks_at_the_end() -> None:
        if service_of.percent(world.kserve.service) == 100:
            world.versions.errors["b/new"] = 1.0
        world.kserve.reconcile()

    world.at_sleep = breaks_at_the_end

    with pytest.raises(VerdictNo, match="errors"):
        world.promote("new", 1)

    world.at_sleep = world.kserve.reconcile
    assert world.agrees_on("old")


def test_promotion_that_0_1_0_began_is_finished_by_its_deployment_mode(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.promote("old", 0)
    world.promoter()._begin(wanted("new", 1), PROBES)
    service = world.kserve.service
    stored = json.loads(service["metadata"]["annotations"][service_of.ROLLOUT])
    del stored["way"]
    service["metadata"]["annotations"][service_of.ROLLOUT] = json.dumps(stored)

    world.promoter().bring()

    assert world.agrees_on("new")


@pytest.mark.parametrize(
    ("mode", "knows_canary", "expected"),
    [
        ("Knative", False, TrafficWay.KNATIVE),
        ("Knative", True, TrafficWay.KNATIVE),
        ("Serverless", True, TrafficWay.KNATIVE),
        ("Standard", True, TrafficWay.CANARY),
        ("Standard", False, TrafficWay.ROLLING),
        ("RawDeployment", True, TrafficWay.ROLLING),
        ("", True, TrafficWay.ROLLING),
    ],
)
def test_way_of_sharing_traffic_follows_from_mode_and_definition(
    mode: str, knows_canary: bool, expected: TrafficWay
) -> None:
    assert way(mode, knows_canary) is expected


def test_of_twenty_equal_challengers_at_most_one_is_sent_back(tmp_path: Path) -> None:
    back = 0
    for seed in range(20):
        world = World(tmp_path / str(seed), seed=seed)
        world.promote("old", 0)
        world.versions.errors |= {"b/old": 0.03, "b/new": 0.03}
        try:
            world.promote("new", 1)
        except VerdictNo:
            back += 1

    assert back <= 1


def test_a_challenger_whose_pods_never_come_up_gets_no_traffic_and_goes_back(world: World) -> None:
    world.versions.broken.add("b/new")

    with pytest.raises(VerdictNo, match="not ready within"):
        world.promote("new", 1)

    assert world.agrees_on("old")


def test_a_retry_of_a_step_whose_challenger_was_taken_back_does_not_begin_again(split: World) -> None:
    split.versions.choices["b/new"] = "wrong"
    for _ in range(2):
        with pytest.raises(VerdictNo, match="wrong answers"):
            split.promote("new", 1)

    assert sum("begins" in line for line in split.lines) == 1


def test_a_comparison_with_a_champion_of_before_is_a_conflict(split: World) -> None:
    split.promote("new", 1)

    with pytest.raises(ConflictError, match="epoch 2"):
        split.promote("late", 1)


def test_a_promotion_without_a_contest_is_judged_by_errors_and_latency(split: World) -> None:
    split.versions.choices["b/new"] = "of another opinion"
    assert split.promote("new", 1, ANY).epoch == 2

    split.versions.errors["b/newer"] = 0.2
    with pytest.raises(VerdictNo, match="errors"):
        split.promote("newer", 2, ANY)


def test_a_second_promotion_is_refused_while_one_is_under_way(split: World) -> None:
    split.promoter()._begin(wanted("new", 1), PROBES)

    with pytest.raises(ConflictError, match="run-new"):
        split.promote("other", 1)


def test_a_champion_that_does_not_come_back_is_said_and_gets_the_traffic_it_had(tmp_path: Path) -> None:
    """Knative makes a new revision of the champion; beside a challenger its pods never went away."""
    split = World(tmp_path)
    split.promote("old", 0)
    split.versions.choices["b/new"] = "wrong"

    def champion_breaks() -> None:
        if service_of.rollout(split.kserve.service).fault:  # type: ignore[union-attr]
            split.versions.broken.add("b/old")
        split.kserve.reconcile()

    split.at_sleep = champion_breaks

    with pytest.raises(ServiceError, match="not ready again 900 s"):
        split.promote("new", 1)

    assert service_of.percent(split.kserve.service) == 0


def test_a_promotion_taken_back_by_hand_ends_with_the_champion(split: World) -> None:
    split.promoter()._begin(wanted("new", 1), PROBES)

    assert split.promoter().take_back("by hand")
    split.promoter().bring()

    assert split.agrees_on("old")
    assert service_of.last_rollback(split.kserve.service) == ("run-new", "by hand")


@pytest.mark.timeout(30)
def test_a_controller_that_notes_something_while_each_probe_is_asked_does_not_hold_up_a_promotion(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = world.kserve.ask

    def noted(address: str, prompt: str) -> ProbeAnswer:
        world.objects.store(world.kserve.service)
        return ask(address, prompt)

    monkeypatch.setattr(world.kserve, "ask", noted)

    assert world.promote("new", 1).epoch == 2
    assert world.agrees_on("new")


def test_a_record_made_by_hand_is_followed(world: World) -> None:
    world.promote("new", 1)
    old = champions.of_epoch(world.store, 1)

    champions.promote(world.store, old.bundle_uri, old.bundle_digest, old.model, "back-to-1", "rolled back", 2)
    world.promoter().bring()

    assert world.agrees_on("old")


def kill_at(world: World, call: int, when: str) -> None:
    """Kill whoever makes the call of this number, before or after it has its effect."""
    numbers = itertools.count()

    def strike(_: str) -> None:
        if next(numbers) == call:
            world.objects.before_call = world.objects.after_call = lambda _: None
            raise Killed

    if when == "before":
        world.objects.before_call = strike
    else:
        world.objects.after_call = strike


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("mode", ["Knative", "Standard", "canary"])
def test_killed_at_any_call_the_reconciler_finishes_it_once(tmp_path: Path, mode: str, when: str) -> None:
    for call in range(30):
        world = World(tmp_path / str(call), mode)
        world.promote("old", 0)
        kill_at(world, call, when)
        try:
            world.promote("new", 1)
            world.objects.before_call = world.objects.after_call = lambda _: None
        except Killed:
            world.promoter().bring()
            begun = champions.current(world.store)
            assert begun is not None
            # Killed before it began, nothing is there that a reconciler could know of; the step's retry begins it.
            world.promote("new", 1)

        assert world.agrees_on("new"), call
        assert len(list((tmp_path / str(call)).glob("*.json"))) == 2


def test_a_hundred_kills_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    rng, world, kills, epoch = random.Random(0), World(tmp_path), 0, 0
    world.rules = RolloutRules(checks=1)
    while kills < 100:
        name = f"c{epoch}"
        while True:
            kill_at(world, rng.randrange(40), rng.choice(["before", "after"]))
            try:
                assert world.promote(name, epoch).epoch == epoch + 1
                break
            except Killed:
                kills += 1
        epoch += 1
        world.objects.before_call = world.objects.after_call = lambda _: None
        assert world.agrees_on(name)

    assert champions.current(world.store).epoch == epoch  # type: ignore[union-attr]


def test_a_kill_between_record_and_alias_is_repaired(split: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def strike(_: Champion) -> None:
        raise Killed

    monkeypatch.setattr(split, "mirror", strike)
    with pytest.raises(Killed):
        split.promote("new", 1)
    assert champions.current(split.store).epoch == 2  # type: ignore[union-attr]
    monkeypatch.undo()

    split.promoter().bring()

    assert split.agrees_on("new")


def test_a_bad_challenger_whose_promoter_is_killed_is_still_taken_back(split: World) -> None:
    split.versions.choices["b/new"] = "wrong"
    for call in range(12):
        kill_at(split, call, "after")
        try:
            split.promote("new", 1)
        except (Killed, VerdictNo):
            split.objects.before_call = split.objects.after_call = lambda _: None
            split.promoter().bring()

    assert split.agrees_on("old")


def test_a_whole_promotion_between_two_looks_of_another_is_a_conflict(
    split: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = champions.current
    looks = itertools.count()

    def slow(store: str) -> Champion | None:
        found = current(store)
        if next(looks) == 0:
            split.promote("new", 1)
        return found

    monkeypatch.setattr(champions, "current", slow)

    with pytest.raises(ConflictError, match="epoch 2"):
        split.promote("late", 1)
    assert split.agrees_on("new")


def test_of_eight_promoters_one_wins_each_epoch(split: World) -> None:
    lock = threading.Lock()
    epochs = 3
    read, replace, reconcile = split.objects.read, split.objects.replace, split.kserve.reconcile

    def guarded(call: Callable[..., object]) -> Callable[..., object]:
        def one(*arguments: object, **more: object) -> object:
            with lock:
                return call(*arguments, **more)

        return one

    split.objects.read, split.objects.replace = guarded(read), guarded(replace)  # type: ignore[method-assign, assignment]
    split.at_sleep = guarded(reconcile)  # type: ignore[assignment]
    for epoch in range(1, epochs + 1):
        won: list[str] = []
        lost: list[str] = []

        def run(name: str, against: int, won: list[str] = won, lost: list[str] = lost) -> None:
            try:
                split.promote(name, against)
                won.append(name)
            except ConflictError:
                lost.append(name)

        threads = [threading.Thread(target=run, args=(f"e{epoch}p{i}", epoch)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(won) == 1
        assert len(lost) == 7
        assert split.agrees_on(won[0])
        assert champions.current(split.store).epoch == epoch + 1  # type: ignore[union-attr]


def test_endpoint_that_followed_a_deleted_record_is_not_taken_back(world: World) -> None:
    world.promote("new", 1)
    (Path(world.store) / "000002.json").unlink()

    with pytest.raises(InputError, match=r"InferenceService 'router' has followed epoch 2, but the newest .* epoch 1"):
        world.promoter().bring()

    assert world.kserve.bundle() == "b/new"
