"""Who holds what: Microsoft's share and rights, many suppliers, NVIDIA's part, what is additional."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Deal
from gigawatt.core.calendar import str_quarter
from gigawatt.report.claims.again import right_cost
from gigawatt.report.claims.model import (
    ABOUT,
    SLACK,
    Asked,
    Band,
    Claim,
    If,
    Topic,
    at_least,
    at_most,
    band,
    between,
    merge,
    point,
)
from gigawatt.report.claims.view import LETTER, View, by_host
from gigawatt.study.scenario import Right

Mask = npt.NDArray[np.bool_]

FORMER = "microsoft"
LEAST = 1.0
"""Per cent of capacity from which a supplier counts, or a change of a share."""
LEAST_GW = 0.01
"""GW from which capacity counts."""
MAIN = 50.5
"""Per cent from which a part is more than half."""


def dependence(view: View) -> list[Claim]:
    """Microsoft's and the largest supplier's share of what stands, and concentration, at both ends of the horizon.

    Concentration: 1 / sum of squared shares, the number of equal suppliers it amounts to.
    """
    topic = view.topic(
        "S0.5, S2.5, S2.19", unit="%", statement="OpenAI depends less on Microsoft, and on any single cloud"
    )
    hosts = by_host(view, view.stands_gw)
    if FORMER not in hosts:
        return [topic.absent("capacity of Microsoft")]
    total = np.maximum(sum(hosts.values()), 1e-12)
    first, last = view.case.labels[0], view.case.labels[-1]
    share = 100 * hosts[FORMER] / total
    rows = _fell(
        topic, [(f"Microsoft's share of capacity, {q}", float(v)) for q, v in ((first, share[0]), (last, share[-1]))]
    )
    tops, equal = [], []
    for at, label in ((0, first), (-1, last)):
        shares = {name: 100 * float((values / total)[at]) for name, values in hosts.items()}
        top = max(shares, key=lambda name: shares[name])
        tops.append((f"share of the largest supplier, {view.name(top)}, {label}", shares[top]))
        equal.append(
            (f"equal suppliers the shares amount to, {label}", 1 / sum((s / 100) ** 2 for s in shares.values()))
        )
    (before, few), (after, many) = equal
    return [
        *rows,
        *_fell(topic, tops),
        topic.row(before, few, at_most(many / (1 + ABOUT)), unit="suppliers"),
        topic.row(after, many, at_least(few * (1 + ABOUT)), unit="suppliers"),
    ]


def _fell(topic: Topic, ends: list[tuple[str, float]]) -> list[Claim]:
    """Two rows of a share at the start and at the end, of which it is asked that it fell by ``LEAST`` points."""
    (before, high), (after, low) = ends
    return [topic.row(before, high, at_least(low + LEAST)), topic.row(after, low, at_most(high - LEAST))]


def many_suppliers(view: View) -> list[Claim]:
    """Suppliers with at least 1 % of what stands, their shares at the end, and the letter beside Stargate's GW."""
    topic = view.topic(
        "S0.7, S1.14, S3.38",
        unit="suppliers",
        statement="The deal adds to the work with Microsoft, Oracle, SoftBank and Stargate",
    )
    deal = view.letter
    if deal is None or deal.power is None:
        return [topic.absent("deal beside which others stand")]
    hosts = by_host(view, view.stands_gw)
    total = np.maximum(sum(hosts.values()), 1e-12)
    rows = []
    for at, label in ((0, view.case.labels[0]), (-1, view.case.labels[-1])):
        n = sum(1 for values in hosts.values() if 100 * (values / total)[at] >= LEAST)
        rows.append(topic.row(f"suppliers with at least {LEAST:g} % of capacity, {label}", float(n), at_least(2.0)))
    for name, values in hosts.items():
        kept = 100 * float(values[0] / (values[0] + total[-1]))
        rows.append(
            topic.row(f"share of {view.name(name)}, {view.case.labels[-1]}", 100 * float((values / total)[-1]),
                      at_least(LEAST), If(text="its contract is renewed", then=kept), unit="%")
        )  # fmt: skip
    stargate, asked = view.catalog.reference("stargate-plan").power, deal.power.value / 1e9
    named = sum(float(s.connection_w[-1]) for s in view.case.sites if s.entry and np.isfinite(s.connection_w[-1])) / 1e9
    assert stargate
    return [
        *rows,
        topic.aside("the letter's GW of chips over Stargate's GW of buildings", band(deal.power) / band(stargate),
                    "whether the chips fill those buildings or come on top was not said", unit="x"),
        topic.row("GW of named sites of the scenario, over which the letter's GW go", named, at_least(asked),
                  If(text=f"{asked - named:.1f} GW more find a site", then=asked), unit="GW"),
    ]  # fmt: skip


def _holds_right(view: View, right: Right) -> tuple[Mask, Mask]:
    base = view.offers(lambda o: o.offer.contract in right.contracts)
    held = base & view.offers(lambda o: right.holder in (o.offer.provider, o.system.vendor))
    return base, held


def _end(view: View, right: Right) -> int:
    """Last quarter of a right in this run, cut where an event that ends it is on."""
    end = int(right.end.value) if right.end else view.case.quarters[-1]
    for event in view.case.scenario.events:
        if event.id == right.ends_on and event.id in view.case.events_on and event.start:
            end = min(end, int(event.start.value) - 1)
    return min(end, view.case.quarters[-1])


def first_refusal(view: View) -> list[Claim]:
    """What Microsoft's right does in the plan: what it covers, what Microsoft holds of it, whether it binds."""
    topic = view.topic(
        "S0.6, S2.14",
        unit="%",
        statement="Microsoft's exclusivity became a right of first refusal, which lets others in",
    )
    rights = [r for r in view.case.scenario.rights if r.holder == FORMER]
    if not rights:
        return [topic.absent("right of Microsoft")]
    right = rights[0]
    start, end = int(right.start.value) - view.case.quarters[0], _end(view, right) - view.case.quarters[0]
    if end < max(start, 0):
        return [topic.absent("quarter in which Microsoft's right runs")]
    base, held = _holds_right(view, right)
    it = view.accepted_gw / view.case.facility_over_it[:, None]
    since = it[:, end] - (it[:, start - 1] if start > 0 else 0.0)
    new, covered, own = (max(0.0, float(since[some].sum())) for some in (base | ~base, base, held))
    asked = point(100.0 if right.outcome == "exercised" else 0.0)
    if right.share and right.outcome == "share":
        asked = band(right.share, 100.0)
    keys, contracts = asked.sources, ", ".join(right.contracts)
    part, others = (100 * value / new if new > 0 else 0.0 for value in (covered, new - own))
    barred = float(since[~view.offers(lambda o: o.offer.provider == FORMER)].sum())
    return [
        topic.given("share of what the right covers that must go to Microsoft, as input", asked, f"right {right.id}"),
        topic.row(f"part of all new capacity that the right covers ({contracts})", part, at_least(LEAST),
                  If(text="leased and owned capacity falls under the right", then=100.0 if new > 0 else 0.0),
                  sources=keys),
        _binds(topic, 100 * own / covered if covered > 1e-6 else None, asked),
        topic.row("part of all new capacity that goes to others", others, at_least(MAIN), sources=keys),
        topic.row("IT GW of the plan that the old exclusivity would have barred, over all contracts", barred,
                  at_least(LEAST_GW), unit="GW of IT", sources=keys),
        right_cost(view, topic, right.id),
    ]  # fmt: skip


def _binds(topic: Topic, got: float | None, asked: Band) -> Claim:
    """Row of what the holder gets of new capacity that a right covers: it binds where that is no more than asked."""
    reading, share = "the right binds: Microsoft's part of new capacity it covers", asked.central
    if got is None or share == 0.0:
        why = (
            "nothing that the right covers is added in this plan" if got is None else "its holder declines in this run"
        )
        return topic.aside(reading, got, why, sources=asked.sources)
    return topic.row(reading, got, between(share * (1 - SLACK), share * (1 + SLACK)), sources=asked.sources)


def agi_clause(view: View) -> list[Claim]:
    """The right as dated: its last quarter in this run, and what is accepted under its contracts after the event."""
    topic = view.topic("S2.18", unit="GW")
    rights = [r for r in view.case.scenario.rights if r.ends_on]
    if not rights:
        return [topic.absent("right that an event ends")]
    right = rights[0]
    event = next((e for e in view.case.scenario.events if e.id == right.ends_on), None)
    if event is None or event.start is None:
        return [topic.absent(f"dated event {right.ends_on}")]
    on = event.id in view.case.events_on
    at = max(0, int(event.start.value) - view.case.quarters[0])
    base, _ = _holds_right(view, right)
    after = view.accepted_gw[base, -1].sum() - (view.accepted_gw[base, at - 1].sum() if at > 0 else 0.0)
    ends = _end(view, right)
    left = max(0, view.case.quarters[-1] - int(event.start.value) + 1)
    reading = f"right {right.id} runs to {str_quarter(ends)}; event {event.id} is {'on' if on else 'off'}"
    freed = f"accepted under its contracts from {str_quarter(int(event.start.value))} on"
    return [
        topic.given(reading, point(left), f"event {event.id}", unit="quarters freed"),
        topic.aside(freed, max(0.0, float(after)), "the statement names no capacity"),
    ]


def additional(view: View) -> list[Claim]:
    """What the letter adds: to a plan without it, to the buildings already contracted, to the chips of other deals.

    GW of chips stand in GW of buildings: the two are set beside each other, never added.
    """
    topic = view.topic("S3.32", unit="GW")
    deal = view.letter
    if deal is None or deal.power is None:
        return [topic.absent("deal of so many GW")]
    asked = at_least(deal.power.value / 1e9 * (1 - SLACK))
    named, end = view.offers(lambda o: o.site.entry is not None), view.accepted_gw[:, -1]
    same = If(text="chips in buildings already announced count as additional", then=float(end.sum()))
    return [
        *_without_commitment(view, topic, asked),
        topic.row("accepted at sites named in the catalogue", float(end[named].sum()), asked, same),
        topic.row("accepted at sites not named yet", float(end[~named].sum()), asked, same),
        topic.aside(f"buildings contracted by {deal.signed.text}, which the chips may fill",
                    _announced(view, "buildings", deal), "whether any of them is meant for these chips was not said"),
    ]  # fmt: skip


def _without_commitment(view: View, topic: Topic, asked: Asked) -> list[Claim]:
    """GW accepted less those of a plan with nothing but the commitments off: when the deal is due, and at the end."""
    free: dict[str, float] | None = view.results.summary.get("gw_without_commitments_by_quarter")
    if free is None:
        return []
    committed, accepted = view.committed_gw, view.accepted_gw.sum(axis=0)
    due = view.case.labels[int(np.argmax(committed >= committed[-1]))]
    rows = []
    for label in dict.fromkeys((due, view.case.labels[-1])):
        mine = float(accepted[view.case.labels.index(label)])
        anyway = If(text=f"the {free[label]:.1f} GW that demand asks for anyway count", then=mine)
        reading = f"GW accepted in the plan less GW accepted without its commitments, {label}"
        more = mine - free[label]
        rows.append(topic.row(reading, more, asked, *((anyway,) if more > 0.0 else ())))
    return rows


def _announced(view: View, side: str, letter: Deal, *, until: bool = True) -> Band:
    """GW of the buyer's deals of one side, signed up to the letter; ended ones and talks left out."""
    rows = [
        d
        for d in view.catalog.all(Deal)
        if d.side == side
        and d.buyer == letter.buyer
        and d.power
        and d.bond not in ("ended", "talks")
        and d.id != letter.id
        and (not until or d.signed.value <= letter.signed.value)
    ]
    gw = [d.power.range for d in rows if d.power]
    ends = [sum(r[i] for r in gw) / 1e9 for i in range(3)]
    return Band(low=ends[0], central=ends[1], high=ends[2], sources=merge(*(d.power.source for d in rows if d.power)))


_VENDORS = {
    "S2.9": (("amd", "broadcom", "aws", "cerebras"), "NVIDIA is the main base of OpenAI's next steps"),
    "S3.30": (("broadcom",), "NVIDIA stays at the core while OpenAI makes its own chip"),
    "S3.31": (("amd", "aws", "cerebras"), "OpenAI stays a main customer while rivals' parts are weighed"),
}


def nvidia_share(view: View) -> list[Claim]:
    """NVIDIA's share of the plan's capacity, and of the GW of chips in the announced deals, against some rivals."""
    rows: list[Claim] = []
    letter = view.catalog.deal(LETTER)
    assert letter.power
    for id, (rivals, statement) in _VENDORS.items():
        topic = view.topic(id, unit="%", statement=statement)
        if not view.is_programme:
            rows.append(topic.absent("chip deal of the laboratory"))
            continue
        rows.append(_plan_share(view, topic))
        theirs = _chips(view, rivals)
        low, mid, high = (
            100 * letter.power.value / (letter.power.value + 1e9 * gw)
            for gw in (theirs.high, theirs.central, theirs.low)
        )
        share = Band(low=low, central=mid, high=high, sources=merge(letter.power.source, theirs.sources))
        binding = If(text="only what binds of the other deals counts", then=high)
        reading = f"NVIDIA's GW over announced GW of chips of NVIDIA, {', '.join(rivals)}"
        rows.append(topic.row(reading, share, at_least(MAIN), binding))
    return rows


def _plan_share(view: View, topic: Topic) -> Claim:
    vendor = view.catalog.deal(LETTER).seller
    stands = view.stands_gw[:, -4:].mean(axis=1)
    share = 100 * float(stands[view.of_vendor(vendor)].sum() / stands.sum()) if stands.sum() > 0 else 0.0
    return view.vendor_row(topic, vendor, "NVIDIA's share of capacity in the plan, last year", share, at_least(MAIN))


def _chips(view: View, vendors: tuple[str, ...]) -> Band:
    """GW of chip deals of the programme with some vendors; the low end counts only what binds."""
    buyer = view.catalog.deal(LETTER).buyer
    deals = [
        d for d in view.catalog.all(Deal) if d.side == "chips" and d.buyer == buyer and d.seller in vendors and d.power
    ]
    sure = [d for d in deals if d.id not in ("openai-cerebras-option",)]
    low = sum(d.power.range[0] for d in sure if d.power and d.bond == "binding") / 1e9
    central = sum(d.power.value for d in sure if d.power) / 1e9
    high = sum(d.power.range[2] for d in deals if d.power) / 1e9
    return Band(low=low, central=central, high=high, sources=merge(*(d.power.source for d in deals if d.power)))


def challenge(view: View) -> list[Claim]:
    """Receipts NVIDIA would forgo if the announced GW of other chips took the place of its own [USD bn]."""
    topic = view.topic("S4.6", unit="USD bn")
    if not view.is_programme:
        return [topic.absent("chip deal of the laboratory")]
    content = view.catalog.reference("huang-nvidia-content-per-gw").money_per_watt
    assert content
    theirs = _chips(view, ("amd", "broadcom", "aws", "cerebras"))
    letter = view.catalog.deal(LETTER)
    assert letter.power
    tenth = ABOUT * letter.power.value * content.value / 1e9
    got = view.paid_usd(payer=view.buyer, payee=letter.seller) / 1e9
    reading = "announced GW of other chips at NVIDIA's announced part of a gigawatt"
    rows = [
        topic.row(reading, theirs * band(content), at_least(tenth),
                  If(text="they replace its GW and do not add to them", without=0.0))
    ]  # fmt: skip
    if got > 0:
        rows.append(topic.aside("beside it, what the plan pays NVIDIA", got, "it holds no GW of others"))
    return rows
