"""Plans that cost little more: hand-solved, and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.plan.alternatives import alternatives
from gigawatt.plan.session import PlanSession
from tests.unit.plan.test_constraints import commitment, milestones
from tests.unit.plan.tiny import by, grid, tiny

TWO = ["a", "b"]


def session(prices: tuple[float, float] = (2.0, 3.0), **changes: object) -> PlanSession:
    price = grid("offer", TWO, [[prices[0]] * 2, [prices[1]] * 2])
    return PlanSession(tiny(offers=TWO, capex_musd_per_mw=price, **changes), mip_gap=1e-6)


def close(value: float) -> object:
    return pytest.approx(value, abs=2e-5)  # GW: the tie-break of the plan moves MW by thousandths


def test_two_vendors_by_hand() -> None:
    # 10 MW of IT, 12.5 of facility: a at 2 makes 20. Within 10 %, 22: two MW at 3 instead of 2 are b's, 2.5 facility MW.
    # Within 50 %, 30: all ten. More of a: 22 buy 11 MW, but nothing needs them; they may stand: 13.75 facility MW.
    one = session()
    found = alternatives(one, {"vendor": one.inputs.offer_vendor}, slacks=(0.5, 0.1))
    a, b = found.groups
    assert (a.name, b.name, found.at) == ("vendor-a", "vendor-b", "2027Q2")
    assert [span.within_frac for span in a.spans] == [0.1, 0.5]
    assert [span.most_gw for span in b.spans] == [close(0.0025), close(0.0125)]
    assert [span.least_gw for span in a.spans] == [close(0.0100), close(0.0)]
    assert a.spans[0].most_gw == close(0.01375)
    assert (a.planned_gw, b.planned_gw) == (close(0.0125), close(0.0))
    # without a, b at 3: 10 more; without b nothing changes
    assert a.without_musd == pytest.approx(10.0, abs=1e-4)
    assert b.without_musd == pytest.approx(0.0, abs=1e-4)


def test_the_session_is_left_as_it_was() -> None:
    one = session()
    before = one.solve().objective_musd
    alternatives(one, {"site": one.inputs.offer_site}, slacks=(0.1,))
    assert one.solve().objective_musd == before
    assert one.live.highs.getNumRow() == one.live.model.n_rows


def test_what_is_promised_cannot_be_left_out() -> None:
    weight = commitment(np.nan)
    weight["commitment_weight"] = weight["commitment_weight"].reindex(offer=TWO, fill_value=0.0)
    one = session(**weight)
    a, _ = alternatives(one, {"vendor": one.inputs.offer_vendor}, slacks=(0.1,)).groups
    assert math.isinf(a.without_musd)
    assert a.forbidden_by == "commitments (c, 2027Q2)"


def test_whole_gigawatts_stay() -> None:
    one = session(
        milestones=milestones(counts=by("offer", TWO, [1.25, 0.0]), n_max=1), demand=1000.0,
        connection_mw=grid("site", ["hall"], 1e5), opening_cash_musd=0.0,
    )  # fmt: skip
    plan = one.solve()
    assert plan.value("z").values.max() == 1.0
    a, _ = alternatives(one, {"vendor": one.inputs.offer_vendor}, slacks=(0.05,)).groups
    assert a.spans[0].least_gw >= 1.0 - 1e-6


def test_refusals() -> None:
    one = session()
    with pytest.raises(ValueError, match="2030Q1 is not in the plan; it runs from 2027Q1 to 2027Q2"):
        alternatives(one, {}, at="2030Q1")
    with pytest.raises(ValueError, match="a slack is a share above 0"):
        alternatives(one, {}, slacks=(0.0,))


@settings(max_examples=15, deadline=None)
@given(a=st.floats(0.5, 5.0), b=st.floats(0.5, 5.0), demand=st.floats(1.0, 30.0))
def test_laws(a: float, b: float, demand: float) -> None:
    """The plan lies in every span, more money widens them, and doing without never pays."""
    one = session((a, b), demand=demand)
    for group in alternatives(one, {"vendor": one.inputs.offer_vendor}, slacks=(0.02, 0.2)).groups:
        narrow, wide = group.spans
        assert wide.least_gw - 1e-6 <= narrow.least_gw <= group.planned_gw + 1e-5
        assert group.planned_gw - 1e-5 <= narrow.most_gw <= wide.most_gw + 1e-6
        assert group.without_musd >= 0.0
