"""What a gigawatt costs to build, part by part, over the ranges of the catalogue: $50-60B, $35B, several hundred."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from gigawatt.catalog.schema import System
from gigawatt.core.source import Fact
from gigawatt.report.claims.model import Band, Claim, band, judge, merge, point, quadrature
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


def several_hundred(view: View) -> list[Claim]:
    """Cost of 10 GW [USD bn]: what the plan pays, the full build of the plan, and 10 GW of Vera Rubin."""
    topic = view.topic("S3.20", unit="USD bn", announced="several hundred $B")
    low, high = SEVERAL_HUNDRED
    when = f"several hundred means {low / 1e9:,.0f} to {high / 1e9:,.0f}"
    power = view.catalog.deal(LETTER).power
    assert power
    total = bill_usd(view, view.catalog.system("vr-nvl72"), "facility") * power.value
    rows = [topic.row("full build of 10 facility GW of Vera Rubin", total * 1e-9, judge(total, low, high, when))]
    deal = view.letter
    if deal is None:
        return rows
    bill = plan_bill_usd(view, deal.seller)
    if bill is not None:
        rows.append(
            topic.row(
                "full build of the plan, buildings of landlords with it", bill * 1e-9, judge(bill, low, high, when)
            )
        )
    own = sum(view.results.summary["capex_by_part_usd"].values())
    rows.append(topic.row("capital the buyer itself pays in the plan", own / 1e9, judge(point(own), low, high, when)))
    return rows


def nvidia_part(view: View) -> list[Claim]:
    """Price of NVIDIA's systems in a gigawatt [USD bn per GW], by rack and basis, with its network, and in the plan."""
    topic = view.topic("S3.19", unit="USD bn per GW", statement="About $35 billion of a gigawatt go to NVIDIA")
    target = view.catalog.reference("huang-nvidia-content-per-gw").money_per_watt
    assert target
    low, high = 0.9 * target.value, 1.1 * target.value
    rows = []
    for name in ("vr-nvl72", "gb300-nvl72", "gb200-nvl72", "rubin-ultra-kyber"):
        system = view.catalog.system(name)
        assert system.price and system.n_packages
        for basis in ("facility", "IT"):
            per_w = content_usd_per_w(view, system, basis)
            need = target.value * system.price.value / per_w.central / 1e6
            when = f"a rack costs about ${need:.1f} million"
            rows.append(topic.row(f"{system.name}, {basis} GW", per_w, judge(per_w, low, high, when)))
    system = view.catalog.system("vr-nvl72")
    net = view.case.costs.network_over_system
    more = content_usd_per_w(view, system, "facility") * Band(
        low=1 + net.range[0], central=1 + net.value, high=1 + net.range[2], sources=net.source
    )
    rows.append(
        topic.row(
            f"{system.name} with the network outside the rack, facility GW",
            more,
            judge(more, low, high, "all of the network is NVIDIA's"),
        )
    )
    if view.letter is not None:
        bought = view.of_vendor(view.letter.seller) & view.offers(lambda o: o.offer.contract == "own")
        gw = float(view.accepted_gw[bought, -1].sum())
        if gw > 0:
            per_gw = receipts_usd(view, view.letter.seller, view.paid_usd(payee=view.letter.seller, kind="systems")) / (
                gw * 1e9
            )
            rows.append(
                topic.row(
                    "systems paid in the plan over facility GW accepted",
                    per_gw,
                    judge(per_gw, low, high, "prices reach the upper part of their range"),
                )
            )
    return rows


def per_gigawatt(view: View) -> list[Claim]:
    """Capital cost of a gigawatt with its building [USD bn per GW], by rack and basis, in the plan, and by others."""
    topic = view.topic("S3.18", unit="USD bn per GW", statement="A gigawatt of data centre costs $50 to 60 billion")
    target = view.catalog.reference("huang-capex-per-gw").money_per_watt
    assert target
    low, _, high = target.range
    rows = []
    for name in ("vr-nvl72", "gb200-nvl72", "gb300-nvl72", "rubin-ultra-kyber"):
        system = view.catalog.system(name)
        assert system.price
        for basis in ("facility", "IT"):
            per_w = bill_usd(view, system, basis)
            part = content_usd_per_w(view, system, basis).central * (1 + view.case.costs.network_over_system.value)
            need = [(end - per_w.central + part) / part * system.price.value / 1e6 for end in (low, high)]
            when = f"a rack costs ${need[0]:.1f} to {need[1]:.1f} million"
            rows.append(
                topic.row(
                    f"{system.name}, {basis} GW, systems, network, shell, power and cooling",
                    per_w,
                    judge(per_w, low, high, when),
                )
            )
    bill = plan_bill_usd(view, None)
    bought = view.offers(lambda o: o.offer.contract == "own")
    gw = float(view.accepted_gw[bought, -1].sum())
    if bill is not None and gw > 0:
        mean = bill / (gw * 1e9)
        rows.append(
            topic.row(
                "mean of the plan's bought systems, facility GW, buildings of landlords with it",
                mean,
                judge(mean, low, high, "prices reach the upper part of their range"),
            )
        )
    others = [e for e in view.catalog.entries["references"] if e.endswith("capex-per-gw") and not e.startswith("huang")]
    facts = [fact for name in others if (fact := view.catalog.reference(name).money_per_watt)]
    said = sorted(fact.value for fact in facts)
    span = Band(low=said[0], central=float(np.median(said)), high=said[-1], sources=merge(*(f.source for f in facts)))
    rows.append(
        topic.row(
            f"{len(said)} published figures of others, all chips and bases; median",
            span,
            judge(span, low, high, "the newest chips and IT GW are meant"),
        )
    )
    return rows
