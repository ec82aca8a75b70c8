"""Numbers as people read them."""

from __future__ import annotations

import pytest

from nas.cli.output import count, duration, percent, value


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 K"),
        (2_230_000, "2.23 M"),
        (999_600, "1 M"),
        (999_400, "999 K"),
        (4_089_184_256, "4.09 G"),
        (412_000_000_000, "412 G"),
        (1_234_000_000_000, "1.23 T"),
        (2.5e18, "2.5 E"),
        (None, "-"),
    ],
)
def test_count(number: float | None, text: str) -> None:
    assert count(number) == text


def test_percent_duration_and_value() -> None:
    assert percent(0.9634) == "96.3 %"
    assert percent(None) == "-"
    assert [duration(s) for s in (0.4, 59.4, 200, 7500)] == ["0 s", "59 s", "3 min 20 s", "2 h 5 min"]
    assert value("accuracy", 0.5) == "50.0 %"
    assert value("latency", 0.00123) == "0.00123"
