"""Money of the letter: the $100 billion and its tranches, stakes, circles, and how much of the bill it covers."""

from __future__ import annotations

import math

import numpy as np

from gigawatt.catalog.schema import Deal
from gigawatt.core.calendar import str_quarter
from gigawatt.finance.metrics import circularity
from gigawatt.finance.tranches import stakes
from gigawatt.report.claims.build import plan_bill_usd, receipts_usd
from gigawatt.report.claims.model import Band, Claim, band, judge, point, whole
from gigawatt.report.claims.view import LETTER, View

HEADLINE = "S0.1, S0.2, S1.4, S2.3, S3.6"
NO_EQUITY = "milestone equity"


def hundred_billion(view: View) -> list[Claim]:
    """Milestone equity paid in the plan, by the end of the first promised year, and what was paid in fact [USD bn]."""
    topic = view.topic(HEADLINE, unit="USD bn", statement="NVIDIA invests up to $100 billion", announced="up to $100B")
    deal = view.letter
    if deal is None or deal.equity is None:
        return [topic.absent(NO_EQUITY)]
    cap, paid = deal.equity.cap, view.plan["tranche_usd"].values
    total = float(paid.sum())
    last = view.case.labels[int(np.flatnonzero(paid > 0.5)[-1])] if total > 0.5 else ""
    accepted = float(view.accepted_gw[view.of_vendor(deal.seller), -1].sum())
    short = total < cap.value * (1 - 1e-6)
    ceiling = "holds" if total <= cap.value * (1 + 1e-6) else "fails"
    headline = "holds if more capacity is accepted" if short else f"holds if {accepted:.1f} GW are accepted by {last}"
    rows = [
        topic.row("ceiling: equity paid in the plan", total / 1e9, ceiling, sources=cap.source),
        topic.row("headline: the whole amount is paid", total / 1e9, headline, sources=cap.source),
    ]
    first = view.catalog.reference("first-gw-promise").quarter
    if first and int(first.range[2]) in view.case.quarters:
        at = view.case.quarters.index(int(first.range[2]))
        rows.append(
            topic.row(
                f"paid in the plan by {str_quarter(int(first.range[2]))}",
                float(paid[: at + 1].sum()) / 1e9,
                "holds",
                sources=cap.source,
            )
        )
    came = view.catalog.deal("openai-nvidia-equity-2026")
    if view.is_programme and came.amount:
        rows.append(
            topic.row(
                f"what came in its place: {came.name}",
                band(came.amount, 1e-9),
                judge(band(came.amount), cap.value, math.inf, "more follows"),
            )
        )
    return rows


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
    ahead = float(paid[accepted < 1 - 5e-3].sum()) / total * 100
    n = int((paid > 0.5).sum())
    over = float((released - accepted).max())
    keys = deal.equity.per_gw.source
    per_gw = total / gw / 1e9
    return [
        topic.row(
            "paid for each gigawatt released in the plan",
            per_gw,
            "holds" if abs(per_gw - deal.equity.per_gw.value) < 0.05 * per_gw else "fails",
            unit="USD bn per GW",
            sources=keys,
        ),
        topic.row("payments in the plan, so not a lump sum", float(n), "holds" if n > 1 else "fails", unit="payments"),
        topic.row(
            "largest payment of a quarter over the whole",
            float(paid.max()) / total * 100,
            "holds" if n > 1 else "fails",
            unit="%",
        ),
        topic.row(
            "paid before the first gigawatt is accepted",
            ahead,
            "holds" if ahead <= 0.05 else "holds if the part due on signing counts as a step",
            unit="%",
        ),
        topic.row(
            "most that is released beyond what is accepted",
            max(0.0, over),
            "holds" if over < 5e-3 else "fails",
            unit="GW",
        ),
    ]


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
    rows = [
        topic.row("of a gigawatt at the announced $50-60B", share := per_gw / band(announced), _rest(share)),
        topic.row("of NVIDIA's announced part of a gigawatt", share := per_gw / band(content), _rest(share)),
    ]
    bill = plan_bill_usd(view, deal.seller)
    if bill is not None:
        share = point(100.0 * paid) / bill
        rows.append(topic.row("of the full build of the plan, buildings of landlords with it", share, _rest(share)))
    if chips > 0:
        share = point(100.0 * paid / chips)
        rows.append(topic.row(f"of what the plan pays {view.name(deal.seller)} for systems", share, _rest(share)))
    gap = float(view.plan["gap_owed_usd"].max()) / 1e9
    rows.append(
        topic.row(
            "money still to be found in the plan beside it, at once",
            gap,
            "holds" if gap < 0.5 else f"holds if ${gap:,.0f} billion more are found",
            unit="USD bn",
        )
    )
    return rows


def _rest(share: Band) -> str:
    return "holds" if share.low >= 100 else f"holds if the other {100 - share.central:.0f} % come from elsewhere"


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
            topic.row(
                "share of the equity that comes back as payments for systems",
                returned,
                "holds" if returned >= 90 else "fails",
                unit="%",
                sources=back.sources,
            ),
            topic.row(
                "payments for systems over equity put in",
                times,
                judge(times, 1.0, math.inf, "systems keep their price"),
                unit="x",
            ),
            topic.row(
                "share of NVIDIA's receipts that its own equity pays",
                own,
                judge(own, 50.0, math.inf, "most of the receipts are meant"),
                unit="%",
            ),
        ]
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
            ratio = band(letter.equity.cap) / band(top.amount)
            rows.append(
                topic.row(
                    f"cap of the letter over the {reading}: {top.name}",
                    ratio,
                    judge(ratio, 1.0, math.inf, "the cap is paid"),
                )
            )
    return rows


def stake(view: View) -> list[Claim]:
    """Shares that the equity buys at a valuation V before the money: x / (V + x) [%]."""
    topic = view.topic("S3.39", unit="%", statement="OpenAI is valued at $500 billion: the stake the equity buys")
    letter = view.catalog.deal(LETTER)
    assert letter.equity
    if not view.is_programme:
        return [topic.absent("milestone equity")]
    equity, worth = letter.equity, letter.equity.valuation.value
    later = view.catalog.reference("openai-valuation-2026-03").money
    assert later
    rows = [
        topic.row(
            "all of the cap at the valuation of September 2025",
            100 * equity.cap.value / (worth + equity.cap.value),
            "holds if every tranche is priced at $500B",
            sources=equity.valuation.source,
        ),
    ]
    if equity.first_on_signing:
        first = equity.first_on_signing.value
        rows.append(
            topic.row(
                "the part due on signing",
                100 * first / (worth + first),
                "holds",
                sources=equity.first_on_signing.source,
            )
        )
    paid = view.plan["tranche_usd"].values
    if view.letter is not None and paid.sum() > 0.5:
        terms = view.case.scenario.funding.milestones
        price = terms.valuation.value if terms and terms.valuation else worth
        sold = 100 * float(stakes(paid[paid > 0.5], price).sum())
        rows.append(
            topic.row(
                "the tranches of the plan",
                sold,
                "holds if every tranche is priced alike",
                sources=equity.valuation.source,
            )
        )
    low, central, high = (100 * equity.cap.value / v for v in (whole(later).high, later.value, whole(later).low))
    later_band = Band(low=low, central=central, high=high, sources=later.source)
    rows.append(
        topic.row(
            "all of the cap at the valuation of March 2026, after the money",
            later_band,
            "holds if the price stays at $500B",
        )
    )
    return rows
