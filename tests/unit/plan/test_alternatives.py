"""Near-optimal ranges and what it costs to do without: by hand, and as laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import SolverError
from gigawatt.plan.alternatives import Span, checked, divisible, extra_musd, left_out, ranges
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import build
from gigawatt.plan.session import PlanSession
from tests.cases.contracts import milestones
from tests.cases.every import every_model
from tests.cases.tiny import by, grid, solved, tiny

TWO = ["a", "b"]


def two(prices: tuple[float, float] = (2.0, 3.0), **changes: object) -> PlanInputs:
    return tiny(offers=TWO, capex_musd_per_mw=grid("offer", TWO, [[prices[0]] * 2, [prices[1]] * 2]), **changes)


def test_least_and_most_of_two_offers() -> None:
    # 10 MW of a at 2 is the optimum, 20. Ten per cent are 2 MUSD: two MW of a become b at 3. a: 8 to 11 (one more
    # at 2 stands idle), b: 0 to 2, each x 1.25 MW of building per MW of IT
    session = PlanSession(two())
    found = {row.name: row for row in ranges(session, {"vendor": session.inputs.offer_vendor}, slacks_frac=(0.1,))}
    near = {"abs": 1e-4}
    assert found["vendor-a"].least_gw == pytest.approx(8 * 1.25e-3, **near)
    assert found["vendor-a"].optimum_gw == pytest.approx(10 * 1.25e-3, **near)
    assert found["vendor-a"].most_gw == pytest.approx(11 * 1.25e-3, **near)
    assert (found["vendor-b"].least_gw, found["vendor-b"].optimum_gw) == (0.0, 0.0)
    assert found["vendor-b"].most_gw == pytest.approx(2 * 1.25e-3, **near)
    assert session.solve().objective_musd == pytest.approx(20.0, abs=1e-2)  # the session is as it was
    assert session.live.solver.n_rows == session.live.model.n_rows


def test_an_earlier_quarter_counts_what_stands_by_then() -> None:
    # 10 MW, then 14: at the first quarter's end at least 10 MW stand
    session = PlanSession(tiny(demand=[[[10.0, 14.0]]]))
    (row,) = ranges(session, {"site": session.inputs.offer_site}, slacks_frac=(0.0,), quarter="2027Q1")
    assert row.least_gw == pytest.approx(10 * 1.25e-3, abs=1e-4)
    assert row.most_gw == pytest.approx(14 * 1.25e-3, abs=1e-4)


def test_cost_of_doing_without() -> None:
    # without a: 10 MW of b at 3 cost 30, 10 more than 20; without b nothing changes
    session = PlanSession(two())
    a, b = left_out(session, {"vendor": session.inputs.offer_vendor})
    assert (a.name, a.extra_musd, a.extra_frac) == ("vendor-a", pytest.approx(10.0, abs=1e-2), pytest.approx(0.5, 1e-3))
    assert b.extra_musd == pytest.approx(0.0, abs=1e-6)


def test_what_forbids_doing_without() -> None:
    # 5 MW of the only offer have to be taken
    session = PlanSession(tiny(stock_min_mw=grid("offer", ["a"], 5.0)))
    (row,) = left_out(session, {"vendor": session.inputs.offer_vendor})
    assert row.extra_musd is None
    assert row.why == "no plan: a contract's minimum take cannot hold without it"


def test_what_contradicts_itself_is_refused_and_rounding_is_not() -> None:
    span = Span(by="vendor", name="v", slack_frac=0.01, least_gw=1.0, optimum_gw=1.5, most_gw=2.0)
    assert checked(span) == span
    close = checked(replace(span, least_gw=1.5 + 1e-7, most_gw=1.5 - 1e-7))
    assert (close.least_gw, close.optimum_gw, close.most_gw) == (1.5, 1.5, 1.5)
    for wrong in ({"least_gw": 1.6}, {"most_gw": 1.4}, {"least_gw": -0.1}):
        with pytest.raises(SolverError, match=r"the range of vendor v within 1.000% cannot be right: least "):
            checked(replace(span, **wrong))  # type: ignore[arg-type]
    assert extra_musd(100.0, 103.0, 0.0, "vendor v") == 3.0
    assert extra_musd(100.0, 100.0 - 1e-6, 0.0, "vendor v") == 0.0
    assert extra_musd(100.0, 99.5, 0.01, "vendor v") == 0.0  # within the gap of whole numbers
    with pytest.raises(SolverError, match="a plan without vendor v cannot cost less than the optimum, and the solver"):
        extra_musd(100.0, 99.5, 0.0, "vendor v")


def test_nothing_whole_is_left() -> None:
    for name, inputs in every_model().items():
        assert not np.concatenate(build(divisible(inputs))[0].integer).any(), name


def test_whole_gigawatts_become_divisible() -> None:
    inputs = two(milestones=milestones(counts=by("offer", TWO, [1.25, 1.25])))
    terms = divisible(inputs).milestones
    assert terms is not None
    assert not terms.whole
    assert divisible(two()).milestones is None


@settings(max_examples=20, deadline=None)
@given(a=st.floats(0.5, 9.0), b=st.floats(0.5, 9.0), narrow=st.floats(0.0, 0.2), more=st.floats(0.0, 0.3))
def test_laws_of_ranges(a: float, b: float, narrow: float, more: float) -> None:
    """The optimum lies in every range, a wider slack gives a wider range, doing without never saves, warm is cold."""
    session, slacks = PlanSession(two((a, b))), (narrow, narrow + more)
    groups = {"vendor": session.inputs.offer_vendor}
    rows = ranges(session, groups, slacks_frac=slacks)
    for row in rows:
        assert row.least_gw <= row.optimum_gw <= row.most_gw
    for name in ("vendor-a", "vendor-b"):
        mine = sorted((row for row in rows if row.name == name), key=lambda row: row.slack_frac)
        assert mine[-1].least_gw <= mine[0].least_gw + 1e-7
        assert mine[-1].most_gw >= mine[0].most_gw - 1e-7
    best = solved(two((a, b))).objective_musd
    for row, price in zip(left_out(session, groups), (b, a), strict=True):
        assert row.extra_musd is not None
        assert row.extra_musd >= 0.0
        assert best + row.extra_musd == pytest.approx(10.0 * price, abs=1e-2)  # warm equals the other offer alone
    (cold,) = ranges(PlanSession(two((a, b))), {"site": session.inputs.offer_site}, slacks_frac=slacks[:1])
    warm = next(r for r in ranges(session, {"site": session.inputs.offer_site}, slacks_frac=slacks[:1]))
    assert (warm.least_gw, warm.most_gw) == pytest.approx((cold.least_gw, cold.most_gw), abs=1e-6)
