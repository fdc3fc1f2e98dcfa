"""Errors of groups, curves of chips and which is ahead, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from validation.score import _compared, errors_of, frontier, rate_per_package


def test_errors_by_hand() -> None:
    """Errors +10 %, -50 %, 0, +30 %: median size (0.1 + 0.3) / 2, two of four within a fifth."""
    found = errors_of(np.array([1.1, 1.0, 3.0, 5.2]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert (found.rows, found.measured, found.predicted) == (4, 2.5, pytest.approx(2.05))
    assert found.bias == pytest.approx(0.05)
    assert found.median == pytest.approx(0.2)
    assert found.within == 0.5


def test_frontier_keeps_what_no_other_beats() -> None:
    """(20, 3) is beaten by (30, 5) in both; (10, 8) and (30, 5) stay; of (10, 8) and (10, 7) the better."""
    speed, rate = frontier(np.array([10.0, 20.0, 30.0, 10.0]), np.array([8.0, 3.0, 5.0, 7.0]))
    np.testing.assert_allclose(np.exp(speed), [10.0, 30.0])
    np.testing.assert_allclose(np.exp(rate), [8.0, 5.0])


def test_rate_is_littles_law() -> None:
    """64 requests each of 1 s + 1,000 x 15 ms hold 1,000 tokens; over 8 packages."""
    rate = rate_per_package(np.array(64.0), np.array(1000.0), np.array(0.015), np.array(1.0), np.array(8.0))
    assert rate == pytest.approx(64 * 1000 / 16.0 / 8)


def _line(low: float, high: float, at_low: float, at_high: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return np.log([low, high]), np.log([at_low, at_high])


def test_chips_are_compared_at_common_speeds_only() -> None:
    """Between 16 and 64 tok/s lie 9 quarter octaves, ends included; above 32 the measured order turns."""
    flat, falling = _line(8.0, 64.0, 10.0, 10.0), _line(16.0, 128.0, 40.0, 0.625)  # falls as speed^-2: 10 at 32
    found = _compared(flat, flat, falling, _line(16.0, 128.0, 40.0, 20.0), wider=False)
    assert found is not None
    assert found["compared"] == 9
    assert found["right"] == found["naive"] == 4 or found["right"] == 5  # the tie at 32 falls to rounding
    assert found["apart"] == 8
    assert found["right_apart"] == 4
    assert found["advantage"][0] == pytest.approx(1.0)
    assert found["advantage"][-1] == pytest.approx((10 / _told(64.0)) / (10 / 2.5))


def _told(speed: float) -> float:
    """Log-linear between 40 at 16 and 20 at 128: half for each three octaves."""
    return 40.0 * 0.5 ** (np.log2(speed / 16.0) / 3.0)


def test_curves_without_common_speeds_are_not_compared() -> None:
    assert _compared(*(_line(1.0, 2.0, 5.0, 4.0),) * 2, *(_line(3.0, 9.0, 5.0, 4.0),) * 2, wider=True) is None
