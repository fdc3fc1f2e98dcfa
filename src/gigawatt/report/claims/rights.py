"""Who holds what: Microsoft's share and rights, many suppliers, NVIDIA's part, what is additional."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Deal
from gigawatt.core.calendar import str_quarter
from gigawatt.report.claims.again import right_cost
from gigawatt.report.claims.capacity import SLACK
from gigawatt.report.claims.model import Band, Claim, band, merge
from gigawatt.report.claims.view import LETTER, View, by_host
from gigawatt.study.scenario import Right

Mask = npt.NDArray[np.bool_]

FORMER = "microsoft"
LEAST = 1.0
"""Per cent of capacity from which a supplier counts."""


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
    less = "holds" if share[-1] < share[0] else "fails"
    rows = [
        topic.row(f"Microsoft's share of capacity, {first}", float(share[0]), less),
        topic.row(f"Microsoft's share of capacity, {last}", float(share[-1]), less),
    ]
    tops = []
    for at, label in ((0, first), (-1, last)):
        shares = {name: 100 * float((values / total)[at]) for name, values in hosts.items()}
        top = max(shares, key=lambda name: shares[name])
        tops.append((label, top, shares[top], 1 / sum((s / 100) ** 2 for s in shares.values())))
    fewer = "holds" if tops[1][2] < tops[0][2] else f"holds if {view.name(tops[1][1])} is no single supplier"
    for label, top, figure, _ in tops:
        rows.append(topic.row(f"share of the largest supplier, {view.name(top)}, {label}", figure, fewer))
    for label, _, _, figure in tops:
        verdict = "holds" if tops[1][3] > tops[0][3] else "fails"
        rows.append(topic.row(f"equal suppliers the shares amount to, {label}", figure, verdict, unit="suppliers"))
    return rows


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
        rows.append(
            topic.row(
                f"suppliers with at least {LEAST:g} % of capacity, {label}", float(n), "holds" if n > 1 else "fails"
            )
        )
    for name, values in hosts.items():
        at_end = 100 * float((values / total)[-1])
        rows.append(
            topic.row(
                f"share of {view.name(name)}, {view.case.labels[-1]}",
                at_end,
                "holds" if at_end > 1e-6 else "holds if its contract is renewed",
                unit="%",
            )
        )
    stargate = view.catalog.reference("stargate-plan").power
    named = sum(float(s.connection_w[-1]) for s in view.case.sites if s.entry and np.isfinite(s.connection_w[-1])) / 1e9
    assert stargate
    rows.append(
        topic.row(
            "the letter's GW of chips over Stargate's GW of buildings",
            band(deal.power) / band(stargate),
            "holds if the chips fill those buildings and are not added to them",
            unit="x",
        )
    )
    rows.append(
        topic.row(
            "GW of named sites of the scenario, over which the letter's GW go",
            named,
            "holds"
            if named >= deal.power.value / 1e9
            else f"holds if {deal.power.value / 1e9 - named:.1f} GW more find a site",
            unit="GW",
        )
    )
    return rows


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
    it = view.accepted_gw / view.overhead[:, None]
    since = it[:, end] - (it[:, start - 1] if start > 0 else 0.0)
    new, covered, own = (max(0.0, float(since[some].sum())) for some in (base | ~base, base, held))
    share = 100.0 if right.outcome == "exercised" else 0.0
    keys: tuple[str, ...] = ()
    asked = None
    if right.share and right.outcome == "share":
        share, keys, asked = 100 * right.share.value, right.share.source, band(right.share, 100.0)
    contracts = ", ".join(right.contracts)
    others = 100 * (1 - own / new) if new > 0 else 0.0
    rows = [
        topic.row(
            "share of what the right covers that must go to Microsoft, as input",
            asked if asked is not None else share,
            "holds",
        ),
        topic.row(
            f"part of all new capacity that the right covers ({contracts})",
            100 * covered / new if new else 0.0,
            "holds" if covered > 0.01 * new else "holds if leased and owned capacity falls under the right",
            sources=keys,
        ),
    ]
    got = 100 * own / covered if covered > 1e-6 else None
    verdict = "holds"
    if got is None:
        verdict = "holds if capacity that it covers is added"
    elif got > share * (1 + SLACK):
        verdict = "holds if its share is raised above what the plan gives anyway"
    rows.append(topic.row("the right binds: Microsoft's part of new capacity it covers", got, verdict, sources=keys))
    rows.append(
        topic.row(
            "part of all new capacity that goes to others", others, "holds" if others > 50 else "fails", sources=keys
        )
    )
    barred = float(since[~view.offers(lambda o: o.offer.provider == FORMER)].sum())
    rows.append(
        topic.row(
            "IT GW of the plan that the old exclusivity would have barred, over all contracts",
            barred,
            "holds" if barred > 0.01 else "fails",
            unit="GW of IT",
            sources=keys,
        )
    )
    rows.append(right_cost(view, topic, right.id, bites="capacity that it covers is worth adding"))
    return rows


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
    freed = "holds" if after > 0.01 else "holds if capacity is rented under the right after that date"
    return [
        topic.row(
            f"right {right.id} runs to {str_quarter(ends)}; event {event.id} is {'on' if on else 'off'}",
            float(left),
            "holds" if on else f"holds if event {event.id} is switched on",
            unit="quarters freed",
        ),
        topic.row(
            f"accepted under its contracts from {str_quarter(int(event.start.value))} on", max(0.0, float(after)), freed
        ),
    ]


def additional(view: View) -> list[Claim]:
    """What the letter adds: to a plan without it, to the buildings already contracted, to the chips of other deals.

    GW of chips stand in GW of buildings: the two are set beside each other, never added.
    """
    topic = view.topic("S3.32", unit="GW")
    deal = view.letter
    if deal is None or deal.power is None:
        return [topic.absent("deal of so many GW")]
    asked = deal.power.value / 1e9
    accepted = float(view.accepted_gw[:, -1].sum())
    rows = []
    free = view.results.summary.get("gw_without_commitments")
    if free is not None:
        more = accepted - float(free)
        verdict = (
            "holds"
            if more >= asked * (1 - SLACK)
            else f"holds if the {float(free):.1f} GW that demand asks for anyway count"
        )
        rows.append(topic.row("GW accepted in the plan less GW accepted without the commitment", more, verdict))
    named, end = view.offers(lambda o: o.site.entry is not None), view.accepted_gw[:, -1]
    for basis, sites in (("named in the catalogue", True), ("not named yet", False)):
        gw = float(end[named if sites else ~named].sum())
        verdict = (
            "holds if chips in buildings already announced count as additional"
            if sites
            else "holds if these sites are found"
        )
        rows.append(topic.row(f"accepted at sites {basis}", gw, verdict))
    buildings = _announced(view, "buildings", deal)
    rows.append(
        topic.row(
            f"buildings contracted by {deal.signed.text}, which the chips may fill",
            buildings,
            "holds if none of them is meant for these chips",
        )
    )
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
        rows.append(_plan_share(view, topic.id, statement))
        theirs = _chips(view, rivals)
        low, mid, high = (
            100 * letter.power.value / (letter.power.value + 1e9 * gw)
            for gw in (theirs.high, theirs.central, theirs.low)
        )
        share = Band(low=low, central=mid, high=high, sources=merge(letter.power.source, theirs.sources))
        verdict = (
            "holds" if low > 50 else "holds if only what binds of the other deals counts" if high > 50 else "fails"
        )
        if low >= 49.5 and high <= 50.5:
            verdict = "holds if as many GW of another maker leave it at the core"
        rows.append(topic.row(f"NVIDIA's GW over announced GW of chips of NVIDIA, {', '.join(rivals)}", share, verdict))
    return rows


def _plan_share(view: View, id: str, statement: str) -> Claim:
    vendor = view.catalog.deal(LETTER).seller
    topic = view.topic(id, unit="%", statement=statement)
    stands = view.stands_gw[:, -4:].mean(axis=1)
    share = 100 * float(stands[view.of_vendor(vendor)].sum() / stands.sum()) if stands.sum() > 0 else 0.0
    rivals = not view.of_vendor(vendor).all()
    verdict = (
        "fails" if share <= 50 else "holds" if rivals else "holds if no other maker is on offer, as in this scenario"
    )
    return topic.row("NVIDIA's share of capacity in the plan, last year", share, verdict)


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
    risk = theirs * band(content) * 1.0
    got = view.paid_usd(payer=view.buyer, payee=view.catalog.deal(LETTER).seller) / 1e9
    rows = [
        topic.row(
            "announced GW of other chips at NVIDIA's announced part of a gigawatt",
            risk,
            "holds if they replace its GW and do not add to them",
        )
    ]
    if got > 0:
        rows.append(
            topic.row("beside it, what the plan pays NVIDIA", got, "holds" if risk.central > 0.1 * got else "fails")
        )
    return rows
