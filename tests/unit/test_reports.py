"""Pages stand alone: they load nothing, run nothing, and show what people typed as text."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsat.data import splits
from modelsat.data.collection import Collection
from modelsat.data.expectations import CRITICAL, WARNING, Check
from modelsat.data.validation import ValidationOutcome as Checked
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import gate, table
from modelsat.evaluation import verdict as verdicts
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.contest import Contest
from modelsat.evaluation.table import Evaluation
from modelsat.evaluation.verdict import GateOutcome, GateVerdict
from modelsat.reports import collected, evaluated, figures, page, traffic, trained, validated
from modelsat.reports.page import Section, TableRow
from modelsat.reports.trained import Worth
from modelsat.statistics import Interval

HOSTILE = "<script>alert(1)</script><img src=http://evil/x onerror=alert(2)>\"'&"
NOTHING_ELSE: Any = {"withheld": {}, "against_epoch": 0, "digest": "", "data_digest": ""}
ROUTER = "modelsat router"
PERFECT = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.1, 0.9, 0.5], [0.1, 0.9, 0.5]], dtype=np.float32)

draws_the_coverage_map = pytest.mark.filterwarnings("ignore:The set_bad function will be deprecated")
"""Lets tests go on that see one more warning than test_coverage_map_uses_nothing_deprecated allows."""


class Read(HTMLParser):
    """What a browser would make of a page: its elements, what it would load, its style sheets and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def loaded(self) -> list[str]:
        names = ("src", "href", "xlink:href", "srcset", "action", "data", "poster", "background")
        urls = [value for name, value in self.attributes if name in names]
        urls += re.findall(r"url\(\s*['\"]?([^)'\"]*)", self.source) + re.findall(
            r"@import\s+['\"]?([^;'\"]*)", self.source
        )
        return [url for url in urls if not url.startswith(("#", "data:image/png;base64,"))]


def assert_stands_alone(read: Read) -> None:
    assert read.loaded == []
    assert not {"script", "iframe", "object", "embed", "link", "base", "form", "img"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert read.source.startswith("<!doctype html>")
    assert ("charset", "utf-8") in read.attributes
    assert ("lang", "en") in read.attributes


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "page.html"


@pytest.fixture(scope="module")
def arena(golden: Collection) -> Arena:
    return arenas.build(golden)


@pytest.fixture(scope="module")
def result(arena: Arena) -> Evaluation:
    return table.evaluate(arena, {ROUTER: PERFECT})


def verdict(outcome: GateOutcome = GateOutcome.PROMOTED) -> GateVerdict:
    return GateVerdict(outcome, "more accurate: +5.0 points", "best single", Interval(0.05, 0.01, 0.09), 0.3, 100)


def contest(
    arena: Arena, result: Evaluation, judged: GateVerdict, predictions: Mapping[str, np.ndarray], **facts: Any
) -> Contest:
    return Contest(judged, result, arena, dict(predictions), {}, **NOTHING_ELSE | facts)


def test_page_stands_alone(target: Path) -> None:
    sections = [
        Section(
            "Heading", "Text", "<svg></svg>", ("a", "b"), [TableRow((1, "x"), "good")], frozenset({0}), "pre", "note"
        )
    ]

    page.write(target, "Title", "One sentence.", sections, "good", "footer")

    read = Read(target)
    assert_stands_alone(read)
    for part in ("Title", "One sentence.", "Heading", "Text", "pre", "note", "footer"):
        assert part in read.text


def test_every_text_of_a_page_is_escaped(target: Path) -> None:
    section = Section(HOSTILE, HOSTILE, "", (HOSTILE,), [TableRow((HOSTILE,), HOSTILE)], frozenset(), HOSTILE, HOSTILE)

    page.write(target, HOSTILE, HOSTILE, [section], HOSTILE, HOSTILE)

    read = Read(target)
    assert_stands_alone(read)
    assert read.text.count(" ".join(HOSTILE.split())) == 10


def test_commands_in_sentences_are_shown_as_code_and_escaped_all_the_same(target: Path) -> None:
    page.write(target, "Title", "Run `make run`.", [Section("Heading", "Or `a <b>`.", note="A ` alone stays.")])

    html = target.read_text(encoding="utf-8")
    assert "Run <code>make run</code>." in html
    assert "Or <code>a &lt;b&gt;</code>." in html
    assert "A ` alone stays." in html


def test_empty_parts_of_a_section_are_left_out(target: Path) -> None:
    page.write(target, "Title", "Sentence.", [Section("Heading")])

    assert not {"table", "figure", "pre"} & set(Read(target).tags)


def test_numbers_stand_to_the_right(target: Path) -> None:
    page.write(
        target,
        "Title",
        "Sentence.",
        [Section("H", heads=("name", "n"), rows=[TableRow(("x", 1))], numeric=frozenset({1}))],
    )

    assert Read(target).source.count('class="number"') == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.0, "0.000"), (0.0123, "0.012"), (0.123, "0.12"), (1.0, "1.00"), (1234.5, "1,234.50")],
)
def test_dollars_are_shown_with_sensible_digits(value: float | None, shown: str) -> None:
    assert page.dollars(value) == shown


def test_shares_and_differences_are_shown_in_percent_and_points() -> None:
    assert page.percent(0.1234) == "12.3 %"
    assert page.percent(1.0, 0) == "100 %"
    assert page.points(0.0123) == "+1.2"
    assert page.points(-0.5) == "-50.0"


@draws_the_coverage_map
def test_collected_page_stands_alone_and_says_what_was_collected(golden: Collection, target: Path) -> None:
    collected.write(golden, target)

    read = Read(target)
    assert_stands_alone(read)
    assert "36 scores of 3 candidates on 12 prompts (0 % not run)" in read.text
    assert "sources: source" in read.text
    for name in ("adder", "speller", "allround"):
        assert name in read.text


@draws_the_coverage_map
def test_collected_page_escapes_what_sources_hold(make_collection: Callable[..., Collection], target: Path) -> None:
    reject: dict[str, object] = {"source_uri": HOSTILE, "source_row": 3, "value": HOSTILE, "reason": HOSTILE}
    collection = make_collection(
        [[1, 0], [0, 1]],
        [HOSTILE, "harmless"],
        ("<script>1</script>", "bob"),
        ["<script>2</script>", "b"],
        sources=(HOSTILE,),
        rejects=[reject],
        notes=[HOSTILE],
    )

    collected.write(collection, target)

    read = Read(target)
    assert_stands_alone(read)
    assert "<script>1</script>" in read.text
    assert "<script>2</script>" in read.text


@draws_the_coverage_map
def test_long_benchmark_name_leaves_room_for_the_map() -> None:
    figures.coverage(["ada"], ["benchmark-" * 12], np.array([[1.0]]))


@draws_the_coverage_map
def test_coverage_is_shown_in_percent(make_collection: Callable[..., Collection], target: Path) -> None:
    nan = float("nan")
    collection = make_collection([[1, nan]] * 3 + [[1, 0]], ["p", "q", "r", "s"], ("ada", "bob"))

    collected.write(collection, target)

    assert "(38 % not run)" in Read(target).text
    assert ">25</text>" in Read(target).source.replace("\n", "")


def test_whole_file_and_single_row_rejects_are_told_apart(make_collection: Callable[..., Collection]) -> None:
    rejects: list[dict[str, object]] = [
        {"source_uri": "a.csv", "source_row": None, "reason": "damaged"},
        {"source_uri": "b.csv", "source_row": 7, "value": "'x'", "reason": "no number"},
    ]

    section = collected.rejects(make_collection([[1]], ["p"], ("ada",), rejects=rejects))

    assert [row.cells for row in section.rows] == [
        ("a.csv", "whole file", "", "damaged"),
        ("b.csv", 7, "'x'", "no number"),
    ]


def test_many_rejects_are_cut_and_counted(make_collection: Callable[..., Collection]) -> None:
    rejects: list[dict[str, object]] = [{"source_uri": "a", "source_row": i, "reason": "r"} for i in range(73)]

    section = collected.rejects(make_collection([[1]], ["p"], ("ada",), rejects=rejects))

    assert (len(section.rows), section.note) == (50, "23 more")


def test_page_of_an_empty_collection_can_be_written(golden: Collection, target: Path) -> None:
    empty = replace(
        golden,
        scores=golden.scores.slice(0, 0),
        prompts=golden.prompts.slice(0, 0),
        candidates=golden.candidates.slice(0, 0),
    )

    collected.write(empty, target)

    assert "0 scores of 0 candidates on 0 prompts" in Read(target).text


def test_evaluated_page_stands_alone_and_says_what_was_decided(arena: Arena, result: Evaluation, target: Path) -> None:
    evaluated.write(contest(arena, result, verdict(), {ROUTER: PERFECT}), ROUTER, target, "footer")

    read = Read(target)
    assert_stands_alone(read)
    assert "The challenger is promoted: more accurate: +5.0 points." in read.text
    assert "4 prompts that no router was trained on, up to 3 candidates" in read.text
    for line in ("best single", "random", "oracle", "best per category (true label)", ROUTER):
        assert line in read.text


def test_members_are_shown_with_weight_and_what_they_are_worth(arena: Arena, result: Evaluation, target: Path) -> None:
    rows = [
        {"name": "fusion", "weight": 0.625, "log_loss": 0.41234, "accuracy": 0.75, "prompts": 1200},
        {"name": "Model-SAT", "weight": 0.0, "log_loss": None, "accuracy": None, "prompts": 0},
    ]

    evaluated.write(contest(arena, result, verdict(), {ROUTER: PERFECT}, members=rows), ROUTER, target)

    text = Read(target).text
    assert "Who contributes what" in text
    assert "fusion 62.5 % 0.4123 75.0 % 1,200" in text
    assert "Model-SAT 0.0 %" in text


def test_router_without_members_has_no_table_of_them(arena: Arena, result: Evaluation, target: Path) -> None:
    evaluated.write(contest(arena, result, verdict(), {ROUTER: PERFECT}), ROUTER, target)

    assert "Who contributes what" not in Read(target).text


def test_prompts_are_counted_by_how_foreign_they_are(arena: Arena, result: Evaluation, target: Path) -> None:
    foreign = np.asarray([0.0, 0.05, 0.3, 0.9], dtype=np.float32)

    evaluated.write(contest(arena, result, verdict(), {ROUTER: PERFECT}, foreign=foreign), ROUTER, target)

    text = " ".join(Read(target).text.split())
    assert "from 0 to 1: 0.31 on average" in text
    for group in ("familiar, below 0.1 2", "in between 1", "foreign, from 0.5 on 1"):
        assert group in text


@pytest.mark.parametrize(
    ("outcome", "lead", "tone"),
    [
        (GateOutcome.PROMOTED, "The challenger is promoted", "good"),
        (GateOutcome.KEPT, "The champion is kept", ""),
        (GateOutcome.DO_NOT_ROUTE, "The advice is not to route, the best single candidate answers everything", "bad"),
    ],
)
def test_every_verdict_has_its_sentence_and_tone(
    arena: Arena, result: Evaluation, target: Path, outcome: GateOutcome, lead: str, tone: str
) -> None:
    evaluated.write(contest(arena, result, verdict(outcome), {ROUTER: PERFECT}), ROUTER, target)

    assert f'<div class="lead {tone}">{lead}: ' in Read(target).source


def test_evaluated_page_escapes_candidates_and_prompts(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]], target: Path
) -> None:
    texts = texts_in(splits.TRAIN, 6, HOSTILE) + texts_in(splits.TEST, 6, HOSTILE)
    scores = [[1, 0]] * 6 + [[0, 1]] * 3 + [[1, 0]] * 3
    arena = arenas.build(make_collection(scores, texts, (HOSTILE, "bob"), [HOSTILE] * 12, prices=(1.0, 2.0)))
    predictions = {ROUTER: np.tile([0.4, 0.6], (6, 1)).astype(np.float32)}
    result = table.evaluate(arena, predictions)

    held = contest(arena, result, replace(verdict(), reason=HOSTILE), predictions)
    evaluated.write(held, ROUTER, target, HOSTILE)

    read = Read(target)
    assert_stands_alone(read)
    assert "3 gains and 3 losses" in read.text
    assert "<script>alert(1)</script>" in read.text


def test_table_lists_routers_first_and_marks_the_challenger(result: Evaluation) -> None:
    section = evaluated.table(result, ROUTER)

    assert [row.cells[0] for row in section.rows][:1] == [ROUTER]
    assert [row.tone for row in section.rows] == ["strong", "", "", "", ""]
    assert section.rows[0].cells[1:4] == ("100.0 %", "100.0 to 100.0", "+50.0")


def test_page_without_any_price_has_no_cost_plane(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]], target: Path
) -> None:
    texts = texts_in(splits.TRAIN, 4, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    arena = arenas.build(make_collection([[1, 0], [0, 1]] * 4, texts, ("a", "b")))
    predictions = {ROUTER: np.tile([0.4, 0.6], (4, 1)).astype(np.float32)}

    evaluated.write(contest(arena, table.evaluate(arena, predictions), verdict(), predictions), ROUTER, target)

    assert "Cost and accuracy" not in Read(target).text


def test_cost_curve_is_drawn_where_one_source_has_no_prices(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]], target: Path
) -> None:
    nan = float("nan")
    texts = [t for name in ("Left", "Right") for t in texts_in(splits.TRAIN, 4, name) + texts_in(splits.TEST, 4, name)]
    arena = arenas.build(
        make_collection(
            [[1, 0, nan, nan], [0, 1, nan, nan]] * 4 + [[nan, nan, 1, 0], [nan, nan, 0, 1]] * 4,
            texts,
            ("a", "b", "c", "d"),
            prices=(1.0, 2.0, None, None),
            sources=("left", "right"),
            uris=["left/s.csv"] * 8 + ["right/s.csv"] * 8,
        )
    )
    predictions = {ROUTER: np.random.default_rng(0).random((8, 4)).astype(np.float32)}

    evaluated.write(contest(arena, table.evaluate(arena, predictions), verdict(), predictions), ROUTER, target)

    assert re.search(rf'd="M [^"]*\sL [^"]*"[^>]*stroke: {figures.ACCENT}', Read(target).source)


def test_validated_page_shows_broken_checks_with_their_rows(golden: Collection, target: Path) -> None:
    row = {"source_uri": "s3://b/scores.csv", "source_row": 7, "score": 1.4}
    outcome = Checked(
        (
            Check("There are scores", CRITICAL, True, 0, (), "collect some"),
            Check("Prices are known", WARNING, False, 1, ({"candidate": "ada", "price": None},), "add them"),
            Check("Every score lies in [0, 1]", CRITICAL, False, 25, (row,) * 20, "rescale"),
        )
    )

    validated.write(outcome, golden, target)

    read = Read(target)
    assert_stands_alone(read)
    assert "The run stops here: Every score lies in [0, 1] does not hold for 25 rows" in read.text
    assert "5 more rows. What to do: rescale." in read.text
    assert read.text.index("Every score lies in [0, 1]: broken") < read.text.index("Prices are known: broken")
    assert '<div class="lead bad">' in read.source


def test_validated_page_of_a_clean_collection_is_good(golden: Collection, target: Path) -> None:
    validated.write(Checked((Check("There are scores", CRITICAL, True, 0, (), "collect some"),)), golden, target)

    read = Read(target)
    assert_stands_alone(read)
    assert '<div class="lead good">1 checks passed</div>' in read.source


def test_validated_page_escapes_what_sources_hold(make_collection: Callable[..., Collection], target: Path) -> None:
    reject: dict[str, object] = {"source_uri": HOSTILE, "source_row": 3, "value": HOSTILE, "reason": HOSTILE}
    collection = make_collection([[1]], ["p"], ("ada",), rejects=[reject])
    check = Check(HOSTILE, CRITICAL, False, 1, ({HOSTILE: HOSTILE},), HOSTILE)

    validated.write(Checked((check,)), collection, target)

    assert_stands_alone(Read(target))


def test_trained_page_stands_alone_and_shows_the_loss(target: Path) -> None:
    history = [
        {"step": step, "loss": 1.0 / step, "learning_rate": 0.1, "examples_per_second": 9.0} for step in (1, 10, 2000)
    ]

    trained.write(history, {"data_digest": HOSTILE, "rank": 8, "share": 0.123456, "pairs": 12345}, target)

    read = Read(target)
    assert_stands_alone(read)
    assert "loss 1.0000 to 0.0005 in 2,000 steps" in read.text
    for shown in ("data digest", "0.1235", "12,345"):
        assert shown in read.text


def test_trained_page_says_why_training_ended_early(target: Path) -> None:
    history = [{"step": 1000, "loss": 0.5, "learning_rate": 0.1, "examples_per_second": 9.0}]
    worth = Worth(1000, 1105, [{"step": 1000, "mean": -0.0028, "error": 0.002}])

    trained.write(history, {}, target, worth)

    read = Read(target)
    assert_stands_alone(read)
    assert "in 1,000 steps of 1,105 (the network adds nothing to fusion)" in read.text
    assert "1,000 -2.8 2.0" in read.text
    assert "training ended here" in read.text


def test_trained_page_of_a_training_that_paid_names_no_end(target: Path) -> None:
    history = [{"step": 1105, "loss": 0.5, "learning_rate": 0.1, "examples_per_second": 9.0}]

    trained.write(history, {}, target, Worth(1105, 1105, [{"step": 1000, "mean": 0.004, "error": 0.001}]))

    read = Read(target)
    assert "in 1,105 steps" in read.text
    assert "already tells" not in read.text
    assert "training took all steps of its recipe" in read.text


def test_trained_page_without_steps_says_that_nothing_was_left(target: Path) -> None:
    trained.write([], {}, target)

    assert "nothing was left to train" in Read(target).text


def test_trained_page_shows_truth_values_as_words(target: Path) -> None:
    trained.write([], {"resumed": True}, target)

    assert "resumed True" in Read(target).text


def test_coverage_map_uses_nothing_deprecated() -> None:
    figures.coverage(["ada"], ["sums"], np.array([[1.0]]))


@draws_the_coverage_map
def test_dollar_signs_in_names_are_just_letters() -> None:
    assert "cost $x_{ and $y" in figures.coverage(["ada"], ["cost $x_{ and $y"], np.array([[1.0]]))


def test_figures_are_the_same_bytes_every_time() -> None:
    one, other = (figures.calibration([0.1, 0.9], [0.2, 0.8]) for _ in range(2))

    assert one == other
    assert one.startswith("<svg")


def test_curves_and_bars_carry_their_names() -> None:
    lines = figures.lines({"one": ([1, 2], [3.0, 4.0]), "other": ([1, 2], [4.0, 3.0])}, "step", "loss")
    bars = figures.bars(["ada", "bob"], {"router": [0.2, 0.8], "best single": [1.0, 0.0]}, "share")

    for name in ("one", "other", "step", "loss"):
        assert f">{name}</text>" in lines
    for name in ("ada", "bob", "router", "best single", "share"):
        assert f">{name}</text>" in bars


def test_reference_lines_keep_their_names_in_a_crowd_of_candidates() -> None:
    crowd = [(f"single-{i}", 1.0 + 0.01 * i, 0.6 + 0.001 * i) for i in range(12)]
    marks = [("random", 1.05, 0.601), ("best single", 1.11, 0.611), ("our router", 1.3, 0.7)]

    plane = figures.cost_accuracy(crowd, marks, ([0.9, 1.3], [0.5, 0.7]))

    assert [name for name, _, _ in marks if f">{name}<" not in plane] == []


def test_single_candidate_and_single_point_can_be_drawn() -> None:
    plane = figures.cost_accuracy([("ada", 1.0, 0.5)], [("our router", 1.0, 0.5)], ([1.0], [0.5]))

    assert "our router" in plane


def test_verdict_of_the_gate_reads_as_a_sentence() -> None:
    refused = gate.judge(
        np.tile([1.0, 0.0], 50), np.tile([0.0, 1.0], 50), against="the champion of epoch 3", has_champion=True
    )

    assert verdicts.sentence(refused).startswith("The champion is kept: equally accurate: +0.0 points (95 % interval -")
    assert verdicts.sentence(refused).endswith("against the champion of epoch 3 on 100 held-out prompts.")


def test_page_shows_every_served_candidate_and_every_withheld_one(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]], target: Path
) -> None:
    """Four held-out prompts. `a` gets three, `b` one, `idle` none; `patchy` is not served."""
    nan = float("nan")
    texts = texts_in(splits.TRAIN, 4, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    scores = [[1, 0, 0, 1]] * 5 + [[1, 0, 0, nan]] * 3
    results = make_collection(scores, texts, ("a", "b", "idle", "patchy"), prices=(1.0, 2.0, 3.0, 4.0))
    arena = arenas.build(results, served=("a", "b", "idle"))
    told = {ROUTER: np.float32([[0.9, 0.1, 0, 0]] * 3 + [[0.1, 0.9, 0, 0]])}
    held = contest(
        arena, table.evaluate(arena, told), verdict(), told, withheld={"patchy": "run on 62 % of the prompts"}
    )

    evaluated.write(held, ROUTER, target)

    assert held.shares() == {"a": 0.75, "b": 0.25, "idle": 0.0}
    assert "1 of 4 candidates is withheld until enough results judge it: patchy." in held.sentence()
    _, served, withheld = traffic.sections(held, ROUTER)
    assert served is not None
    assert withheld is not None
    assert [row.cells[:3] for row in served.rows] == [
        ("a", "75.0 %", "100.0 %"),
        ("b", "25.0 %", "0.0 %"),
        ("idle", "0.0 %", "–"),
    ]
    assert [row.cells for row in withheld.rows] == [("patchy", "run on 62 % of the prompts", "1", "100.0 %", "100.0 %")]
    read = Read(target)
    for part in ("Served candidates", "idle", "Withheld candidates", "patchy", held.sentence()):
        assert part in read.text
