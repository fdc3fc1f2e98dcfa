"""What the planner reads: labels and labelled arrays, nothing else.

Power is IT power in MW unless a name says facility; money is nominal million USD (MUSD) of the quarter; work is
millions of output tokens for inference and EFLOP for training, so ``Mwork/s`` below is Mtok/s or EFLOP/s.
MW and MUSD keep the coefficients of the LP within six decades of 1; doors and results use base units.
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from gigawatt.plan.energy import Tariffs
from gigawatt.plan.hosting import Hosting
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.pace import Pace
from gigawatt.plan.resale import Resale
from gigawatt.plan.service import Service
from gigawatt.plan.terms import NONE, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones:
    """Milestone equity: ``per_gw_musd`` for each gigawatt accepted, up to ``n_max``, ``lag`` quarters later.

    ``counts`` (offer) is the counted MW per MW of IT added (0 for other vendors; the facility factor on that basis).
    """

    per_gw_musd: float
    n_max: int
    whole: bool
    lag: int
    counts: xr.DataArray
    signing_quarter: str | None
    signing_musd: float
    from_quarter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RightRow:
    """A right over new capacity: of ``base`` MW added in ``quarters``, at least ``share`` goes to ``held`` offers."""

    id: str
    kind: str
    share: float
    base: xr.DataArray
    held: xr.DataArray
    quarters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """A capacity-expansion problem. An offer here is one provider x system x site x contract.

    Dims: quarter, offer, site, pool (region x system), lane (pool x workload), workload, block, row labels.
    """

    quarters: tuple[str, ...]
    discount: xr.DataArray
    """(quarter) factor that brings money of the quarter to the start."""

    offer_site: xr.DataArray
    offer_pool: xr.DataArray
    offer_system: xr.DataArray
    offer_vendor: xr.DataArray
    offer_contract: xr.DataArray
    initial_mw: xr.DataArray
    """(offer) stock before the first quarter."""
    add_max_mw: xr.DataArray
    """(offer, quarter) most that can be accepted; 0 where the offer does not stand."""
    stock_min_mw: xr.DataArray
    """(offer, quarter) stock under contract that is held at this very site."""
    term_quarters: xr.DataArray
    """(offer) quarters that added capacity is held at least."""
    facility_over_it: xr.DataArray
    """(offer) facility MW per IT MW at the offer's site."""
    packages_per_mw: xr.DataArray
    capex_musd_per_mw: xr.DataArray
    """(offer, quarter) paid at acceptance: system and its network; 0 for lease and cloud."""
    hold_musd_per_mw: xr.DataArray
    """(offer, quarter) paid each quarter for stock: rent, maintenance and the energy of idling."""
    salvage_musd_per_mw: xr.DataArray
    """(offer, quarter) worth at the end of the horizon of what was added in the quarter, discounted to the start."""

    sites: tuple[str, ...]
    connection_mw: xr.DataArray
    """(site, quarter) facility MW energised so far; inf where the provider carries that risk."""
    energised_initial_mw: xr.DataArray
    """(site) facility MW that stand at the start."""
    energise_musd_per_mw: xr.DataArray
    """(site, quarter) capex of shell, power and cooling per facility MW taken into use; 0 where leased."""
    site_hold_musd_per_mw: xr.DataArray
    """(site, quarter) rent or upkeep per facility MW in use and quarter."""
    site_salvage_musd_per_mw: xr.DataArray
    """(site, quarter) worth at the end of the horizon of a facility MW taken into use, discounted to the start."""

    supply_member: xr.DataArray
    """(supply, offer) 1 where the offer draws on the row."""
    supply_packages: xr.DataArray
    """(supply, quarter) packages that can be delivered."""

    lane_pool: xr.DataArray
    lane_workload: xr.DataArray
    rate: xr.DataArray
    """(lane, quarter) Mwork/s per MW of IT at the workload's SLO."""
    run_musd_per_mw: xr.DataArray
    """(lane), or (lane, quarter): energy that work adds to idling, per MW at work over a quarter, at the dearest price
    of the pool's offers (``tariffs`` has the others); 0 where a rent holds it."""
    reserve_frac: float
    """share of every pool kept free for peaks within a block and failures."""

    hours_frac: xr.DataArray
    """(block) share of the day."""
    demand: xr.DataArray
    """(workload, block, quarter) Mwork/s."""
    work_scale: xr.DataArray
    """(workload) base units per Mwork: 1e6 tokens for inference, 1e18 FLOP for training."""
    patience: xr.DataArray
    """(workload) 0: in its block, 1: within the day, 2: may also wait for later quarters."""
    unmet_musd: xr.DataArray
    """(workload, quarter) loss per Mwork/s unmet for a whole quarter."""
    income_musd: xr.DataArray
    """(workload, quarter) income per Mwork/s served for a whole quarter."""
    delay_musd: xr.DataArray
    """(workload, quarter) loss per Mwork/s carried into the next quarter."""
    gate_max_frac: xr.DataArray
    """(workload, quarter) share of demand that policy allows to gate."""
    gate_musd: xr.DataArray
    """(workload, quarter) loss per Mwork/s gated for a whole quarter."""

    gang_workload: tuple[str, ...]
    gang_mw: xr.DataArray
    """(gang, quarter) IT MW that stand together and serve the job alone while it runs, 0 otherwise."""
    gang_offer: xr.DataArray
    """(gang, offer) 1 where the offer can be part of the gang."""

    commitment_weight: xr.DataArray
    """(commitment, offer) committed MW (its own basis) per IT MW accepted."""
    commitment_mw: xr.DataArray
    """(commitment, quarter) cumulative MW to be accepted by the end of the quarter."""
    commitment_penalty_musd: xr.DataArray
    """(commitment) MUSD per MW and quarter late; nan where firm."""

    rights: tuple[RightRow, ...]
    milestones: Milestones | None

    opening_cash_musd: float
    inflow_musd: xr.DataArray
    """(quarter) revenue for compute and equity rounds already agreed."""
    credit_limit_musd: float
    credit_rate: float
    """per quarter"""
    credit_spread: float
    """of what is owed at the end of a quarter, what the line costs above the discount rate; 0 where it is cheaper.
    Interest falls a quarter later, so it is the rate less the discount rate, discounted by one quarter."""
    gap_musd: xr.DataArray
    """(quarter) discounted premium per MUSD still to be found that is owed at the end of the quarter."""

    service: Service | None = None
    terms: Terms = NONE
    """contracts beyond price, rent and term"""
    lumps: Lumps | None = None
    """halls, openings and places of gangs; None where everything is divisible"""
    hosting: Hosting | None = None
    """classes of halls; None where every hall holds every system"""
    building_left_frac: xr.DataArray | None = None
    """(site, quarter) worth at the end of the horizon of a MUSD that fit-out, retrofit or opening cost in the quarter,
    discounted to the start; None where nothing is left of it"""
    initial_salvage_musd_per_mw: xr.DataArray | None = None
    """(offer) worth at the end of the horizon of what stood at the start, discounted to the start; None: nothing"""
    spares_mw: xr.DataArray | None = None
    """(pool) IT MW of whole units that stand by while the pool is at work; None where none do"""
    pace: Pace | None = None
    """training blocks that may be spread unevenly; None where there are none"""
    steady: tuple[str, ...] = ()
    """training blocks that keep one rate from their start to their deadline; they wait for nothing"""
    lane_offer: xr.DataArray | None = None
    """(lane) offer on whose machines a gang's lane works, "" where those of any offer of its pool; None: all"""
    tariffs: Tariffs | None = None
    """offers whose power costs less than the dearest of their pool; None where all of a pool pay the same"""
    price_level: xr.DataArray | None = None
    """(quarter) factor on prices of today by which what is sold on has risen since it was bought; None where it is 1"""
    building_level: xr.DataArray | None = None
    """(quarter) factor on prices of today: of fit-outs, retrofits and openings; None where it is 1"""
    supply_from: xr.DataArray | None = None
    """(offer, quarter) place of the quarter whose supply an acceptance draws on, -1 for none; None: that of its own
    delivery. What a delay pushes keeps its place in the supply of the quarter it was ordered for"""
    with_building: xr.DataArray | None = None
    """(offer) True where who provides it brings its building too; None: with cloud alone"""
    resale: Resale | None = None
    """what retired systems are sold for; None where they bring nothing"""
