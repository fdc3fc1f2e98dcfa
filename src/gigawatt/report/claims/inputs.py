"""Statements that enter as inputs: the deal, site, right or figure they stand in, beside the plan's flows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gigawatt.catalog.schema import Deal
from gigawatt.core.calendar import str_quarter
from gigawatt.report.claims.model import Band, Claim, If, at_least, at_most, band, merge, point
from gigawatt.report.claims.timing import WEEKS, slipped_months
from gigawatt.report.claims.view import LETTER, View
from gigawatt.study.resolve import SiteCase

HUNDREDS = 200.0
"""Least number of millions that "hundreds of millions" means."""
LEAST_GW = 0.01
"""GW from which capacity counts."""

_DEALS = (
    ("S0.4, S1.1, S2.1", LETTER, "power"),
    ("S3.3", LETTER, "bond"),
    ("S3.2", LETTER, "signed"),
    ("S0.14, S3.42", LETTER, "unknown"),
    ("S2.13", "microsoft-exclusivity", "signed"),
    ("S2.16", "openai-oracle", "power"),
    ("S2.17", "microsoft-investment", "amount"),
    ("S3.35", "nvidia-intel", "amount"),
    ("S3.36", "nvidia-nscale", "amount"),
    ("S3.37", "nvidia-enfabrica", "amount"),
    ("S4.9", "openai-amd", "power"),
    ("S4.18", "nvidia-groq", "amount"),
)
"""(statements, deal they enter as, field that holds them)."""


def deals(view: View) -> list[Claim]:
    """Deals of the catalogue as they stand; investments beside what the plan pays the investor."""
    rows = []
    for id, name, what in _DEALS:
        topic = view.topic(id)
        deal = view.catalog.deal(name)
        if not view.is_programme:
            rows.append(topic.absent(f"deal {name}"))
            continue
        used = {view.letter.id if view.letter else "", *view.case.scenario.deals}
        place = "" if name in used else ", in the catalogue only"
        reading, why, unit = f"as input: deal {name}{place}", f"deal {name}", ""
        figure: Band | None = None
        if what == "power" and deal.power:
            reading, figure, unit = f"{reading}, {deal.bond}", band(deal.power, 1e-9), "GW"
        elif what == "amount" and deal.amount:
            flow = view.paid_usd(payer=view.buyer, payee=deal.buyer) / 1e9
            beside = f"; beside it the plan pays {view.name(deal.buyer)} ${flow:,.1f} billion" if flow > 0.05 else ""
            reading, figure, unit = reading + beside, band(deal.amount, 1e-9), "USD bn"
        elif what == "unknown":
            said = ", ".join(f"{key} ({why})" for key, why in deal.unknown.items()) or "nothing is marked unknown"
            reading = f"{reading}; not public: {said}"
        elif what == "bond":
            reading = f"{reading}; bond: {deal.bond}"
        else:
            reading = f"{reading}, dated {deal.signed.text}{', ended' if deal.bond == 'ended' else ''}"
        sources = () if figure else deal.signed.source
        rows.append(topic.given(reading, figure, why, unit=unit, sources=sources))
    return rows


def promised_weeks(view: View) -> list[Claim]:
    """The promise to close within weeks, against the date of the deal that came."""
    topic = view.topic("S0.21, S1.15, S3.43", unit="months")
    if not view.is_programme:
        return [topic.absent("letter of intent")]
    months = slipped_months(view)
    return [
        topic.row("as input: promise of the letter; months to the deal that came in its place", months, at_most(WEEKS))
    ]


def first_system(view: View) -> list[Claim]:
    """The system of the first phase: on offer in the scenario, and available from when."""
    topic = view.topic("S0.12")
    system = view.catalog.system("vr-nvl72")
    if view.letter is None:
        return [topic.absent("first phase of the letter")]
    if not any(o.system.id == system.id for o in view.case.offers):
        return [topic.absent(f"offer of {system.id}")]
    ready = system.first_available
    when = f", available from {str_quarter(int(ready.value))}" if ready else ""
    keys = ready.source if ready else ()
    return [topic.given(f"as input: system {system.id}{when}", None, f"system {system.id}", sources=keys)]


def preferred(view: View) -> list[Claim]:
    """The preferred partner: least share of new capacity, beside the share in the plan."""
    topic = view.topic("S0.13, S1.12, S2.4", unit="%")
    rights = [r for r in view.case.scenario.rights if r.kind == "preferred-partner"]
    if not rights:
        return [topic.absent("preferred partner")]
    rows = []
    for right in rights:
        mine = view.offers(lambda o, h=right.holder: h in (o.offer.provider, o.system.vendor))  # type: ignore[misc]
        new = view.accepted_gw[:, -1]
        got = 100 * float(new[mine].sum() / new.sum()) if new.sum() > 0 else 0.0
        assert right.share
        reading = f"as input: right {right.id}, least share of new capacity; the plan gives {got:.0f} %"
        rows.append(topic.given(reading, band(right.share, 100.0), f"right {right.id}, to which the plan is held"))
    return rows


def roadmap(view: View) -> list[Claim]:
    """Roadmaps as dated systems and dated software steps of the scenario."""
    topic = view.topic("S1.13", unit="dated systems and software steps")
    systems = {
        o.system.id: o.system for o in view.case.offers if o.system.vendor == "nvidia" and o.system.first_available
    }
    steps = view.case.software
    if not systems:
        return [topic.absent("dated NVIDIA system")]
    keys = merge(
        *(s.first_available.source for s in systems.values() if s.first_available), *(s.available.source for s in steps)
    )
    reading = f"as input: {len(systems)} systems of NVIDIA and {len(steps)} software steps, dated"
    return [topic.given(reading, point(len(systems) + len(steps), keys), "dates of systems and software steps")]


def own_sites(view: View) -> list[Claim]:
    """GW of the buyer's own programme that has a name, owned and leased, and of sites that only the scenario has."""
    topic = view.topic("S2.15", unit="GW")
    if not view.is_programme:
        return [topic.absent("site of the laboratory")]
    sites = [s for s in view.case.sites if s.use.tenure != "provider"]
    named, unnamed = ([s for s in sites if (s.entry is not None) == has] for has in (True, False))
    owned = [s for s in named if s.use.tenure == "own"]
    count = If(text="sites leased from developers count as its own", then=_connected_gw(named).central)
    rows = [
        topic.row(f"as input: {len(named)} sites with a name, {len(owned)} of them owned; connection of the owned",
                  _connected_gw(owned), at_least(LEAST_GW), count)
    ]  # fmt: skip
    if unnamed:
        why = "sites without a name are assumed by this scenario, and show nothing that was begun"
        rows.append(topic.aside(f"as input: {len(unnamed)} sites without a name", _connected_gw(unnamed), why))
    return rows


def _connected_gw(sites: Sequence[SiteCase]) -> Band:
    gw = sum(float(s.connection_w[-1]) for s in sites if math.isfinite(s.connection_w[-1])) / 1e9
    return point(gw, merge(*(row.power.source for s in sites if s.entry for row in s.entry.energised)))


def weekly_users(view: View) -> list[Claim]:
    """Weekly users of summer 2025, as the scenario starts from them."""
    topic = view.topic("S2.20, S3.21", unit="million", announced="700 million")
    used = view.case.scenario.demand.weekly_users
    entry = view.catalog.reference("wau-2025-08").number
    if not used:
        return [topic.absent("weekly users")]
    assert entry
    reading = "as input: reference wau-2025-08 and the scenario's first figure"
    return [topic.given(reading, band(used[0].value, 1e-6), "the users that demand starts from", sources=entry.source)]


def daily_users(view: View) -> list[Claim]:
    """Daily users between weekly users / 7 (each comes once) and all of them (each comes daily) [million]."""
    topic = view.topic("S3.28", unit="million")
    if not view.is_programme:
        return [topic.absent("users of ChatGPT")]
    weekly = view.catalog.reference("wau-2025-08").number
    assert weekly
    low, high = weekly.value / 7e6, weekly.value / 1e6
    days = math.ceil(HUNDREDS / low)
    reading = "as input: weekly users of summer 2025, each on one to seven days"
    often = If(text=f"a user comes on {days} days of seven or more", then=low * days)
    return [
        topic.span(
            reading, Band(low=low, central=low * days, high=high, sources=weekly.source), at_least(HUNDREDS), often
        )
    ]


def investors(view: View) -> list[Claim]:
    """Investors with a money deal, and parties that both invest and are paid by the plan."""
    named = view.topic("S3.40", unit="investors")
    both = view.topic("S3.41", unit="parties")
    if not view.is_programme:
        return [named.absent("investor in OpenAI"), both.absent("investor in OpenAI")]
    into = [d for d in view.catalog.all(Deal) if d.side == "money" and d.seller == view.buyer]
    found = [name for name in ("microsoft", "softbank", "thrive-capital") if any(d.buyer == name for d in into)]
    keys = merge(*(d.signed.source for d in into if d.buyer in found))
    letter = view.catalog.deal(LETTER)
    backers = {d.buyer for d in into} | {letter.seller}
    paid = [
        name for name in ("nvidia", "microsoft") if name in backers and view.paid_usd(payer=view.buyer, payee=name) > 0
    ]
    reading = f"as input: invests in the buyer and is paid by it in the plan: {', '.join(paid) or 'none'}"
    return [
        named.given(f"as input: money deals of {', '.join(found)}", point(len(found), keys), "deals of the catalogue"),
        both.row(reading, point(len(paid)), at_least(2.0), sources=keys),
    ]


def text_kind(view: View) -> list[Claim]:
    """The source itself, as the list of sources has it."""
    topic = view.topic("S3.44")
    source = view.catalog.sources["S3"]
    return [topic.given(f"as input: source S3, {source.site}", None, f"source S3, {source.title}")]


def inference_is(view: View) -> list[Claim]:
    """Inference as the kind of a workload: classes of the scenario that answer users."""
    topic = view.topic("S4.4", unit="classes")
    n = sum(1 for row in view.case.classes if row.workload.kind == "inference")
    return [topic.given("as input: kind of a workload", point(n), "kind of a workload") if n
            else topic.absent("inference")]  # fmt: skip


def talks(view: View) -> list[Claim]:
    """Cerebras and Groq as vendors of the catalogue; what the talks led to."""
    topic = view.topic("S4.17", unit="GW")
    if not view.is_programme:
        return [topic.absent("deal with such a vendor")]
    deal, end = view.catalog.deal("openai-cerebras"), view.catalog.deal("nvidia-groq")
    assert deal.power
    reading = f"as input: vendors cerebras and groq; the first led to deal {deal.id}, the second ended with {end.id}"
    return [topic.given(reading, band(deal.power, 1e-9), f"deals {deal.id} and {end.id}", sources=end.signed.source)]
