"""Statements that enter as inputs: the deal, site, right or figure they stand in, beside the plan's flows."""

from __future__ import annotations

import math

from gigawatt.catalog.schema import Deal
from gigawatt.core.calendar import str_quarter
from gigawatt.report.claims.model import Band, Claim, band, judge, merge
from gigawatt.report.claims.timing import WEEKS, slipped_months
from gigawatt.report.claims.view import LETTER, View

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
        reading = f"as input: deal {name}{place}"
        if what == "power" and deal.power:
            rows.append(topic.row(f"{reading}, {deal.bond}", band(deal.power, 1e-9), "holds", unit="GW"))
        elif what == "amount" and deal.amount:
            flow = view.paid_usd(payer=view.buyer, payee=deal.buyer) / 1e9
            beside = f"; beside it the plan pays {view.name(deal.buyer)} ${flow:,.1f} billion" if flow > 0.05 else ""
            rows.append(topic.row(reading + beside, band(deal.amount, 1e-9), "holds", unit="USD bn"))
        elif what == "unknown":
            said = ", ".join(f"{key} ({why})" for key, why in deal.unknown.items()) or "nothing is marked unknown"
            rows.append(topic.row(f"{reading}; not public: {said}", None, "holds", sources=deal.signed.source))
        elif what == "bond":
            rows.append(
                topic.row(
                    f"{reading}; bond: {deal.bond}",
                    None,
                    "holds" if deal.bond == "letter-of-intent" else "fails",
                    sources=deal.signed.source,
                )
            )
        else:
            ended = ", ended" if deal.bond == "ended" else ""
            rows.append(
                topic.row(f"{reading}, dated {deal.signed.text}{ended}", None, "holds", sources=deal.signed.source)
            )
    return rows


def promised_weeks(view: View) -> list[Claim]:
    """The promise to close within weeks, against the date of the deal that came."""
    topic = view.topic("S0.21, S1.15, S3.43", unit="months")
    if not view.is_programme:
        return [topic.absent("letter of intent")]
    months = slipped_months(view)
    return [
        topic.row(
            "as input: promise of the letter; months to the deal that came in its place",
            months,
            judge(months, 0.0, WEEKS, "months count as weeks"),
        )
    ]


def first_system(view: View) -> list[Claim]:
    """The system of the first phase: on offer in the scenario, and available from when."""
    topic = view.topic("S0.12")
    system = view.catalog.system("vr-nvl72")
    if view.letter is None:
        return [topic.absent("first phase of the letter")]
    offered = any(o.system.id == system.id for o in view.case.offers)
    ready = system.first_available
    when = f", available from {str_quarter(int(ready.value))}" if ready else ""
    return [
        topic.row(
            f"as input: system {system.id}{when}",
            None,
            "holds" if offered else "fails",
            sources=ready.source if ready else (),
        )
    ]


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
        verdict = "holds" if got >= 100 * right.share.value - 0.5 else "fails"
        rows.append(
            topic.row(
                f"as input: right {right.id}, least share of new capacity; the plan gives {got:.0f} %",
                band(right.share, 100.0),
                verdict,
            )
        )
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
    return [
        topic.row(
            f"as input: {len(systems)} systems of NVIDIA and {len(steps)} software steps, dated",
            float(len(systems) + len(steps)),
            "holds if dates in the model stand for aligned roadmaps",
            sources=keys,
        )
    ]


def own_sites(view: View) -> list[Claim]:
    """Sites of the buyer's own programme at the end of the horizon: number and GW."""
    topic = view.topic("S2.15", unit="GW")
    if not view.is_programme:
        return [topic.absent("site of the laboratory")]
    sites = [s for s in view.case.sites if s.use.tenure != "provider"]
    gw = sum(float(s.connection_w[-1]) for s in sites if math.isfinite(s.connection_w[-1])) / 1e9
    built = sum(1 for s in sites if s.use.tenure == "own")
    keys = merge(*(row.power.source for s in sites if s.entry for row in s.entry.energised))
    verdict = "holds" if built == len(sites) else "holds if sites leased from developers count as its own"
    return [topic.row(f"as input: {len(sites)} sites, {built} of them owned", gw, verdict, sources=keys)]


def weekly_users(view: View) -> list[Claim]:
    """Weekly users of summer 2025, as the scenario starts from them."""
    topic = view.topic("S2.20, S3.21", unit="million", announced="700 million")
    used = view.case.scenario.demand.weekly_users
    entry = view.catalog.reference("wau-2025-08").number
    if not used:
        return [topic.absent("weekly users")]
    assert entry
    start = used[0].value
    same = abs(start.value / entry.value - 1) < 0.02
    return [
        topic.row(
            "as input: reference wau-2025-08 and the scenario's first figure",
            band(start, 1e-6),
            "holds" if same else "holds if the date of the statement is meant",
            sources=entry.source,
        )
    ]


def daily_users(view: View) -> list[Claim]:
    """Daily users between weekly users / 7 (each comes once) and all of them (each comes daily) [million]."""
    topic = view.topic("S3.28", unit="million")
    if not view.is_programme:
        return [topic.absent("users of ChatGPT")]
    weekly = view.catalog.reference("wau-2025-08").number
    assert weekly
    low, high = weekly.value / 7e6, weekly.value / 1e6
    days = 200.0 / low
    return [
        topic.span(
            "as input: weekly users of summer 2025, each on one to seven days",
            low,
            high,
            f"holds if a user comes on {days:.0f} days of seven or more",
            sources=weekly.source,
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
    return [
        named.row(
            f"as input: money deals of {', '.join(found)}",
            float(len(found)),
            "holds" if len(found) == 3 else "fails",
            sources=keys,
        ),
        both.row(
            f"as input: invests in the buyer and is paid by it in the plan: {', '.join(paid) or 'none'}",
            float(len(paid)),
            "holds if an investor that sells is passive" if len(paid) == 2 else "fails",
            sources=keys,
        ),
    ]


def text_kind(view: View) -> list[Claim]:
    """The source itself, as the list of sources has it."""
    topic = view.topic("S3.44")
    source = view.catalog.sources["S3"]
    return [
        topic.row(f"as input: source S3, {source.site}", None, "holds" if "self-media" in source.title else "fails")
    ]


def inference_is(view: View) -> list[Claim]:
    """Inference as the kind of a workload: classes of the scenario that answer users."""
    topic = view.topic("S4.4", unit="classes")
    n = sum(1 for row in view.case.classes if row.workload.kind == "inference")
    return [topic.row("as input: kind of a workload", float(n), "holds") if n else topic.absent("inference")]


def talks(view: View) -> list[Claim]:
    """Cerebras and Groq as vendors of the catalogue; what the talks led to."""
    topic = view.topic("S4.17", unit="GW")
    if not view.is_programme:
        return [topic.absent("deal with such a vendor")]
    deal, end = view.catalog.deal("openai-cerebras"), view.catalog.deal("nvidia-groq")
    assert deal.power
    figure: Band = band(deal.power, 1e-9)
    return [
        topic.row(
            f"as input: vendors cerebras and groq; the first led to deal {deal.id}, the second ended with {end.id}",
            figure,
            "holds",
            sources=end.signed.source,
        )
    ]
