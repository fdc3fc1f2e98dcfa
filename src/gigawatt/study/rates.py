"""What everything costs, and with whom: the prices of a case on the amounts of its plan, each said once.

USD a W is MUSD a MW. Payers and payees are those of the ledger; what no price times an amount is (revenue, equity,
debt) books ``cash``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import QUARTER_S
from gigawatt.plan.flows import EndValue, Rate, What
from gigawatt.plan.inputs import PlanInputs
from gigawatt.study.arrays import labelled
from gigawatt.study.change import price_path
from gigawatt.study.economics import (
    capex_usd_per_w,
    counterparty,
    damages_usd,
    deposit_usd_per_w,
    discount_factors,
    discount_rate,
    facility_cost,
    guarantee_frac,
    idle_energy_usd_per_w,
    remaining_frac,
    rents_usd_per_w,
    sales_share_frac,
    site_capex,
    site_over,
    site_rents,
    system_usd_per_w,
    system_worth_frac,
    upkeep_usd_per_w,
    work_energy_usd_per_w,
)
from gigawatt.study.hosting import aged_fleet, initial_age, resale_share
from gigawatt.study.money import price_level
from gigawatt.study.resolve import Case, OfferCase, SiteCase
from gigawatt.study.scenario import Commitment
from gigawatt.study.terms import (
    charged_frac,
    exit_usd_per_w,
    held_over_usd,
    held_owed,
    over_usd_per_w,
    owed_share,
    owed_usd_per_w,
    returned_deposit_usd_per_w,
    site_owed,
    site_owed_share,
    take_price_after,
    take_rents,
    take_span,
    unused_owed,
    unused_usd_per_w,
)

Floats = npt.NDArray[np.float64]

NETWORK_VENDORS, BUILDERS, SERVICES = "network-vendors", "builders", "service-companies"
UTILITIES, CUSTOMERS, SECONDARY = "utilities", "customers", "secondary-market"


def rates(case: Case, d: PlanInputs) -> tuple[Rate, ...]:
    """Every price of the case. ``d`` has the axes; its own rates are not read."""
    return tuple(rate for part in (_capacity, _buildings, _halls, _contracts, _sites, _commitments, _income)
                 for rate in part(case, d))  # fmt: skip


def _labels(dim: str, labels: Sequence[str], texts: Sequence[str] | None = None) -> xr.DataArray:
    return labelled(list(labels if texts is None else texts), **{dim: labels})


def _by_offer(case: Case, of: Callable[[OfferCase], Any], *more: str) -> xr.DataArray:
    """Something by offer, and by further axes of quarters."""
    return labelled(np.array([of(offer) for offer in case.offers], dtype=float), offer=[o.id for o in case.offers],
                 **dict.fromkeys(more, case.labels))  # fmt: skip


def _by_site(case: Case, of: Callable[[SiteCase], Any], *more: str) -> xr.DataArray:
    return labelled(np.array([of(site) for site in case.sites], dtype=float), site=[site.id for site in case.sites],
                 **dict.fromkeys(more, case.labels))  # fmt: skip


def _capacity(case: Case, d: PlanInputs) -> Iterator[Rate]:
    ids = [offer.id for offer in case.offers]
    memo, chips, energy = _labels("offer", ids), price_level(case, of="chips"), price_level(case, of="energy")
    vendors = _labels("offer", ids, [offer.system.vendor for offer in case.offers])
    providers = _labels("offer", ids, [offer.offer.provider for offer in case.offers])
    capex = _by_offer(case, lambda o: capex_usd_per_w(case, o) * chips, "quarter")
    systems = _by_offer(case, lambda o: system_usd_per_w(o) * chips, "quarter")
    yield Rate(kind="systems", on="add", musd=systems, party=vendors, memo=memo)
    yield Rate(kind="network", on="add", musd=capex - systems, party=NETWORK_VENDORS, memo=memo)
    for kind in ("chip-rent", "cloud-rent"):
        clouds = _by_offer(case, lambda o: (o.offer.contract == "cloud") == (kind == "cloud-rent"))  # noqa: B023
        if not clouds.any():
            continue
        for on, of, axes in (
            ("stock", rents_usd_per_w, ["quarter"]), ("signed", over_usd_per_w, ["signed", "quarter"]),
            ("fixed", lambda case, o: held_over_usd(case, o) / 1e6, ["quarter"]),
        ):  # fmt: skip
            price = _by_offer(case, lambda o: of(case, o), *axes) * clouds  # noqa: B023
            if price.any():
                yield Rate(kind=kind, on=on, musd=price, party=providers, memo=memo)
    idle = _by_offer(case, lambda o: idle_energy_usd_per_w(case, o) * energy, "quarter")
    yield Rate(kind="energy", on="stock", musd=idle, party=UTILITIES, memo=memo)
    work = _by_offer(case, lambda o: work_energy_usd_per_w(case, o) * energy, "quarter")
    yield Rate(kind="energy", on="at_work", musd=work, party=UTILITIES, memo=memo)
    upkeep = _by_offer(case, lambda o: upkeep_usd_per_w(case, o), "quarter")
    yield Rate(kind="maintenance", on="stock", musd=upkeep, party=SERVICES, memo=memo)
    yield from _resale(case)


def _resale(case: Case) -> Iterator[Rate]:
    """What retired systems bring once they have aged a quarter: a share of their capex as it is when they are sold."""
    offers = [offer for offer in case.offers if offer.offer.resale]
    ids, n, life_s, rise = [o.id for o in offers], len(case.quarters), case.costs.system_life.value, price_level(case)
    if not offers:
        return
    age, chips = np.arange(n)[None, :] - np.arange(n)[:, None], price_path(case, "chips")
    memo = _labels("offer", ids)
    sold = [
        np.where(age > 0, resale_share(o, life_s, np.maximum(age, 0).astype(float)), 0.0) * capex_usd_per_w(case, o)
        * chips[:, None] * rise for o in offers
    ]  # fmt: skip
    yield Rate(kind="resale", on="sold", party=SECONDARY, memo=memo, received=True,
               musd=labelled(sold, offer=ids, bought=case.labels, quarter=case.labels))  # fmt: skip
    if not aged_fleet(case):
        return
    stood = [initial_age(case, offer) for offer in offers]
    first = [
        resale_share(o, life_s, old + np.arange(0.0, n)) * capex_usd_per_w(case, o) * rise * chips if old is not None
        else np.zeros(n) for o, old in zip(offers, stood, strict=True)
    ]  # fmt: skip
    yield Rate(kind="resale", on="sold_initial", party=SECONDARY, memo=memo, received=True,
               musd=labelled(first, offer=ids, quarter=case.labels))  # fmt: skip


def _buildings(case: Case, d: PlanInputs) -> Iterator[Rate]:
    cost, names = facility_cost(case), [site.id for site in case.sites]
    memo, rise = _labels("site", names), price_level(case, of="buildings")
    landlords = _labels("site", names, [site.landlord for site in case.sites])
    parts = {"shell": cost.shell_usd_per_w, "power": cost.power_usd_per_w, "cooling": cost.cooling_usd_per_w}
    for part, usd_per_w in parts.items():
        share = usd_per_w / cost.capex_usd_per_w
        price = _by_site(case, lambda site: site_capex(case, site) * share * rise, "quarter")  # noqa: B023
        yield Rate(kind=part, on="energise", musd=price, party=BUILDERS, memo=memo)
    owned = _by_site(case, lambda site: site.use.tenure == "own")
    rents, fee = _by_site(case, lambda s: site_rents(case, s), "quarter"), _by_site(case, guarantee_frac)
    over = _by_site(case, lambda site: site_over(case, site), "signed", "quarter")
    guarantors = _labels("site", names, [
        site.use.lease.guarantee.by if site.use.lease and site.use.lease.guarantee else "" for site in case.sites
    ])  # fmt: skip
    shares: tuple[tuple[str, str | xr.DataArray, xr.DataArray], ...] = (
        ("facility-upkeep", SERVICES, owned), ("site-rent", landlords, 1.0 - owned), ("guarantee-fee", guarantors, fee),
    )  # fmt: skip
    for kind, party, mine in shares:
        for on, price in (("in_use", rents), ("taken", over)):
            if (price * mine).any():
                yield Rate(kind=kind, on=on, musd=price * mine, party=party, memo=memo)


def _halls(case: Case, d: PlanInputs) -> Iterator[Rate]:
    """Openings, fit-outs and retrofits."""
    rise = labelled(price_level(case, of="buildings"), quarter=case.labels)
    for on, price in _hall_prices(case, d):
        kind = "site-opening" if on == "opened" else "fit-out"
        dim = str(price.dims[0])
        yield Rate(kind=kind, on=on, musd=price * rise, party=BUILDERS, memo=_labels(dim, price[dim].values.tolist()))


def _hall_prices(case: Case, d: PlanInputs) -> Iterator[tuple[str, xr.DataArray]]:
    """At first prices: MUSD of opening (site), of fitting out (hosting) and of a retrofit (retrofit), a facility MW."""
    if d.lumps is not None and d.lumps.opens:
        costs = {site.id: site.use.opening.value / 1e6 for site in case.sites if site.use.opening}
        yield "opened", labelled([costs[name] for name in d.lumps.opens], site=d.lumps.opens)
    if (rules := case.scenario.hosting) is not None:
        fits = [row.fit.value if row.fit else 0.0 for row in rules.classes]
        yield "fit", labelled(fits, hosting=[row.id for row in rules.classes])
        if rules.retrofits:
            moves = {f"{row.start}>{row.end}": row.cost.value for row in rules.retrofits}
            yield "retrofit", labelled(list(moves.values()), retrofit=list(moves))


def _contracts(case: Case, d: PlanInputs) -> Iterator[Rate]:
    """Fees for leaving early, rents of minimum takes that do not stand, premiums of options."""
    leaving = [offer for offer in case.offers if offer.offer.terms.exit]
    ids = [offer.id for offer in leaving]
    if leaving:
        fees = labelled([exit_usd_per_w(case, o) for o in leaving], offer=ids, signed=case.labels, quarter=case.labels)
        yield Rate(kind="exit-fee", on="left", musd=fees, memo=_labels("offer", ids),
                   party=_labels("offer", ids, [offer.offer.provider for offer in leaving]))  # fmt: skip
    providers = {offer.id: offer.provider for offer in case.scenario.offers}
    if d.terms.takes is not None:
        names = d.terms.takes.mw["take"].values.tolist()
        rents = labelled([take_rents(case, name) for name in names], take=names, quarter=case.labels)
        yield Rate(kind="take-or-pay", on="short", musd=rents, memo=_labels("take", names),
                   party=_labels("take", names, [providers[name] for name in names]))  # fmt: skip
    rules = {offer.id: offer.terms.option for offer in case.scenario.offers if offer.terms.option}
    if rules:
        quarters = np.asarray(case.quarters)
        premium = [np.where(quarters <= rule.until.value, rule.premium.value, np.inf) for rule in rules.values()]
        price = labelled(premium, option=list(rules), quarter=case.labels)
        yield Rate(kind="option-premium", on="exercised", musd=price, memo=_labels("option", list(rules)),
                   party=_labels("option", list(rules), [providers[name] for name in rules]))  # fmt: skip


def _sites(case: Case, d: PlanInputs) -> Iterator[Rate]:
    """Rents of what is paid for and not in use, and deposits of leases."""
    if d.terms.leases is None:
        return
    memo = _labels("site", d.sites)
    landlords = _labels("site", d.sites, [site.landlord for site in case.sites])
    unused = _by_site(case, lambda site: unused_usd_per_w(case, site), "quarter")
    deposits = _by_site(case, lambda site: deposit_usd_per_w(case, site), "quarter")
    yield Rate(kind="take-or-pay", on="unused", musd=unused, party=landlords, memo=memo)
    for site in case.sites:
        if site.use.lease and site.use.lease.guarantee:
            mine = unused * guarantee_frac(site) * (unused["site"] == site.id)
            yield Rate(kind="guarantee-fee", on="unused", musd=mine, party=site.use.lease.guarantee.by, memo=memo)
    yield Rate(kind="deposit", on="energise", musd=deposits, party=landlords, memo=memo)
    yield Rate(kind="deposit-return", on="vacate", musd=deposits.isel(quarter=0, drop=True), party=landlords, memo=memo,
               received=True)  # fmt: skip


def _commitments(case: Case, d: PlanInputs) -> Iterator[Rate]:
    rows = case.scenario.commitments
    names, quarters = [row.id for row in rows], np.asarray(case.quarters)

    def rate(kind: str, on: str, musd: Any, *more: str) -> Rate:
        prices = labelled(musd, commitment=names, **dict.fromkeys(more, case.labels))
        return Rate(
            kind=kind, on=on, musd=prices, memo=_labels("commitment", names), received=kind == "delay-damages",
            party=_labels("commitment", names, [counterparty(case, row) for row in rows]),
        )  # fmt: skip

    if any(row.cancel for row in rows):
        yield rate("cancellation", "cancelled", [_release_fee(row, quarters) for row in rows], "quarter")
    penalty = [np.inf if row.firm or row.penalty is None else row.penalty.value * QUARTER_S for row in rows]
    if np.isfinite(penalty).any():
        yield rate("penalty", "late", penalty)
    received = {name: usd / 1e6 for (name, _), usd in damages_usd(case).items()}
    if received:
        yield rate("delay-damages", "fixed", [received.get(name, 0.0 * quarters) for name in names], "quarter")
    if any(row.damages for row in rows):
        damages = [row.damages.value * QUARTER_S if row.damages else 0.0 for row in rows]
        yield rate("delay-damages", "withheld", damages)


def _release_fee(row: Commitment, quarters: npt.NDArray[np.int64]) -> Floats:
    """Fee for being released from a committed W by quarter [USD]; inf once that cannot be."""
    if row.cancel is None:
        return np.full(len(quarters), np.inf)
    until = row.cancel.until.value if row.cancel.until else quarters[-1]
    return np.where(quarters <= until, row.cancel.fee.value, np.inf)


def _income(case: Case, d: PlanInputs) -> Iterator[Rate]:
    classes = [row.id for row in case.classes]
    if not d.income_musd.any():
        return
    one = labelled(np.ones(len(case.labels)), quarter=case.labels)
    yield Rate(kind="sales", on="sales", musd=one, party=CUSTOMERS, memo=_labels("workload", classes), received=True)
    share, terms = sales_share_frac(case), case.scenario.funding.revenue_share
    if terms is not None and share.any():
        yield Rate(kind="revenue-share", on="sales", musd=one * share, party=terms.to, memo="of token sales")


# --- at the end of the horizon


def end_values(case: Case, d: PlanInputs) -> tuple[EndValue, ...]:
    """What is worth or owed something at the end of the horizon, discounted to the start."""
    return (*_systems_left(case), *_buildings_left(case, d), *_owed(case, d), *_vests(case))


def _worth(on: str, musd: xr.DataArray, what: What = "salvage") -> EndValue:
    return EndValue(what=what, on=on, musd=musd)


def _ages(case: Case) -> Floats:
    """Quarters of use at the end of the horizon, by quarter of acceptance, which counts as used."""
    return len(case.quarters) - np.arange(0.0, len(case.quarters))


def _at_end(case: Case) -> float:
    """Factor on first prices that brings worth of the last quarter to the start: it is its share of the price then."""
    return float(discount_factors(case)[-1] * price_level(case)[-1])


def _systems_left(case: Case) -> Iterator[EndValue]:
    at_end, n, chips = _at_end(case), len(case.quarters), price_path(case, "chips")

    def left(o: OfferCase, age: Floats) -> Floats:
        return capex_usd_per_w(case, o) * system_worth_frac(case, o.offer.terms.resale_falls, age) * at_end

    yield _worth("kept", _by_offer(case, lambda o: left(o, _ages(case)) * chips, "quarter"))
    if aged_fleet(case):
        stood = {offer.id: initial_age(case, offer) for offer in case.offers}
        worth = [
            0.0 if (age := stood[offer.id]) is None else float(left(offer, np.array(age + n))) * chips[-1]
            for offer in case.offers
        ]
        yield _worth("kept_initial", labelled(worth, offer=list(stood)))


def _buildings_left(case: Case, d: PlanInputs) -> Iterator[EndValue]:
    """Buildings; fit-outs, retrofits and openings as long as a lease runs; deposits that come back afterwards."""
    life, at_end, buildings = case.costs.facility_life.value, _at_end(case), price_path(case, "buildings")
    ages, after = _ages(case), (1.0 + discount_rate(case)) ** -(len(case.quarters) + 1.0)

    def left(site: SiteCase) -> Floats:
        lasts = min(life, site.use.lease.term.value) if site.use.lease else life
        return remaining_frac(ages, lasts) * at_end * buildings

    built = _by_site(case, lambda s: site_capex(case, s) * remaining_frac(ages, life) * at_end * buildings, "quarter")
    yield _worth("energise", built)
    yield _worth("energise", _by_site(case, lambda s: returned_deposit_usd_per_w(case, s), "quarter"))
    if d.terms.leases is not None:
        yield _worth("vacate", _by_site(case, lambda s: -deposit_usd_per_w(case, s)[0] * after))
    share, kept = _by_site(case, left, "quarter"), {"opened": "opened", "fit": "kept_fit", "retrofit": "kept_retrofit"}
    for on, price in _hall_prices(case, d):
        sites = d.lumps.opens if on == "opened" and d.lumps else d.hosting.sites if d.hosting else ()
        yield _worth(kept[on], price * share.sel(site=list(sites)))


def _owed(case: Case, d: PlanInputs) -> Iterator[EndValue]:
    """Rents owed after the horizon, and what of them is charged: all but what their use is worth then."""
    for on, owed, charged in _after_horizon(case, d):
        yield _worth(on, owed, "owed")
        yield _worth(on, owed * charged, "charged")


def _after_horizon(case: Case, d: PlanInputs) -> Iterator[tuple[str, xr.DataArray, xr.DataArray]]:
    """(amount, MUSD owed, share charged)."""
    n = len(case.quarters)
    last = labelled(np.eye(1, n, n - 1)[0], quarter=case.labels)
    owed = _by_offer(case, lambda o: owed_usd_per_w(case, o), "signed")
    if owed.any():
        yield "signed_at_end", owed, _by_offer(case, lambda o: owed_share(case, o), "signed")
    after, charged = np.sum([held_owed(case, offer) for offer in case.offers], axis=0) / 1e6
    if after:
        yield "fixed", last * after, last * 0.0 + charged / after
    if (takes := d.terms.takes) is not None and takes.after_mw is not None:
        names, steps = takes.after_mw["take"].values.tolist(), takes.after_mw["after"].values.tolist()
        price = labelled([take_price_after(case, name, len(steps)) for name in names], take=names, after=steps)
        spans = [take_span(case, name) for name in names]
        yield "beyond", price, labelled([charged_frac(case, *span) for span in spans], take=names)
    if d.terms.leases is not None:
        rents = _by_site(case, lambda s: site_owed(case, s), "signed")
        yield "taken", rents, _by_site(case, lambda s: site_owed_share(case, s), "signed")
        rest = np.array([unused_owed(case, site) for site in case.sites])
        yield "unused_at_end", labelled(rest[:, 0], site=d.sites), labelled(rest[:, 1], site=d.sites)


def _vests(case: Case) -> Iterator[EndValue]:
    rows = case.scenario.warrants
    if not rows:
        return
    worth = []
    for row in rows:
        gain = row.price.value - (row.strike.value if row.strike else 0.0)
        worth.append(row.shares.value * gain * (row.vests.value if row.vests else 1.0) / row.over.value)
    when = labelled(discount_factors(case), quarter=case.labels)
    yield _worth("vested", labelled(worth, warrant=[row.id for row in rows]) * when, "vested")
