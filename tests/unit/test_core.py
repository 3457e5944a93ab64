"""A wrapped prompt is read as its core, which is learned from training prompts and stored in the bundle."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.routers.fusion import surface
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface_router import Anchors
from modelsat.text import learned_core
from modelsat.text.backbone import default_backbone
from modelsat.text.core import LEAST_EVIDENCE, Core, Segmented, heaviest, segment_starts
from modelsat.text.encoder import Encoder
from modelsat.text.wrapped import wrap

TOPICS = ("photosynthesis", "inflation", "the French Revolution", "prime numbers", "plate tectonics", "contract law")
ASKED = ("Which statement about {} is correct?", "Explain the main cause of {}.", "What follows from the theory of {}?")
PROMPTS = [
    f"{asked.format(topic)}\nA. It was first described in {1800 + i}.\nB. It depends on {i} factors.\nC. Neither."
    for i, (asked, topic) in enumerate((asked, topic) for asked in ASKED for topic in TOPICS * 5)
]
STRANGE = (
    "Dear support desk,\nI am writing from the airport and my flight boards in ten minutes.\n\n{}\n\n"
    "Warm regards from Oslo."
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    encoder = Encoder(default_backbone(), 128, (2, 4, 6))
    encoder.core = learned_core.learn(encoder, PROMPTS[:80])
    return encoder


def test_wrapper_that_was_never_seen_is_left_out(encoder: Encoder) -> None:
    cores = encoder.cores([STRANGE.format(prompt) for prompt in PROMPTS[80:]])

    assert np.mean([core == prompt for core, prompt in zip(cores, PROMPTS[80:], strict=True)]) > 0.7


def test_bare_prompts_are_read_whole(encoder: Encoder) -> None:
    assert np.mean([core == prompt for core, prompt in zip(encoder.cores(PROMPTS), PROMPTS, strict=True)]) > 0.95


def test_wrapped_prompt_has_the_vectors_of_its_core_in_its_own_place(encoder: Encoder) -> None:
    texts = [PROMPTS[80], STRANGE.format(PROMPTS[81]), "One line alone", STRANGE.format(PROMPTS[82])]

    vectors = encoder.encode(texts)

    plain = Encoder(default_backbone(), 128, (2, 4, 6)).encode(encoder.cores(texts))
    np.testing.assert_allclose(vectors, plain, atol=1e-5)


def test_progress_ends_with_all_prompts(encoder: Encoder) -> None:
    seen: list[tuple[int, int]] = []

    encoder.encode([STRANGE.format(prompt) for prompt in PROMPTS[:3]] + PROMPTS[:2], lambda *done: seen.append(done))

    assert seen[-1] == (5, 5)


def test_bundle_keeps_the_core_and_an_older_one_reads_whole_prompts(encoder: Encoder, tmp_path: Path) -> None:
    vectors = encoder.encode(PROMPTS[:60])
    scores = np.random.default_rng(0).random((60, 2)).astype(np.float32)
    anchors = Anchors(vectors[:2], scores[:2])
    fitted = surface.fit(vectors, scores, ["one"] * 60)
    text = STRANGE.format(PROMPTS[80])
    for name, read_with in (("new", encoder), ("old", Encoder(default_backbone(), 128, (2, 4, 6)))):
        (tmp_path / name).mkdir()
        router = Fusion(("a", "b"), read_with, fitted, anchors)
        loaded = Fusion.load(tmp_path / name, ("a", "b"), router.save(tmp_path / name))

        assert loaded.encoder.cores([text]) == read_with.cores([text])
    assert loaded.encoder.core is None
    assert loaded.encoder.cores([text]) == [text]


def test_few_prompts_teach_no_core(encoder: Encoder) -> None:
    assert learned_core.learn(encoder, PROMPTS[:49]) is None


def test_core_is_cut_only_where_the_evidence_is_enough() -> None:
    core = Core(np.zeros((1, 1)), np.asarray([1.0, 0.0, 0.0, 0.0]), np.zeros(1))

    def span(*evidence: float) -> tuple[int, int]:
        states = np.asarray(evidence)[:, None, None]
        return core.span(Segmented(np.arange(len(evidence)), states, np.ones(len(evidence))))

    assert span(-LEAST_EVIDENCE - 0.1, 2.0, 1.0) == (1, 3)
    assert span(-LEAST_EVIDENCE + 0.1, 2.0, 1.0) == (0, 3)
    assert span(-3.0, 2.0, -1.0, 2.0, -3.0) == (1, 4)
    assert span(-3.0) == (0, 1)


def test_segment_is_described_by_how_it_relates_to_the_rest_of_its_text() -> None:
    """The second is the longest, as long as both others together; the third points elsewhere than either."""
    states = np.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[:, None]

    described = Segmented(np.arange(3), states, np.asarray([3, 4, 1])).features(np.zeros((1, 2)))

    np.testing.assert_allclose(described[:, -2], [1, 1, 0])
    # The others of the first sum up to (4, 1), of the second to (3, 1), of the third to (7, 0).
    np.testing.assert_allclose(described[:, -1], [4 / 17**0.5, 3 / 10**0.5, 0])


def test_text_of_one_segment_relates_to_nothing_else() -> None:
    described = Segmented(np.arange(1), np.ones((1, 1, 2)), np.ones(1)).features(np.zeros((1, 2)))

    assert described[0, -1] == 0


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_heaviest_run_is_no_lighter_than_any_other(weights: list[float]) -> None:
    first, end = heaviest(np.asarray(weights))

    runs = [sum(weights[a:b]) for a in range(len(weights)) for b in range(a + 1, len(weights) + 1)]
    assert end > first
    assert sum(weights[first:end]) == pytest.approx(max(runs), abs=1e-9)


@given(st.text())
def test_segments_start_at_the_beginning_and_within_the_text(text: str) -> None:
    starts = segment_starts(text).tolist()

    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(start < max(len(text), 1) for start in starts)


@given(st.text(min_size=1), st.integers(0, 1000))
def test_wrapped_prompt_holds_the_prompt(prompt: str, seed: int) -> None:
    wrapped = wrap(prompt, np.random.default_rng(seed))

    assert wrapped.text[wrapped.start : wrapped.end] == prompt
