"""One thing of the world a file: its families of rows, each beside its equation."""

from __future__ import annotations

from collections.abc import Callable

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.elements import cash, contracts, deals, leases, service, sites, systems, training
from gigawatt.plan.inputs import PlanInputs

Rule = Callable[[Model, PlanInputs, Decisions], None]

RULES: tuple[Rule, ...] = (
    systems.stock, systems.salvage, contracts.term, contracts.minimum_take, contracts.take_after,
    contracts.early_exit, contracts.option, leases.lease, leases.vacate, sites.connection, sites.site_power,
    systems.supply, systems.ageing, service.capacity, service.demand, service.gating, service.share, service.volume,
    service.survival, training.gang, training.pace, deals.counted, deals.commitment, deals.delivery, deals.right,
    deals.warrant, deals.milestone, cash.cash, sites.halls, sites.opening, sites.hosting, systems.resale,
)  # fmt: skip
"""in the order of their rows"""
