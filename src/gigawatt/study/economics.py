"""What capacity, buildings and money cost in a case: the unit prices that plan and ledger share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import QUARTER_S, QUARTERS_A_YEAR, YEAR_S, quarters_of
from gigawatt.core.money import annuity_frac, per_quarter
from gigawatt.core.source import Fact
from gigawatt.demand.growth import compound, series, step_series
from gigawatt.site.build import FacilityCost, energy_usd_per_w_quarter, lease_usd_per_w_quarter
from gigawatt.study.change import fails_from, later, price_path, withheld
from gigawatt.study.money import inflation, price_level, real_rate
from gigawatt.study.resolve import Case, OfferCase, SiteCase, dated
from gigawatt.study.scenario import Commitment
from gigawatt.study.service import price_usd_per_token

Floats = npt.NDArray[np.float64]


def discount_rate(case: Case) -> float:
    """Nominal discount rate per quarter."""
    fact = case.scenario.discount or case.costs.discount
    return per_quarter(fact.value)


def level_rate(case: Case) -> float:
    """Discount rate per quarter of level costs at prices of the first quarter: the real one."""
    return real_rate(case, discount_rate(case))


def discount_factors(case: Case) -> Floats:
    """Factor of each quarter's money to the start of the horizon: (1 + r)^-(q + 1), q from 0.

    Every flow falls at the end of its quarter, capex too, and interest is for the quarter before: the one place that
    says when. What falls in which stands in ``docs/planner.md``, "When money falls".
    """
    return np.asarray((1.0 + discount_rate(case)) ** -np.arange(1.0, len(case.quarters) + 1))


def packages_per_w(offer: OfferCase) -> float:
    """Packages per IT W."""
    assert offer.system.n_packages and offer.system.it_power
    return offer.system.n_packages.value / offer.system.it_power.value


def price_usd_per_w(offer: OfferCase) -> float:
    """Price of the systems where they are bought [USD per IT W]."""
    price = offer.offer.price or offer.system.price
    assert price and offer.system.it_power
    return price.value / offer.system.it_power.value


def system_usd_per_w(offer: OfferCase) -> float:
    """Price of the systems [USD per IT W]; 0 where they are not bought."""
    return price_usd_per_w(offer) if offer.offer.contract == "own" else 0.0


def capex_usd_per_w(case: Case, offer: OfferCase) -> float:
    """Systems and their scale-out network, in the horizon's first quarter [USD per IT W]."""
    return system_usd_per_w(offer) * (1.0 + case.costs.network_over_system.value)


def remaining_frac(age_quarters: Floats, life_s: float) -> Floats:
    """Share of an economic life that is left at an age, on a straight line; 0 beyond it."""
    return np.maximum(0.0, 1.0 - age_quarters * QUARTER_S / life_s)


def system_worth_frac(case: Case, falls: Fact | None, age_quarters: Floats) -> Floats:
    """Share of its price that an owned system is worth at an age: what its yearly fall leaves, else its life."""
    if falls is None:
        return remaining_frac(age_quarters, case.costs.system_life.value)
    return np.asarray((1.0 - falls.value * YEAR_S) ** (age_quarters / QUARTERS_A_YEAR))


def term_quarters(case: Case, offer: OfferCase) -> int:
    """Quarters that capacity is held: the offer's term, else a quarter of rent or the life of owned systems."""
    if offer.offer.term:
        return max(1, quarters_of(offer.offer.term.value))
    return quarters_of(case.costs.system_life.value) if offer.offer.contract == "own" else 1


def rent_usd_per_w(case: Case, offer: OfferCase) -> float:
    """Rent of chips or cloud capacity in the horizon's first quarter [USD per IT W and quarter]; 0 where owned."""
    row = offer.offer
    if row.terms.saving is not None:
        return float(_rents_with_saving(case, offer, 1)[0])
    if row.rent is not None:
        return row.rent.value * QUARTER_S
    if row.rent_per_package_hour is not None:
        return row.rent_per_package_hour.value * packages_per_w(offer) * QUARTER_S
    return 0.0


def rents_usd_per_w(case: Case, offer: OfferCase, after: int = 0) -> Floats:
    """Market rent by quarter, and of ``after`` quarters more [USD per IT W and quarter].

    What is signed in a quarter pays its rent for its term.
    """
    falls, n = offer.offer.terms.rent_falls, len(case.quarters) + after
    level = compound(-falls.value * YEAR_S, range(n)) if falls else np.ones(n)
    level = level * price_path(case, "rents", after)
    if offer.offer.terms.saving is not None:
        return _rents_with_saving(case, offer, n) * level
    return rent_usd_per_w(case, offer) * level * price_level(case, after)


def _rents_with_saving(case: Case, offer: OfferCase, n: int) -> Floats:
    """Level rents that are worth so much less over their term than owning (quarter of signing) [USD per IT W]."""
    saving, term = offer.offer.terms.saving, term_quarters(case, offer)
    assert saving is not None
    level = (1.0 - saving.value) * annuity_frac(discount_rate(case), term)
    return np.array([owning_usd_per_w(case, offer, u, term) for u in range(n)]) * level


def owning_usd_per_w(case: Case, offer: OfferCase, u: int, n: int) -> float:
    """What buying in quarter u of the horizon and selling n quarters later costs beside power [USD per IT W].

        C / (1+r) + sum_{k=1..n} m C e^(k-1) / (1+r)^k - worth(n) C e^(n-1) / (1+r)^n,   C = price (1 + network) e^u

    Present value at the start of quarter u, everything paid at the end of its quarter as in the plan;
    m is maintenance, e the rise of prices. Worth is what the plan's salvage gives an owner of the system at that age:
    the ``resale_falls`` of the scenario's own offer of it, else a straight line over its economic life.
    """
    rise = 1.0 + inflation(case)
    capex = price_usd_per_w(offer) * (1.0 + case.costs.network_over_system.value) * rise**u
    paid = (1.0 + discount_rate(case)) ** -np.arange(1.0, n + 1)
    upkeep = case.costs.maintenance.value * QUARTER_S * float((rise ** np.arange(n) * paid).sum())
    own = (row.offer for row in case.offers if row.offer.contract == "own" and row.system.id == offer.system.id)
    falls = next((row.terms.resale_falls for row in own), None)
    worth = float(system_worth_frac(case, falls, np.array([float(n)]))[0])
    return float(capex * (paid[0] + upkeep - worth * rise ** (n - 1) * paid[-1]))


def idle_energy_usd_per_w(case: Case, offer: OfferCase) -> float:
    """Energy bill of idling at first prices [USD per IT W and quarter]; 0 for cloud, whose rent holds it."""
    if offer.offer.contract == "cloud":
        return 0.0
    site = offer.site
    return energy_usd_per_w_quarter(case.costs.idle_load.value, site.annual_pue, site.power_price_usd_per_j)


def work_energy_usd_per_w(case: Case, offer: OfferCase) -> float:
    """Energy bill that work adds to idling at first prices [USD per IT W at work and quarter]; 0 for cloud."""
    if offer.offer.contract == "cloud":
        return 0.0
    more, site = case.costs.load_factor.value - case.costs.idle_load.value, offer.site
    return energy_usd_per_w_quarter(more, site.annual_pue, site.power_price_usd_per_j)


def upkeep_usd_per_w(case: Case, offer: OfferCase) -> Floats:
    """Maintenance of owned systems (quarter) [USD per IT W and quarter]."""
    return capex_usd_per_w(case, offer) * case.costs.maintenance.value * QUARTER_S * price_level(case)


def hold_usd_per_w(case: Case, offer: OfferCase) -> Floats:
    """All that held capacity costs in a quarter beside its building and its work (quarter) [USD per IT W]."""
    idle = idle_energy_usd_per_w(case, offer) * price_level(case, of="energy")
    return rents_usd_per_w(case, offer) + idle + upkeep_usd_per_w(case, offer)


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
    """Capex of buildings in the first quarter [USD per facility W]; 0 where leased or the provider's."""
    if site.use.tenure != "own":
        return 0.0
    return site.use.capex.value if site.use.capex else facility_cost(case).capex_usd_per_w


def site_hold(case: Case, site: SiteCase) -> Floats:
    """Upkeep of buildings in use, or what a lease signed in the quarter asks for, with a guarantor's fee (quarter).

    USD per facility W and quarter. What a lease signed earlier asks for beside it is ``site_over``.
    """
    return site_rents(case, site) * (1.0 + guarantee_frac(site))


def site_rents(case: Case, site: SiteCase, after: int = 0) -> Floats:
    """The same without the fee, and of ``after`` quarters more (quarter) [USD per facility W and quarter]."""
    return _level_hold(case, site) * price_level(case, after)


def guarantee_frac(site: SiteCase) -> float:
    """Fee of whoever guarantees the rent of a building, a share of the rent."""
    lease = site.use.lease
    return lease.guarantee.fee.value if lease and lease.guarantee else 0.0


def lease_quarters(case: Case, site: SiteCase) -> int:
    """Quarters of a building's lease; all of the horizon, so that nothing is given back, where it states none."""
    return quarters_of(site.use.lease.term.value) if site.use.lease else len(case.quarters)


def signed_rents(case: Case, site: SiteCase, after: int = 0) -> Floats:
    """Rent of a building by the quarter it is leased in (signed, quarter), 0 outside its term.

    The rent of the quarter of signing, which rises by the escalator in yearly steps counted from there; with ``after``
    quarters more of both. USD per facility W and quarter, without the guarantor's fee.
    """
    lease, rents = site.use.lease, site_rents(case, site, after)
    yearly = lease.escalator.value * YEAR_S if lease and lease.escalator else 0.0
    age = np.arange(len(rents))[None, :] - np.arange(len(rents))[:, None]
    running = (age >= 0) & (age < lease_quarters(case, site))
    return np.where(running, rents[:, None] * (1.0 + yearly) ** (np.maximum(age, 0) // QUARTERS_A_YEAR), 0.0)


def site_over(case: Case, site: SiteCase) -> Floats:
    """What a building leased in a quarter pays over a new lease, while its term runs (signed, quarter).

    USD per facility W and quarter, without the guarantor's fee; 0 where nothing is leased.
    """
    n = len(case.quarters)
    if site.use.tenure != "lease":
        return np.zeros((n, n))
    signed = signed_rents(case, site)
    return np.where(signed > 0.0, signed - site_rents(case, site)[None, :], 0.0)


def deposit_usd_per_w(case: Case, site: SiteCase) -> Floats:
    """Deposit paid with each facility W taken into use (quarter) [USD]."""
    lease = site.use.lease
    if lease is None or lease.deposit is None:
        return np.zeros(len(case.quarters))
    return site_rents(case, site) * lease.deposit.value / QUARTER_S


def _level_hold(case: Case, site: SiteCase) -> float:
    """Upkeep or rent of a building in the first quarter [USD per facility W and quarter]."""
    cost = facility_cost(case)
    if site.use.tenure == "own":
        return site_capex(case, site) * cost.upkeep_per_quarter
    if site.use.tenure == "provider":
        return 0.0
    if site.use.rent:
        return site.use.rent.value * QUARTER_S
    return lease_usd_per_w_quarter(cost, discount_rate(case), inflation(case))


def inflow_usd(case: Case) -> Floats:
    """Revenue for compute and agreed equity rounds, by quarter [USD]."""
    return revenue_usd(case) + rounds_usd(case)


def revenue_usd(case: Case) -> Floats:
    """Share of the buyer's revenue that pays for compute, once others have had theirs, by quarter [USD]."""
    share = case.scenario.funding.compute_share
    return (_whole_revenue_usd(case) - revenue_share_usd(case)) * (share.value if share else 1.0)


def revenue_share_usd(case: Case) -> Floats:
    """Declared revenue that goes to another party first, up to its cap and its last quarter, by quarter [USD]."""
    terms, whole = case.scenario.funding.revenue_share, _whole_revenue_usd(case)
    if terms is None:
        return np.zeros_like(whole)
    asked = np.where(np.asarray(case.quarters) <= terms.until.value, whole * terms.share.value, 0.0)
    if terms.cap is None:
        return asked
    return np.diff(np.minimum(np.cumsum(asked), terms.cap.value), prepend=0.0)


def sales_share_frac(case: Case) -> Floats:
    """Share of what tokens are sold for that goes to another party, by quarter; 0 where none are sold.

    A cap is used up by declared revenue: ``check_contracts`` refuses others, as where sales reach it is the plan's.
    """
    terms = case.scenario.funding.revenue_share
    if terms is None or terms.cap is not None or not any(price_usd_per_token(row) > 0.0 for row in case.classes):
        return np.zeros(len(case.quarters))
    return np.where(np.asarray(case.quarters) <= terms.until.value, terms.share.value, 0.0)


def _whole_revenue_usd(case: Case) -> Floats:
    funding = case.scenario.funding
    if not funding.revenue:
        return np.zeros(len(case.quarters))
    return series(dated(funding.revenue), case.quarters) / QUARTERS_A_YEAR


def behind_w(case: Case) -> dict[str, Floats]:
    """What its vendor or provider withholds of each commitment for being late, against its dates, by quarter [W]."""
    found = {}
    for row in case.scenario.commitments:
        if late := withheld(case, row):
            promised = dated(row.by)
            comes = step_series(later(promised, late), case.quarters)
            found[row.id] = np.maximum(step_series(promised, case.quarters) - comes, 0.0)
    return found


PARTNERS = "contract-partners"
"""Whom a commitment is owed to that names nobody."""


def counterparty(case: Case, row: Commitment) -> str:
    """Whom a commitment is owed to, who pays its damages and is paid for leaving it or being late: its provider; its
    vendor if the buyer is that; else the seller of its deal.
    """
    named = [*row.providers, row.vendor, case.catalog.deal(row.deal).seller if row.deal else None, PARTNERS]
    return next(name for name in named if name and name != case.scenario.buyer)


def damages_usd(case: Case) -> dict[tuple[str, str], Floats]:
    """Damages received by (commitment, party that pays) for what an event has delayed, by quarter [USD].

    A provider that has failed pays nothing more.
    """
    found, late = {}, behind_w(case)
    for row in case.scenario.commitments:
        if row.damages is not None and row.id in late:
            payer = counterparty(case, row)
            failed = fails_from(case, payer)
            pays = np.asarray(case.quarters) < (np.inf if failed is None else failed)
            found[row.id, payer] = late[row.id] * pays * row.damages.value * QUARTER_S
    return found


def rounds_usd(case: Case) -> Floats:
    """Equity rounds already agreed, by quarter [USD]."""
    total = np.zeros(len(case.quarters))
    for row in case.scenario.funding.rounds:
        if (index := int(row.quarter.value) - case.quarters[0]) in range(len(total)):
            total[index] += row.amount.value
    return total
