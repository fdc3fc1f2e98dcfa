"""What capacity, buildings and money cost in a case: the unit prices that plan and ledger share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.demand.growth import series
from gigawatt.site.build import FacilityCost, energy_usd_per_w_quarter, lease_usd_per_w_quarter
from gigawatt.study.money import rate
from gigawatt.study.resolve import QUARTER_S, Case, OfferCase, SiteCase, dated

Floats = npt.NDArray[np.float64]
YEAR_S = 4 * QUARTER_S


def discount_rate(case: Case) -> float:
    """Discount rate per quarter, in the terms of the scenario's money."""
    fact = case.scenario.discount or case.costs.discount
    return rate(case, fact.value)


def discount_factors(case: Case) -> Floats:
    """Factor of each quarter's money, paid at its end, to the start of the horizon."""
    return np.asarray((1.0 + discount_rate(case)) ** -np.arange(1.0, len(case.quarters) + 1))


def packages_per_w(offer: OfferCase) -> float:
    """Packages per IT W."""
    assert offer.system.n_packages and offer.system.it_power
    return offer.system.n_packages.value / offer.system.it_power.value


def system_usd_per_w(offer: OfferCase) -> float:
    """Price of the systems [USD per IT W]; 0 where they are not bought."""
    if offer.offer.contract != "own":
        return 0.0
    price = offer.offer.price or offer.system.price
    assert price and offer.system.it_power
    return price.value / offer.system.it_power.value


def capex_usd_per_w(case: Case, offer: OfferCase) -> float:
    """Systems and their scale-out network [USD per IT W]."""
    return system_usd_per_w(offer) * (1.0 + case.costs.network_over_system.value)


def rent_usd_per_w(offer: OfferCase) -> float:
    """Rent of chips or cloud capacity [USD per IT W and quarter]; 0 where owned."""
    row = offer.offer
    if row.rent is not None:
        return row.rent.value * QUARTER_S
    if row.rent_per_package_hour is not None:
        return row.rent_per_package_hour.value * packages_per_w(offer) * QUARTER_S
    return 0.0


def idle_energy_usd_per_w(case: Case, offer: OfferCase) -> float:
    """Energy bill of idling [USD per IT W and quarter]; 0 for cloud, whose rent holds it."""
    if offer.offer.contract == "cloud":
        return 0.0
    site = offer.site
    return energy_usd_per_w_quarter(case.costs.idle_load.value, site.annual_pue, site.power_price_usd_per_j)


def work_energy_usd_per_w(case: Case, pool: str) -> float:
    """Energy bill that work adds to idling in a pool, mean over its offers [USD per IT W at work and quarter]."""
    more = case.costs.load_factor.value - case.costs.idle_load.value
    pooled = [o for o in case.offers if o.pool == pool]
    paid = [o.site for o in pooled if o.offer.contract != "cloud"]
    bills = [energy_usd_per_w_quarter(more, site.annual_pue, site.power_price_usd_per_j) for site in paid]
    return sum(bills) / len(pooled)


def upkeep_usd_per_w(case: Case, offer: OfferCase) -> float:
    """Maintenance of owned systems [USD per IT W and quarter]."""
    return capex_usd_per_w(case, offer) * case.costs.maintenance.value * QUARTER_S


def hold_usd_per_w(case: Case, offer: OfferCase) -> float:
    """All that held capacity costs in a quarter beside its building and its work [USD per IT W]."""
    return rent_usd_per_w(offer) + idle_energy_usd_per_w(case, offer) + upkeep_usd_per_w(case, offer)


def facility_cost(case: Case) -> FacilityCost:
    """Cost of a facility watt under the scenario's assumptions."""
    return FacilityCost(
        shell_usd_per_w=case.costs.shell.value,
        power_usd_per_w=case.costs.power_plant.value,
        cooling_usd_per_w=case.costs.cooling.value,
        life_quarters=case.costs.facility_life.value / QUARTER_S,
        upkeep_per_quarter=case.costs.facility_opex.value * QUARTER_S,
    )


def site_capex(case: Case, site: SiteCase) -> float:
    """Capex of buildings taken into use [USD per facility W]; 0 where leased or the provider's."""
    if site.use.tenure != "own":
        return 0.0
    return site.use.capex.value if site.use.capex else facility_cost(case).capex_usd_per_w


def site_hold(case: Case, site: SiteCase) -> float:
    """Upkeep or rent of buildings in use [USD per facility W and quarter]."""
    cost = facility_cost(case)
    if site.use.tenure == "own":
        return site_capex(case, site) * cost.upkeep_per_quarter
    if site.use.tenure == "provider":
        return 0.0
    if site.use.rent:
        return site.use.rent.value * QUARTER_S
    return lease_usd_per_w_quarter(cost, discount_rate(case))


def inflow_usd(case: Case) -> Floats:
    """Revenue for compute and agreed equity rounds, by quarter [USD]."""
    return revenue_usd(case) + rounds_usd(case)


def revenue_usd(case: Case) -> Floats:
    """Share of the buyer's revenue that pays for compute, by quarter [USD]."""
    funding = case.scenario.funding
    if not funding.revenue:
        return np.zeros(len(case.quarters))
    share = funding.compute_share.value if funding.compute_share else 1.0
    return series(dated(funding.revenue), case.quarters) / 4.0 * share


def rounds_usd(case: Case) -> Floats:
    """Equity rounds already agreed, by quarter [USD]."""
    total = np.zeros(len(case.quarters))
    for row in case.scenario.funding.rounds:
        if (index := int(row.quarter.value) - case.quarters[0]) in range(len(total)):
            total[index] += row.amount.value
    return total
