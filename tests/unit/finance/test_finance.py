"""Books that balance, rates of return against a second opinion, tranches against their closed form."""

from __future__ import annotations

import numpy as np
import pytest
import pyxirr
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.finance.ledger import ACCOUNTS, Flow, balance_usd, imbalance_usd, ledger, postings
from gigawatt.finance.metrics import circularity, irr, levelised
from gigawatt.finance.tranches import stakes

PARTIES = ["lab", "vendor", "cloud", "lender", "landlord"]
FLOWS = st.builds(
    lambda q, pair, kind, usd: Flow(quarter=q, payer=pair[0], payee=pair[1], kind=kind, usd=usd),
    st.sampled_from(["2027Q1", "2027Q2", "2027Q3"]),
    st.permutations(PARTIES).map(lambda p: p[:2]),
    st.sampled_from(sorted(ACCOUNTS)),
    st.floats(0, 1e12),
)


@given(st.lists(FLOWS, max_size=40))
def test_all_books_sum_to_zero_in_every_quarter(flows: list[Flow]) -> None:
    book = ledger(flows)
    assert imbalance_usd(book) <= 1e-3  # floats of up to 1e13 USD keep a thousandth of a dollar
    if not book.empty:
        rows = postings(book)
        assert rows.groupby(["quarter", "party"])["usd"].sum().abs().max() <= 1e-3
        cash = rows[rows["account"] == "cash"]
        assert cash.groupby("quarter")["usd"].sum().abs().max() <= 1e-3


def test_a_flow_that_is_no_flow_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a kind of flow"):
        ledger([Flow(quarter="2027Q1", payer="a", payee="b", kind="gift", usd=1.0)])
    with pytest.raises(ValueError, match="swap payer and payee"):
        ledger([Flow(quarter="2027Q1", payer="a", payee="b", kind="equity", usd=-1.0)])
    with pytest.raises(ValueError, match="cannot pay itself"):
        ledger([Flow(quarter="2027Q1", payer="a", payee="a", kind="equity", usd=1.0)])


def test_balance_by_hand() -> None:
    book = ledger([
        Flow(quarter="2027Q1", payer="lab", payee="vendor", kind="systems", usd=30.0),
        Flow(quarter="2027Q2", payer="vendor", payee="lab", kind="equity", usd=10.0),
    ])  # fmt: skip
    assert balance_usd(book, "lab", ["2027Q1", "2027Q2"], 100.0).tolist() == [70.0, 80.0]


def test_circularity_by_hand() -> None:
    # vendor puts in 10 and is paid 30 for systems: three times its money; a lender's interest is not revenue
    book = ledger([
        Flow(quarter="2027Q1", payer="vendor", payee="lab", kind="milestone-equity", usd=10.0),
        Flow(quarter="2027Q1", payer="lab", payee="vendor", kind="systems", usd=30.0),
        Flow(quarter="2027Q1", payer="lab", payee="vendor", kind="interest", usd=5.0),
    ])  # fmt: skip
    (circle,) = circularity(book, "lab")
    assert (circle.investor, circle.invested_usd, circle.returned_usd, circle.share) == (
        "vendor",
        10.0,
        30.0,
        3.0,
    )


@given(st.lists(st.floats(1, 100), min_size=2, max_size=30), st.floats(10, 1000))
def test_irr_agrees_with_pyxirr(returns: list[float], paid: float) -> None:
    flows = np.array([-paid, *returns])
    mine, other = float(irr(flows)), pyxirr.irr(list(flows))
    assert other is not None
    if -0.98 < other < 9.9:
        assert mine == pytest.approx(other, abs=1e-7)


def test_irr_is_vectorised_and_says_nan_without_a_sign_change() -> None:
    rates = irr(np.array([[-100.0, 110.0], [-100.0, 121.0], [1.0, 1.0]]))
    assert rates[:2].tolist() == pytest.approx([0.10, 0.21], abs=1e-9)
    assert np.isnan(rates[2])
    # money in first, or two changes of sign: no single rate
    assert np.isnan(irr(np.array([100.0, -60.0, -60.0])))
    assert np.isnan(irr(np.array([-100.0, 230.0, -132.0])))


def test_levelised_price_pays_the_cost() -> None:
    discount = np.array([0.9, 0.8])
    price = levelised(np.array([10.0, 20.0]), np.array([1.0, 3.0]), discount)
    assert price == pytest.approx((9 + 16) / (0.9 + 2.4))  # 25 / 3.3
    assert np.isnan(levelised(np.array([1.0]), np.array([0.0]), np.array([1.0])))


def test_stakes_at_one_valuation() -> None:
    # 100 at 500 pre-money in ten payments: 100 / 600 = 16.7 %, the first of 10 then holds 10 / 600
    held = stakes(np.full(10, 10e9), 500e9)
    assert held.sum() == pytest.approx(1 / 6)
    assert held[0] == pytest.approx(1 / 60)
