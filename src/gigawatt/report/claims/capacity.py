"""Gigawatts, packages, peaks and shipments: 10 GW, its GPUs, 8 exaflops, a year of NVIDIA, homes."""

from __future__ import annotations

import math

import numpy as np

from gigawatt.catalog.schema import Shipments, System
from gigawatt.core.source import Fact
from gigawatt.report.claims.model import (
    SLACK,
    Asked,
    Band,
    Claim,
    If,
    about,
    at_least,
    at_most,
    band,
    between,
    merge,
    point,
)
from gigawatt.report.claims.view import View, overhead_fact

SEVERAL = 2.0
"""Least number of millions that "millions" means."""
BASE = 50.0
"""Per cent of all that stands from which something is its base."""


def racks_per_w(system: System, overhead: Fact | None) -> Band:
    """Racks per facility W (per IT W without an overhead), over the ranges of rack power and overhead.

    1 / (P_rack r): the extreme combination of two factors.
    """
    assert system.it_power
    per_it = band(system.it_power).inverse
    return per_it if overhead is None else per_it / band(overhead)


def gpus_in(system: System, power_w: float, overhead: Fact | None, *, dies: bool = False) -> Band:
    """Packages, or dies, of racks of a system in some facility power (IT power without an overhead)."""
    assert system.n_packages and system.package
    each = system.n_packages.value * (system.package.n_dies.value if dies else 1.0)
    count = racks_per_w(system, overhead) * (power_w * each)
    return Band(
        low=count.low, central=count.central, high=count.high, sources=merge(count.sources, system.n_packages.source)
    )


def ten_gigawatts(view: View) -> list[Claim]:
    """GW of the letter's vendor that the plan accepts, as floor, as ceiling, of IT, of the buyer's own buildings."""
    topic = view.topic(
        "S0.8, S1.2, S2.2, S2.8, S3.4",
        unit="GW",
        statement="10 GW of NVIDIA systems built and run",
        announced="up to 10 GW; at least 10 GW",
    )
    deal = view.letter
    if deal is None or deal.power is None:
        return [topic.absent("deal of so many GW")]
    asked, mine = deal.power.value / 1e9, view.of_vendor(deal.seller)
    end = view.accepted_gw[:, -1]
    accepted = float(end[mine].sum())
    unnamed = float(end[mine & view.offers(lambda o: o.site.entry is None)].sum())
    bought = float(end[mine & view.offers(lambda o: o.offer.contract == "own")].sum())
    housed = float(end[mine & view.offers(lambda o: o.site.use.tenure == "own")].sum())
    it = _sum(
        [point(end[i]) / band(overhead_fact(view.case, o.site)) for i, o in enumerate(view.case.offers) if mine[i]]
    )
    least, counted = at_least(asked * (1 - SLACK)), float(min(accepted, view.committed_gw[-1] or asked))
    named = If(text=f"{unnamed:.1f} GW get sites that have no name yet", without=accepted - unnamed)
    kept = If(text="the scenario's commitment is made", without=view.results.summary.get("gw_without_commitments"))
    beyond = f"the {accepted - counted:.1f} GW that the plan adds on its own, beyond the deal, are left out"
    return [
        topic.row("floor: at least, facility GW accepted in the plan", accepted, least, kept, named),
        topic.row("ceiling: up to, facility GW accepted in the plan", accepted, at_most(asked * (1 + SLACK)),
                  If(text=beyond, then=counted)),
        topic.row("floor: at least, IT GW of the same systems", it, least,
                  If(text="the GW are of facility power", then=accepted)),
        topic.row("built and operated: systems the buyer owns, in any building", bought, least,
                  If(text="rented systems count", then=accepted)),
        topic.row("built and operated: in buildings of the buyer", housed, least,
                  If(text="leased buildings count as built", then=accepted)),
    ]  # fmt: skip


def _sum(bands: list[Band]) -> Band:
    total = point(0.0)
    for one in bands:
        total = total + one
    return total


def share_of_all(view: View) -> list[Claim]:
    """Share of the letter's GW in all that stands, in the quarter in which most of them are accepted."""
    topic = view.topic("S0.10", unit="%")
    deal = view.letter
    if deal is None:
        return [topic.absent("deal of so many GW")]
    mine = view.accepted_gw[view.of_vendor(deal.seller)].sum(axis=0)
    at = int(np.argmax(mine >= mine[-1] * (1 - SLACK)))
    stands = view.stands_gw[:, at].sum()
    share = 100.0 * min(1.0, mine[at] / stands) if stands > 0 else 0.0
    reading = f"accepted {view.name(deal.seller)} GW over all that stands in {view.case.labels[at]}"
    return [view.vendor_row(topic, deal.seller, reading, share, at_least(BASE))]


def millions(view: View) -> list[Claim]:
    """Packages and dies of the plan's accepted GW, over the ranges of rack power and overhead; work they do."""
    topic = view.topic("S1.3, S2.7, S3.5", unit="million", statement="10 GW is millions of GPUs that train and serve")
    deal = view.letter
    if deal is None:
        return [topic.absent("deal of so many GW")]
    rows = []
    for name, dies in (("packages", False), ("dies", True)):
        count = (
            _sum(
                [
                    gpus_in(o.system, view.accepted_gw[i, -1] * 1e9, overhead_fact(view.case, o.site), dies=dies)
                    for i, o in enumerate(view.case.offers)
                    if o.system.vendor == deal.seller and o.system.package
                ]
            )
            * 1e-6
        )
        reading = f"{name} of {view.name(deal.seller)} accepted in the plan"
        rows.append(topic.row(reading, count, at_least(SEVERAL), unit=f"million {name}"))
    at_work = {task: _packages_at_work(view, deal.seller, task) / 1e6 for task in ("training", "inference")}
    for what, n in (*at_work.items(), ("both", sum(at_work.values()))):
        reading = f"packages of {view.name(deal.seller)} at work on {what}, mean of the last year"
        rows.append(topic.row(reading, n, at_least(SEVERAL), unit="million packages"))
    return rows


def _packages_at_work(view: View, vendor: str, task: str) -> float:
    total = 0.0
    for system in {o.system.id: o.system for o in view.case.offers if o.system.vendor == vendor}.values():
        assert system.n_packages and system.it_power
        w = view.work_w(view.last_year, system=system.id, task=task)
        total += w * system.n_packages.value / system.it_power.value
    return total


def four_to_five_million(view: View) -> list[Claim]:
    """GPUs in 10 GW by rack, by package or die, by facility or IT power.

    N = P / (r P_rack) x (packages or dies of a rack): D1 and D2 of the facts, the extremes of rack power and overhead.
    """
    topic = view.topic("S3.15", statement="10 GW is 4 to 5 million GPUs")
    quote = view.catalog.reference("huang-packages-10gw")
    assert quote.number and quote.power
    low, _, high = quote.number.range
    power, costs, asked = quote.power.value, view.case.costs, between(low / 1e6, high / 1e6)
    rows = []
    for name in ("vr-nvl72", "gb300-nvl72", "gb200-nvl72"):
        system = view.catalog.system(name)
        assert system.n_packages and system.package
        for basis, overhead in (("facility", costs.facility_over_it), ("IT", None)):
            for what in ("packages", "dies"):
                count = gpus_in(system, power, overhead, dies=what == "dies") * 1e-6
                each = system.n_packages.value * (system.package.n_dies.value if what == "dies" else 1.0)
                when = rack_takes(count, power * each / 1e6, basis, asked)
                reading, sources = f"{what} of {system.name}, {basis} GW", quote.number.source
                rows.append(topic.row(reading, count, asked, when, unit=f"million {what}", sources=sources))
    return rows


def rack_takes(count: Band, w: float, basis: str, asked: Asked) -> If:
    """Power of a rack at which a count is as asked, cut at the ends of its own range: count = w / rack power."""
    least, most = max(w / asked.high, w / count.high), min(w / asked.low, w / count.low)
    nearest = min(max(count.central, w / most), w / least) if least <= most else count.central
    text = (
        f"a rack takes {math.ceil(least / 1e3 - 1e-9):.0f} to {math.floor(most / 1e3 + 1e-9):.0f} kW of {basis} power"
    )
    return If(text=text, then=nearest)


def rack_peak(system: System, rate: str, precision: str = "fp4") -> Band | None:
    """Peak of a whole rack [FLOP/s]: packages x the package's dense, sparse, inference or training figure."""
    if system.package is None or system.n_packages is None:
        return None
    fact = getattr(system.package.peak, rate).get(precision)
    return None if fact is None else band(fact) * system.n_packages.value


_PEAKS = (
    ("vr-nvl144-cpx", "inference", "the announced rack, now withdrawn, with its CPX"),
    ("vr-nvl72", "inference", "the rack that ships, vendor's inference rate"),
    ("vr-nvl72", "training", "the rack that ships, vendor's training rate"),
    ("rubin-ultra-kyber", "inference", "the generation after it, vendor's inference rate"),
)


def eight_exaflops(view: View) -> list[Claim]:
    """Peak FP4 of one rack, by rack and kind of rate."""
    topic = view.topic("S1.7", unit="EFLOP/s")
    target = view.catalog.reference("seed8ef").number
    assert target
    rows = []
    for name, rate, reading in _PEAKS:
        system = view.catalog.system(name)
        peak = rack_peak(system, rate)
        assert peak is not None
        rows.append(topic.row(f"{system.name}: {reading}", peak * 1e-18, about(target.value / 1e18), *_ships(system)))
    return rows


def _ships(system: System) -> tuple[If, ...]:
    """What ships of a withdrawn rack is nothing."""
    return (If(text="the withdrawn rack is meant", without=0.0),) if system.status == "withdrawn" else ()


_SPEEDUPS = (
    ("vr-nvl144-cpx", "inference", "dense", False),
    ("vr-nvl144-cpx", "inference", "sparse", False),
    ("vr-nvl72", "inference", "dense", False),
    ("vr-nvl72", "training", "dense", False),
    ("vr-nvl144-cpx", "inference", "dense", True),
)


def speed_up(view: View) -> list[Claim]:
    """FP4 peak of a Vera Rubin rack over a GB300 rack, by rate; the last one by watt of rack power."""
    topic = view.topic("S1.8", unit="x")
    target, base = view.catalog.reference("seed7-5x").number, view.catalog.system("gb300-nvl72")
    assert target and base.it_power
    rows = []
    for name, rate, base_rate, per_watt in _SPEEDUPS:
        system = view.catalog.system(name)
        ours, theirs = rack_peak(system, rate), rack_peak(base, base_rate)
        assert ours and theirs and system.it_power
        ratio = ours / theirs
        reading = f"{system.name} {rate} over {base.name} {base_rate}, a rack"
        if per_watt:
            ratio = ratio * band(base.it_power) / band(system.it_power)
            reading = f"{system.name} {rate} over {base.name} {base_rate}, a watt of rack power"
        rows.append(topic.row(reading, ratio, about(target.value), *_ships(system)))
    return rows


def _shipped(view: View, year: int) -> Shipments | None:
    rows = [row for row in view.catalog.shipments() if row.vendor == "nvidia" and row.year == year]
    return rows[0] if rows else None


def a_years_shipments(view: View) -> list[Claim]:
    """10 GW over what NVIDIA shipped in 2025: in packages, in H100 equivalents, in the chips' own power."""
    topic = view.topic("S3.16", unit="x of 2025")
    year, quote = _shipped(view, 2025), view.catalog.reference("huang-packages-10gw")
    rack, costs, h100 = view.catalog.system("vr-nvl72"), view.case.costs, view.catalog.system("hgx-h100")
    if year is None:
        return [topic.refuse("the catalogue holds no shipments of that year")]
    assert quote.number and quote.power and rack.package and rack.package.power and h100.package
    power, facility = quote.power.value, costs.facility_over_it
    packages = gpus_in(rack, power, facility)
    units = band(year.units)
    speed = band(rack.package.peak.dense["fp8"]) / band(h100.package.peak.dense["fp8"])
    rubin = f"packages of {rack.name} in 10 GW"
    cases = [
        ("the announced 4 to 5 million over packages shipped", band(quote.number) / units),
        (f"{rubin} over packages shipped", packages / units),
        (f"dies of {rack.name} in 10 GW over packages shipped", gpus_in(rack, power, facility, dies=True) / units),
        (f"{rubin}, as H100 by FP8 peak, over H100 equivalents shipped",
         packages * speed / band(year.h100_equivalents)),
        (f"power of the {rubin} over the power of the chips shipped",
         packages * band(rack.package.power) / band(year.power)),
    ]  # fmt: skip
    return [topic.row(reading, ratio, about(1.0)) for reading, ratio in cases]


def twice_last_year(view: View) -> list[Claim]:
    """Shipments of 2025 over those of 2024 in three measures; the ends of both years move together."""
    topic = view.topic("S3.17", unit="x of 2024")
    now, before = _shipped(view, 2025), _shipped(view, 2024)
    target, quote = (
        view.catalog.reference("huang-shipments-ratio-2024").number,
        view.catalog.reference("huang-packages-10gw"),
    )
    if now is None or before is None:
        return [topic.refuse("the catalogue holds no shipments of both years")]
    assert target and quote.number
    rows = []
    for name, new, old in (
        ("packages", now.units, before.units),
        ("H100 equivalents", now.h100_equivalents, before.h100_equivalents),
        ("power of the chips", now.power, before.power),
    ):
        rows.append(topic.row(f"{name} of 2025 over 2024", _together(new, old), about(target.value)))
    announced = band(quote.number) / band(before.units)
    return [
        *rows,
        topic.row("the announced 4 to 5 million over packages of 2024", announced, about(target.value)),
    ]


def _together(new: Fact, old: Fact) -> Band:
    """Quotient of two figures whose errors move together: low over low, high over high."""
    ends = [n / o for n, o in zip(new.range, old.range, strict=True)]
    return Band(low=min(ends), central=ends[1], high=max(ends), sources=merge(new.source, old.source))


def homes(view: View) -> list[Claim]:
    """10 GW over the mean power of a home: at the connection, and as the mean draw over a year."""
    topic = view.topic("S0.9", unit="million homes")
    home, costs = view.catalog.reference("home-power").power, view.case.costs
    power = view.catalog.deal("openai-nvidia-loi").power
    assert home and power
    full = point(power.value, power.source) / band(home) * 1e-6
    mean = full * band(costs.load_factor) * band(costs.annual_pue) / band(costs.facility_over_it)
    return [
        topic.row("10 GW of connection over a home's mean power", full, at_least(SEVERAL)),
        topic.row("mean draw of 10 GW over a home's mean power", mean, at_least(SEVERAL)),
    ]
