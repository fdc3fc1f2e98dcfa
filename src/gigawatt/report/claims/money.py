"""Money of the letter: the $100 billion and its tranches, stakes, circles, and how much of the bill it covers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gigawatt.catalog.schema import Deal, Equity
from gigawatt.finance.metrics import circularity
from gigawatt.finance.tranches import stakes
from gigawatt.report.claims.build import plan_bill_usd, receipts_usd
from gigawatt.report.claims.model import (
    SLACK,
    Band,
    Claim,
    If,
    about,
    at_least,
    at_most,
    band,
    point,
    whole,
)
from gigawatt.report.claims.view import LETTER, View

HEADLINE = "S0.1, S0.2, S1.4, S2.3, S3.6"
NO_EQUITY = "milestone equity"
ALL = at_least(100.0)
"""All of it [%]."""
CENT = 1e-6
"""Share by which sums of money may differ by rounding."""
LUMP = 50.0
"""Per cent of the whole above which one payment is no step."""
MOST = 50.0
"""Per cent from which a part is most of a whole."""


def hundred_billion(view: View) -> list[Claim]:
    """Milestone equity paid in the plan, by the end of the first promised year, and what was paid in fact [USD bn]."""
    topic = view.topic(HEADLINE, unit="USD bn", statement="NVIDIA invests up to $100 billion", announced="up to $100B")
    deal = view.letter
    if deal is None or deal.equity is None:
        return [topic.absent(NO_EQUITY)]
    cap, paid = deal.equity.cap, view.plan["tranche_usd"].values
    total, most = float(paid.sum()) / 1e9, cap.value / 1e9
    rows = [
        topic.row("ceiling: equity paid in the plan", total, at_most(most * (1 + CENT)), sources=cap.source),
        topic.row("headline: the whole amount is paid", total, at_least(most * (1 - CENT)),
                  _whole_amount(view, deal.equity), sources=cap.source),
    ]  # fmt: skip
    first = view.catalog.reference("first-gw-promise").quarter
    if first and int(first.range[2]) in view.case.quarters:
        at = view.case.quarters.index(int(first.range[2]))
        reading, by = f"paid in the plan by {view.case.labels[at]}", float(paid[: at + 1].sum()) / 1e9
        rows.append(topic.aside(reading, by, "the statement names no amount by a date", sources=cap.source))
    came = view.catalog.deal("openai-nvidia-equity-2026")
    if view.is_programme and came.amount:
        rows.append(topic.row(f"what came in its place: {came.name}", band(came.amount, 1e-9), at_least(most)))
    return rows


def _whole_amount(view: View, equity: Equity) -> If:
    """Gigawatts that release the whole amount: those of the last payment and its date, or all of the deal's."""
    paid, released = view.plan["tranche_usd"].values, view.plan["released_gw"].values
    total = float(paid.sum())
    if total < equity.cap.value * (1 - CENT):
        return If(
            text=f"{equity.cap.value / equity.per_gw.value / 1e9:.1f} GW are accepted", then=equity.cap.value / 1e9
        )
    last = int(np.flatnonzero(paid > 0.5)[-1])
    text = f"{float(released[last]):.1f} GW are accepted by {view.case.labels[last]}"
    return If(text=text, without=(total - float(paid[last])) / 1e9)


def tranches(view: View) -> list[Claim]:
    """Equity by gigawatt: USD bn a released GW, number of payments, and the share paid ahead of the first GW."""
    topic = view.topic(
        "S1.5, S2.10, S3.8", statement="Money comes step by step, with each gigawatt", announced="1 GW per tranche"
    )
    deal = view.letter
    if deal is None or deal.equity is None:
        return [topic.absent(NO_EQUITY)]
    paid, released = view.plan["tranche_usd"].values, view.plan["released_gw"].values
    total, gw = float(paid.sum()), float(released[-1])
    if total < 0.5 or gw <= 0:
        return [topic.refuse("no gigawatt is released within the horizon")]
    accepted = view.accepted_gw[view.of_vendor(deal.seller)].sum(axis=0)
    waits = accepted < 1 - SLACK
    ahead = float(paid[waits].sum()) / total * 100
    terms = view.case.scenario.funding.milestones
    on_signing = terms is not None and terms.first_on_signing
    signing = float(paid[int(np.flatnonzero(paid > 0.5)[0])]) / total * 100 if on_signing else 0.0
    n, over = int((paid > 0.5).sum()), float((released - accepted).max())
    per_gw, keys = deal.equity.per_gw, deal.equity.per_gw.source
    return [
        topic.row("paid for each gigawatt released in the plan", total / gw / 1e9, about(per_gw.value),
                  unit="USD bn per GW", sources=keys),
        topic.row("payments in the plan, so not a lump sum", float(n), at_least(2.0), unit="payments"),
        topic.row("largest payment of a quarter over the whole", float(paid.max()) / total * 100, at_most(LUMP),
                  unit="%"),
        topic.row("paid before the first gigawatt is accepted", ahead, at_most(100 * SLACK),
                  If(text="the part due on signing counts as a step", then=max(0.0, ahead - signing)), unit="%"),
        topic.row("most that is released beyond what is accepted", max(0.0, over), at_most(SLACK), unit="GW"),
    ]  # fmt: skip


def covered(view: View) -> list[Claim]:
    """Share of the bill that the equity covers: of a gigawatt as announced, of NVIDIA's part, of the plan."""
    topic = view.topic("S4.7", unit="%", statement="Up to $100 billion gives OpenAI the funds to buy chips")
    deal = view.letter
    if deal is None or deal.equity is None:
        return [topic.absent(NO_EQUITY)]
    per_gw = band(deal.equity.per_gw) * 100.0
    announced = view.catalog.reference("huang-capex-per-gw").money_per_watt
    content = view.catalog.reference("huang-nvidia-content-per-gw").money_per_watt
    assert announced and content
    paid = float(view.plan["tranche_usd"].values.sum())
    chips = view.paid_usd(payer=view.buyer, payee=deal.seller)
    shares = [
        ("of a gigawatt at the announced $50-60B", per_gw / band(announced)),
        ("of NVIDIA's announced part of a gigawatt", per_gw / band(content)),
    ]
    bill = plan_bill_usd(view, deal.seller)
    if bill is not None:
        reading = "of the full build of the plan, buildings of landlords with it"
        shares.append((reading, point(100.0 * paid) / bill))
    rows = [topic.row(reading, share, ALL, _rest(share.central)) for reading, share in shares]
    if chips > 0:
        share = 100.0 * paid / chips
        reading = f"of what the plan pays {view.name(deal.seller)} for systems"
        rows.append(topic.row(reading, share, ALL, _rest(share)))
    gap = float(view.plan["gap_owed_usd"].max()) / 1e9
    found = If(text=f"${gap:,.0f} billion more are found", then=0.0)
    reading = "money still to be found in the plan beside it, at once"
    return [*rows, topic.row(reading, gap, at_most(0.5), found, unit="USD bn")]


def _rest(share: float) -> If:
    return If(text=f"the other {100 - share:.0f} % come from elsewhere", then=100.0)


def circle(view: View) -> list[Claim]:
    """The investor's receipts from the buyer over its equity, and the share of them its own money pays.

    First round only: what NVIDIA does with its revenue is not followed. Range: prices of the systems at their ends.
    """
    topic = view.topic("S3.29", statement="The $100 billion comes back to NVIDIA, a circle")
    deal = view.letter
    if deal is None:
        return [topic.absent(NO_EQUITY)]
    rows = []
    for one in circularity(view.results.book, view.buyer):
        if one.investor != deal.seller or one.invested_usd <= 0:
            continue
        back = receipts_usd(view, deal.seller, one.returned_usd)
        times, own = back / one.invested_usd, point(100.0 * one.invested_usd) / back
        returned = min(100.0, times.central * 100.0)
        rows += [
            topic.row("share of the equity that comes back as payments for systems", returned, about(100.0),
                      unit="%", sources=back.sources),
            topic.row("payments for systems over equity put in", times, at_least(1.0), unit="x"),
            topic.row("share of NVIDIA's receipts that its own equity pays", own, at_least(MOST), unit="%"),
        ]  # fmt: skip
    return rows or [topic.absent("payment of milestone equity within its horizon")]


def largest(view: View) -> list[Claim]:
    """The letter's equity over the largest other investment of NVIDIA in the catalogue, up to its date and since."""
    topic = view.topic("S3.7", unit="x")
    letter = view.catalog.deal(LETTER)
    assert letter.equity
    if not view.is_programme:
        return [topic.absent("investment by NVIDIA")]
    mine = [d for d in view.catalog.all(Deal) if d.buyer == letter.seller and d.side == "money" and d.amount]
    rows = []
    for reading, some in (
        ("largest other investment up to its date", [d for d in mine if d.signed.value <= letter.signed.value]),
        ("largest investment since", [d for d in mine if d.signed.value > letter.signed.value]),
    ):
        if some:
            top = max(some, key=lambda d: d.amount.value if d.amount else 0.0)
            assert top.amount
            reading = f"cap of the letter over the {reading}: {top.name}"
            rows.append(topic.row(reading, band(letter.equity.cap) / band(top.amount), at_least(1.0)))
    return rows


def stake(view: View) -> list[Claim]:
    """Shares that the equity buys at a valuation V before the money: x / (V + x) [%].

    The statement gives the valuation and enters by it; the shares follow by arithmetic.
    """
    topic = view.topic("S3.39", unit="%", statement="OpenAI is valued at $500 billion: the stake the equity buys")
    letter = view.catalog.deal(LETTER)
    assert letter.equity
    if not view.is_programme:
        return [topic.absent("milestone equity")]
    equity, worth = letter.equity, letter.equity.valuation.value
    later = view.catalog.reference("openai-valuation-2026-03").money
    assert later

    def sold(usd: float, sources: Iterable[str]) -> Band:
        return point(100 * usd / (worth + usd), sources)

    keys, why = equity.valuation.source, "the valuation, at which every tranche is priced; no stake was announced"
    rows = [topic.given("all of the cap at the valuation of September 2025", sold(equity.cap.value, keys), why)]
    if equity.first_on_signing:
        first = equity.first_on_signing
        rows.append(topic.given("the part due on signing", sold(first.value, first.source), why))
    paid = view.plan["tranche_usd"].values
    if view.letter is not None and paid.sum() > 0.5:
        terms = view.case.scenario.funding.milestones
        price = terms.valuation.value if terms and terms.valuation else worth
        share = 100 * float(stakes(paid[paid > 0.5], price).sum())
        rows.append(topic.given("the tranches of the plan", share, why, sources=keys))
    low, central, high = (100 * equity.cap.value / v for v in (whole(later).high, later.value, whole(later).low))
    after = Band(low=low, central=central, high=high, sources=later.source)
    reading = "all of the cap at the valuation of March 2026, after the money"
    return [*rows, topic.given(reading, after, "the valuation of March 2026; no stake was announced")]
