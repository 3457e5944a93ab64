"""Waits grow, differ, and have an end."""

import random
from datetime import UTC, datetime

import pytest

from modelsat.onboarding.asking import pace

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def test_waits_double_and_end_at_the_longest() -> None:
    waits = [[pace.backoff(attempt, random.Random(seed)) for seed in range(50)] for attempt in range(12)]

    for attempt, drawn in enumerate(waits):
        longest = min(60.0, 2.0**attempt)
        assert longest / 2 <= min(drawn) < max(drawn) <= longest


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("7", 7.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
    ],
)
def test_pause_that_is_asked_for_is_a_number_or_a_date(header: str | None, seconds: float) -> None:
    assert pace.retry_after(header, NOW) == seconds
