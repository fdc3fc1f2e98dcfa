"""What a gigawatt costs to build, part by part, over the ranges of the catalogue: $50-60B, $35B, several hundred."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from gigawatt.catalog.schema import System
from gigawatt.core.source import Fact
from gigawatt.report.claims.model import Asked, Band, Claim, If, about, band, between, merge, point, quadrature
from gigawatt.report.claims.view import LETTER, View, overhead_fact

SEVERAL_HUNDRED = (200e9, 1000e9)
"""What "several hundred billion" means [USD]."""


def content_usd_per_w(view: View, system: System, basis: str) -> Band:
    """Price of the racks in a watt, without network [USD per facility W or IT W]: p / (P r), extremes of each."""
    assert system.price and system.it_power
    per_it = band(system.price) / band(system.it_power)
    return per_it if basis == "IT" else per_it / band(view.case.costs.facility_over_it)


def bill_usd(
    view: View,
    system: System,
    basis: str,
    *,
    price: Fact | None = None,
    overhead: Fact | None = None,
    shell: Fact | None = None,
) -> Band:
    """Cost of a watt with its building [USD per facility W or IT W].

        facility: p (1 + n) / (P r) + s + e + c        IT: p (1 + n) / P + r (s + e + c)

    p price and P IT power of a rack, n network over systems, r overhead, s shell, e power plant, c cooling. Seven
    factors: swings in quadrature. ``shell`` replaces shell, plant and cooling together.
    """
    price = price or system.price
    assert price and system.it_power
    costs = view.case.costs
    facts = {"p": price, "P": system.it_power, "n": costs.network_over_system, "r": overhead or costs.facility_over_it}
    facts |= {"s": shell} if shell else {"s": costs.shell, "e": costs.power_plant, "c": costs.cooling}

    def formula(x: SimpleNamespace) -> float:
        building = x.s + (0.0 if shell else x.e + x.c)
        systems = x.p * (1.0 + x.n) / x.P
        return float(systems + x.r * building if basis == "IT" else systems / x.r + building)

    return quadrature(formula, facts)


def plan_bill_usd(view: View, vendor: str | None) -> Band | None:
    """Full build of the systems the plan buys, with the buildings of landlords at their own cost [USD].

    Of one vendor, or of all; None where nothing is bought. Ranges of the offers move together.
    """
    total = point(0.0)
    for index, offer in enumerate(view.case.offers):
        watts = float(view.accepted_gw[index, -1]) * 1e9
        if offer.offer.contract != "own" or watts < 1.0 or (vendor and offer.system.vendor != vendor):
            continue
        per_w = bill_usd(
            view,
            offer.system,
            "facility",
            price=offer.offer.price,
            overhead=overhead_fact(view.case, offer.site),
            shell=offer.site.use.capex,
        )
        total = total + per_w * watts
    return total if total.central > 0 else None


def receipts_usd(view: View, vendor: str, usd: float) -> Band:
    """What the book says the vendor received, scaled to the ends of its systems' prices [USD]."""
    low = high = central = 0.0
    keys: tuple[str, ...] = ()
    for index, offer in enumerate(view.case.offers):
        price = offer.offer.price or offer.system.price
        if offer.system.vendor != vendor or offer.offer.contract != "own" or price is None:
            continue
        assert offer.system.it_power
        w = float(view.plan["add_w"].values[index].sum()) / offer.system.it_power.value
        ends = price.range
        low, central, high = low + w * ends[0], central + w * ends[1], high + w * ends[2]
        keys = merge(keys, price.source) if w > 0 else keys
    if central <= 0:
        return point(usd)
    return Band(low=usd * low / central, central=usd, high=usd * high / central, sources=keys)


def rack_costs(price: Fact, figure: float, part: float, asked: Asked) -> If:
    """Prices of a rack at which a figure is as asked, cut at the ends of the price's own range.

    figure(p) = figure + part (p / price - 1): only the price moves. Where no price of the range will do, the condition
    carries the figure at the end that comes nearest, which is not as asked, so that the statement fails.
    """
    bounds = [price.value * (1 + (end - figure) / part) for end in (asked.low, asked.high)]
    low, high = (min(max(bound, price.range[0]), price.range[2]) for bound in bounds)
    nearest = min(max(price.value, low), high)
    text = f"a rack costs ${math.ceil(low / 1e4) / 100:.2f} to {math.floor(high / 1e4) / 100:.2f} million"
    return If(text=text, then=figure + part * (nearest / price.value - 1))


def several_hundred(view: View) -> list[Claim]:
    """Cost of 10 GW [USD bn]: what the plan pays, the full build of the plan, and 10 GW of Vera Rubin."""
    topic = view.topic("S3.20", unit="USD bn", announced="several hundred $B")
    asked = between(*(end / 1e9 for end in SEVERAL_HUNDRED))
    power = view.catalog.deal(LETTER).power
    assert power
    total = bill_usd(view, view.catalog.system("vr-nvl72"), "facility") * power.value
    rows = [topic.row("full build of 10 facility GW of Vera Rubin", total * 1e-9, asked)]
    deal = view.letter
    if deal is None:
        return rows
    bill = plan_bill_usd(view, deal.seller)
    if bill is not None:
        rows.append(topic.row("full build of the plan, buildings of landlords with it", bill * 1e-9, asked))
    own = sum(view.results.summary["capex_by_part_usd"].values())
    return [*rows, topic.row("capital the buyer itself pays in the plan", own / 1e9, asked)]


def nvidia_part(view: View) -> list[Claim]:
    """Price of NVIDIA's systems in a gigawatt [USD bn per GW], by rack and basis, with its network, and in the plan."""
    topic = view.topic("S3.19", unit="USD bn per GW", statement="About $35 billion of a gigawatt go to NVIDIA")
    target = view.catalog.reference("huang-nvidia-content-per-gw").money_per_watt
    assert target
    asked = about(target.value)
    rows = []
    for name in ("vr-nvl72", "gb300-nvl72", "gb200-nvl72", "rubin-ultra-kyber"):
        system = view.catalog.system(name)
        assert system.price and system.n_packages
        for basis in ("facility", "IT"):
            per_w = content_usd_per_w(view, system, basis)
            when = rack_costs(system.price, per_w.central, per_w.central, asked)
            rows.append(topic.row(f"{system.name}, {basis} GW", per_w, asked, when))
    system = view.catalog.system("vr-nvl72")
    net = view.case.costs.network_over_system
    content = content_usd_per_w(view, system, "facility")
    more = content * Band(low=1 + net.range[0], central=1 + net.value, high=1 + net.range[2], sources=net.source)
    reading = f"{system.name} with the network outside the rack, as if all of it were NVIDIA's, facility GW"
    rows.append(topic.row(reading, more, asked))
    if view.letter is not None:
        bought = view.of_vendor(view.letter.seller) & view.offers(lambda o: o.offer.contract == "own")
        gw = float(view.accepted_gw[bought, -1].sum())
        if gw > 0:
            paid = view.paid_usd(payee=view.letter.seller, kind="systems")
            per_gw = receipts_usd(view, view.letter.seller, paid) / (gw * 1e9)
            rows.append(topic.row("systems paid in the plan over facility GW accepted", per_gw, asked))
    return rows


def per_gigawatt(view: View) -> list[Claim]:
    """Capital cost of a gigawatt with its building [USD bn per GW], by rack and basis, in the plan, and by others."""
    topic = view.topic("S3.18", unit="USD bn per GW", statement="A gigawatt of data centre costs $50 to 60 billion")
    target = view.catalog.reference("huang-capex-per-gw").money_per_watt
    assert target
    asked = between(target.range[0], target.range[2])
    rows = []
    for name in ("vr-nvl72", "gb200-nvl72", "gb300-nvl72", "rubin-ultra-kyber"):
        system = view.catalog.system(name)
        assert system.price
        for basis in ("facility", "IT"):
            per_w = bill_usd(view, system, basis)
            part = content_usd_per_w(view, system, basis).central * (1 + view.case.costs.network_over_system.value)
            when = rack_costs(system.price, per_w.central, part, asked)
            reading = f"{system.name}, {basis} GW, systems, network, shell, power and cooling"
            rows.append(topic.row(reading, per_w, asked, when))
    bill = plan_bill_usd(view, None)
    bought = view.offers(lambda o: o.offer.contract == "own")
    gw = float(view.accepted_gw[bought, -1].sum())
    if bill is not None and gw > 0:
        reading = "mean of the plan's bought systems, facility GW, buildings of landlords with it"
        rows.append(topic.row(reading, bill / (gw * 1e9), asked))
    others = [e for e in view.catalog.entries["references"] if e.endswith("capex-per-gw") and not e.startswith("huang")]
    facts = [fact for name in others if (fact := view.catalog.reference(name).money_per_watt)]
    said = sorted(fact.value for fact in facts)
    span = Band(low=said[0], central=float(np.median(said)), high=said[-1], sources=merge(*(f.source for f in facts)))
    return [*rows, topic.row(f"{len(said)} published figures of others, all chips and bases; median", span, asked)]
