"""Dates that move: an offer's start, a site's connection, and nothing else."""

from __future__ import annotations

import numpy as np

from gigawatt.study.why import earlier
from tests.unit.plan.tiny import grid, tiny

FOUR = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")


def test_an_offer_starts_earlier_or_later_and_ends_as_it_did() -> None:
    inputs = tiny(quarters=FOUR, add_max_mw=grid("offer", ["a"], [[0.0, 0.0, 5.0, 0.0]], FOUR))
    assert earlier(inputs, ("a",), 1).add_max_mw.values.tolist() == [[0.0, 5.0, 5.0, 0.0]]
    assert earlier(inputs, ("a",), 9).add_max_mw.values.tolist() == [[5.0, 5.0, 5.0, 0.0]]
    assert earlier(inputs, ("a",), -1).add_max_mw.values.tolist() == [[0.0, 0.0, 0.0, 0.0]]
    two = tiny(quarters=FOUR, add_max_mw=grid("offer", ["a"], [[0.0, np.inf, np.inf, np.inf]], FOUR))
    assert earlier(two, ("a",), -1).add_max_mw.values.tolist() == [[0.0, 0.0, np.inf, np.inf]]


def test_a_connection_moves_without_the_offers() -> None:
    power = grid("site", ["hall"], [[0.0, 10.0, 10.0, 30.0]], FOUR)
    inputs = tiny(quarters=FOUR, connection_mw=power)
    moved = earlier(inputs, (), 1, ("hall",))
    assert moved.connection_mw.values.tolist() == [[10.0, 10.0, 30.0, 30.0]]
    assert (moved.add_max_mw.values == inputs.add_max_mw.values).all()
    assert earlier(inputs, (), -1, ("hall",)).connection_mw.values.tolist() == [[0.0, 0.0, 10.0, 10.0]]
