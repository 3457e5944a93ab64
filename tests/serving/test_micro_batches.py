"""Which prompts are read together, who waits for whom, and who is refused before the router is asked."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from modelsat.routers.router import Prediction
from serving import micro_batches
from serving.micro_batches import AT_ONCE, EACH, MicroBatches
from serving.refusal import Refused

SLICE = AT_ONCE // (EACH + 1)
"""Prompts of one letter that are read at once."""


@dataclass
class Slow:
    """In the place of a bundle: tells each prompt's length as its probability, once it may."""

    batches: list[list[str]] = field(default_factory=list)
    may_read: threading.Event = field(default_factory=threading.Event)

    def reading(self, texts: list[str]) -> Prediction:
        self.batches.append(texts)
        assert self.may_read.wait(timeout=20)
        if "fault" in texts:
            raise RuntimeError("the router broke")
        n = len(texts)
        return Prediction(np.asarray([[float(len(text))] for text in texts]), np.zeros(n, bool), np.arange(n) / 100)


def run(scenario: Any, **settings: Any) -> Any:
    with ThreadPoolExecutor(1) as executor:

        async def started() -> Any:
            return await scenario(MicroBatches(executor, **settings))

        return asyncio.run(started())


async def until(holds: Any) -> None:
    while not holds():
        await asyncio.sleep(0.001)


def test_prompts_that_wait_are_read_together_and_each_gets_its_own() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> Any:
        asked = [asyncio.create_task(batches.reading(slow, ["first"]))]
        await until(lambda: slow.batches)
        asked += [asyncio.create_task(batches.reading(slow, [text])) for text in ("ab", "abcd", "abc")]
        await asyncio.sleep(0)
        slow.may_read.set()
        return [reading.success_probability.tolist() for reading in await asyncio.gather(*asked)]

    assert run(scenario, deadline_seconds=60.0) == [[[5.0]], [[2.0]], [[4.0]], [[3.0]]]
    assert slow.batches == [["first"], ["ab", "abc", "abcd"]]


def test_long_and_short_prompts_are_not_read_together() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> None:
        asked = [asyncio.create_task(batches.reading(slow, ["first"]))]
        await until(lambda: slow.batches)
        asked += [asyncio.create_task(batches.reading(slow, [text])) for text in ("a", "b" * 5000, "c")]
        await asyncio.sleep(0)
        slow.may_read.set()
        await asyncio.gather(*asked)

    run(scenario, deadline_seconds=60.0)
    assert slow.batches == [["first"], ["a", "c"], ["b" * 5000]]


@pytest.mark.parametrize(("seconds_later", "order"), [(0.0, ["short", "long"]), (31.0, ["long", "short"])])
def test_short_prompt_passes_a_long_one_that_has_waited_for_less_than_half_the_deadline(
    seconds_later: float, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, now = Slow(), [1000.0]
    monkeypatch.setattr(micro_batches, "time", SimpleNamespace(monotonic=lambda: now[0]))
    texts = {"short": "c", "long": "b" * 5000}

    async def scenario(batches: MicroBatches) -> None:
        asked = [asyncio.create_task(batches.reading(slow, ["first"]))]
        await until(lambda: slow.batches)
        asked.append(asyncio.create_task(batches.reading(slow, [texts["long"]])))
        await asyncio.sleep(0)
        now[0] += seconds_later
        asked.append(asyncio.create_task(batches.reading(slow, [texts["short"]])))
        await asyncio.sleep(0)
        slow.may_read.set()
        await asyncio.gather(*asked)

    run(scenario, deadline_seconds=60.0)
    assert slow.batches[1:] == [[texts[name]] for name in order]


def test_batch_is_bounded_by_its_text_and_not_only_by_its_prompts() -> None:
    """Eight prompts of 480 letters are 8 times 512 units of work, of which 1,024 are read at once."""
    slow = Slow()
    slow.may_read.set()

    async def scenario(batches: MicroBatches) -> None:
        await batches.reading(slow, ["x" * 480] * 8)

    run(scenario, deadline_seconds=60.0)
    assert [len(batch) for batch in slow.batches] == [2, 2, 2, 2]


def test_padding_counts_as_work() -> None:
    """One of 480 letters makes 512 of each prompt of its batch, though the other 20 take 33."""
    slow = Slow()

    async def scenario(batches: MicroBatches) -> None:
        asked = [asyncio.create_task(batches.reading(slow, ["first"]))]
        await until(lambda: slow.batches)
        asked += [asyncio.create_task(batches.reading(slow, texts)) for texts in (["x"] * 20, ["y" * 480])]
        await asyncio.sleep(0)
        slow.may_read.set()
        await asyncio.gather(*asked)
        await batches.reading(slow, ["x"] * 20 + ["y" * 480])

    run(scenario, deadline_seconds=60.0)
    assert [len(batch) for batch in slow.batches] == [1, 1, 20, 20, 1]


def test_single_prompt_does_not_wait_for_the_whole_of_a_large_request() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> int:
        large = asyncio.create_task(batches.reading(slow, ["x"] * (3 * SLICE)))
        await until(lambda: slow.batches)
        single = asyncio.create_task(batches.reading(slow, ["single"]))
        await asyncio.sleep(0)
        slow.may_read.set()
        return len((await asyncio.gather(large, single))[0].success_probability)

    assert run(scenario, deadline_seconds=60.0) == 3 * SLICE
    assert slow.batches[1] == ["single"]
    assert [len(batch) for batch in slow.batches] == [SLICE, 1, SLICE, SLICE]


def test_who_would_wait_too_long_is_refused_at_once() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> Refused:
        batches._seconds.append(1 / (EACH + len("first")))
        asked = asyncio.create_task(batches.reading(slow, ["first"]))
        await until(lambda: slow.batches)
        with pytest.raises(Refused) as refused:
            await batches.reading(slow, ["second"])
        slow.may_read.set()
        await asked
        return refused.value

    refused = run(scenario, deadline_seconds=1.0)
    assert (refused.status, refused.retry_after) == (503, 1)
    assert slow.batches == [["first"]]


def test_who_has_waited_for_the_deadline_is_dropped_and_never_read() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> None:
        first = asyncio.create_task(batches.reading(slow, ["first"]))
        await until(lambda: slow.batches)
        second = asyncio.create_task(batches.reading(slow, ["second"]))
        await asyncio.sleep(0.1)
        slow.may_read.set()
        await first
        with pytest.raises(Refused, match="more prompts wait than can be read in time"):
            await second

    run(scenario, deadline_seconds=0.05)
    assert slow.batches == [["first"]]


def test_large_request_that_was_begun_is_finished_however_long_it_takes() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> int:
        large = asyncio.create_task(batches.reading(slow, ["x"] * (3 * SLICE)))
        await until(lambda: slow.batches)
        await asyncio.sleep(0.2)
        slow.may_read.set()
        return len((await large).success_probability)

    assert run(scenario, deadline_seconds=0.05) == 3 * SLICE


def test_who_has_gone_is_not_read() -> None:
    slow, waiting = Slow(), []

    async def scenario(batches: MicroBatches) -> None:
        first = asyncio.create_task(batches.reading(slow, ["first"]))
        await until(lambda: slow.batches)
        gone = asyncio.create_task(batches.reading(slow, ["gone"] * 40))
        await asyncio.sleep(0)
        gone.cancel()
        slow.may_read.set()
        await first
        await until(lambda: waiting[-1] == 0)

    run(scenario, deadline_seconds=60.0, on_waiting=waiting.append)
    assert slow.batches == [["first"]]
    assert max(waiting) == 40


def test_fault_of_the_router_reaches_those_who_asked_and_nobody_else() -> None:
    slow = Slow()
    slow.may_read.set()

    async def scenario(batches: MicroBatches) -> list[Any]:
        with pytest.raises(RuntimeError, match="the router broke"):
            await batches.reading(slow, ["fault"])
        return (await batches.reading(slow, ["fine"])).success_probability.tolist()

    assert run(scenario) == [[4.0]]


def test_queue_is_bounded_whatever_a_prompt_takes() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> None:
        asked = [asyncio.create_task(batches.reading(slow, ["x"] * 1024)) for _ in range(8)]
        await until(lambda: slow.batches)
        with pytest.raises(Refused):
            await batches.reading(slow, ["x"] * 1024)
        slow.may_read.set()
        await asyncio.gather(*asked)

    run(scenario, deadline_seconds=60.0)


def test_one_address_never_takes_the_last_quarter_of_the_queue() -> None:
    """A prompt takes 0.099 s and half the deadline is 1 s: one may wait for 7 of its own address and for 10 in all."""
    slow = Slow()

    async def scenario(batches: MicroBatches) -> tuple[list[bool], ...]:
        asked = [asyncio.create_task(batches.reading(slow, ["first"]))]
        await until(lambda: slow.batches)
        batches._seconds.append(0.099 / (EACH + 1))
        # As if what is in hand were about to end.
        batches._began -= 60
        waits = []
        for source, times in (("10.0.0.7", 12), ("10.0.0.8", 6), ("", 2)):
            tasks = [asyncio.create_task(batches.reading(slow, ["x"], source)) for _ in range(times)]
            await asyncio.sleep(0)
            waits.append([not task.done() for task in tasks])
            asked += tasks
        slow.may_read.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {answer.status for answer in answers if isinstance(answer, Refused)} == {503}
        return tuple(waits)

    one, other, unknown = run(scenario, deadline_seconds=2.0)
    assert one == [True] * 8 + [False] * 4
    assert other == [True] * 3 + [False] * 3
    assert unknown == [False] * 2


def test_address_that_is_alone_is_read_however_much_it_sends_at_once() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> None:
        asked = [asyncio.create_task(batches.reading(slow, ["first"]))]
        await until(lambda: slow.batches)
        asked.append(asyncio.create_task(batches.reading(slow, ["x"] * 7000, "10.0.0.7")))
        await asyncio.sleep(0)
        with pytest.raises(Refused):
            await batches.reading(slow, ["x"], "10.0.0.7")
        asked.append(asyncio.create_task(batches.reading(slow, ["x"] * 1000, "10.0.0.8")))
        await asyncio.sleep(0)
        slow.may_read.set()
        assert [len(answer.success_probability) for answer in await asyncio.gather(*asked)] == [1, 7000, 1000]

    run(scenario, deadline_seconds=600.0)


def test_one_slow_batch_does_not_make_the_queue_look_long() -> None:
    slow = Slow()

    async def scenario(batches: MicroBatches) -> None:
        batches._seconds.extend([0.001] * 5 + [60.0])
        asked = asyncio.create_task(batches.reading(slow, ["first"]))
        await until(lambda: slow.batches)
        others = [asyncio.create_task(batches.reading(slow, ["second"])) for _ in range(8)]
        await asyncio.sleep(0)
        slow.may_read.set()
        await asyncio.gather(asked, *others)

    run(scenario, deadline_seconds=60.0)
    assert len(slow.batches) == 2
