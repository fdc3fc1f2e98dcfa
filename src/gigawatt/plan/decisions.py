"""Every decision of the plan: what is said of it, and its expression in a model."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from gigawatt.plan.algebra import Axes, Expression, Model
from gigawatt.plan.metadata import (
    FACILITY,
    GW,
    HALLS,
    IT,
    MUSD,
    MW,
    SHARE,
    STEPS,
    WORK,
    Column,
    Whole,
    Words,
)

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs

Q = ("quarter",)
OFFER, SITE, CLASS, COMMITMENT = ("offer", *Q), ("site", *Q), ("workload", *Q), ("commitment", *Q)
WORKLOAD, FIT, RETROFIT = ("workload", "block", *Q), ("site", "hosting", *Q), ("retrofit", "site", *Q)
ONE_PLACE = Whole("a gang at one place", "fibre to another site, or a smaller gang", always=True)
ONE_SYSTEM = Whole("a gang of one system", "more of one system, or a smaller gang", always=True)
RUNS = Whole("quarters in which a gang runs or does not", "a smaller gang or a later deadline", always=True)


class Decisions:
    """Decisions of a model as expressions: what is masked counts as zero, and so does what the plan has no choice of.

    Of the class, an attribute is what is said of the decision (``Decisions.add.unit``); of an object, its expression.
    """

    add = Column(OFFER, IT, "IT power accepted in the quarter", "order", "add", signed=True, result=True,
                 bound=Words("the most that an offer delivers in a quarter", once=True))  # fmt: skip
    kept = Column(OFFER, IT, "IT power accepted in the quarter that still stands at the end", "end")
    kept_initial = Column(("offer",), IT, "IT power of the start that still stands at the end", "end",
                          bound="no more is kept than stood at the start")  # fmt: skip
    rented = Column(OFFER, IT, "rented IT power that counts towards commitments and milestones", name="counted")
    since = Column(("since", *OFFER), IT, "rented IT power that counts since a date", name="counted_since")
    retire = Column(OFFER, IT, "IT power retired in the quarter", signed=True, result=True)
    stock = Column(OFFER, IT, "IT power that stands", result=True, bound="nothing stands where a provider has failed")
    energise = Column(SITE, FACILITY, "facility power taken into use in the quarter", "order", "energise", signed=True,
                      result=True)  # fmt: skip
    assign = Column(("lane", "block", *Q), IT, "IT power at work by pool, class and block", result=True)
    busy = Column(("pool", *Q), IT, "IT power of a pool at work in its busiest block")
    open = Column(("pool", *Q), SHARE, "whether a pool is at work, where units stand by",
                  bound="a pool is at work or not",
                  whole=Whole("pools that are at work or not", "fewer units that stand by"))  # fmt: skip
    unmet = Column(WORKLOAD, WORK, "work not served", result=True)
    gated = Column(WORKLOAD, WORK, "work that policy leaves out", result=True)
    delay = Column(CLASS, WORK, "work carried into the next quarter, over a whole quarter", result=True,
                   bound="at most one quarter's work waits for the next")  # fmt: skip
    moved = Column(("lane", "lost", "block", *Q), IT, "IT power at work while a region or a site is lost")
    spared = Column(("step", "block", *Q), WORK, "unmet work of a lower step of a demand curve",
                    bound=Words("steps of a demand curve", many=True, once=True))  # fmt: skip
    late = Column(COMMITMENT, MW, "committed capacity not yet accepted, on its own basis", result=True)
    z = Column(("tranche", *Q), GW, "gigawatts released to milestone equity: one a tranche, or an amount",
               bound=Words("the cap of milestone equity"),
               whole=Whole("whole gigawatts", "linear release", always=True))  # fmt: skip
    cash = Column(Q, MUSD, "balance at the end of the quarter", result=True)
    gap = Column(Q, MUSD, "money still to be found that is owed at the end of the quarter")
    debt = Column(Q, MUSD, "drawn on the credit line at the end of the quarter", bound=Words("the credit limit"))
    short = Column(("take", *Q), IT, "IT power of a minimum take that does not stand and is paid", result=True)
    beyond = Column(("take", "after"), IT, "IT power of a minimum take owed in each quarter after the horizon, beyond "
                    "what is signed for it", "end", result=True)  # fmt: skip
    left = Column(("offer", "signed", *Q), IT, "IT power given up before its term ends, by quarter of signing",
                  signed=True, result=True)  # fmt: skip
    exercised = Column(("option", *Q), IT, "IT power of an option exercised in the quarter", signed=True, result=True)
    vested = Column(("warrant", *Q), MW, "power delivered against which a warrant has vested, on its own basis",
                    result=True, bound=Words("the size of warrants"))  # fmt: skip
    vest_steps = Column(("warrant", *Q), STEPS, "whole steps in which a warrant has vested",
                        whole=Whole("whole steps of a warrant", "a warrant without step"))  # fmt: skip
    cancelled = Column(COMMITMENT, MW, "committed power released against a fee in the quarter, on its own basis",
                       signed=True, result=True)  # fmt: skip
    unused = Column(SITE, FACILITY, "facility power paid for and not in use", result=True)
    vacate = Column(SITE, FACILITY, "facility power given back in the quarter", signed=True, result=True)
    works = Column(OFFER, IT, "IT power of offers that age which has not failed", result=True)
    halls = Column(SITE, HALLS, "halls taken into use in the quarter", "order", "energise", result=True,
                   sites="hall_site", whole=Whole("whole halls", "smaller halls or a later date"))  # fmt: skip
    emptied = Column(SITE, HALLS, "halls given back in the quarter", result=True, sites="hall_site",
                     whole=Whole("whole halls given back", "smaller halls"))  # fmt: skip
    opened = Column(SITE, SHARE, "share of the site that is open", result=True, sites="opened_site",
                    bound="a site is opened once",
                    whole=Whole("sites opened whole", "a larger connection"))  # fmt: skip
    gang_at = Column(("gang", "place"), SHARE, "share of the gang that stands at the place", "start", result=True,
                     bound="a gang is at a place or not", whole=ONE_PLACE)  # fmt: skip
    gang_on = Column(("gang", "system"), SHARE, "share of the gang that is of the system", "start", result=True,
                     bound="a gang is of a system or not", whole=ONE_SYSTEM)  # fmt: skip
    fit = Column(FIT, FACILITY, "facility power fitted out in a class", signed=True, result=True, sites="hosting_site")
    vacate_fit = Column(FIT, FACILITY, "facility power of a class given back", signed=True, result=True,
                        sites="hosting_site")  # fmt: skip
    retrofit = Column(RETROFIT, FACILITY, "facility power that leaves a class", signed=True, result=True,
                      sites="hosting_site")  # fmt: skip
    kept_fit = Column(FIT, FACILITY, "facility power fitted out in the quarter that is of its class at the end", "end")
    kept_retrofit = Column(RETROFIT, FACILITY, "facility power retrofitted in the quarter that is of its class at the "
                           "end", "end")  # fmt: skip
    sold = Column(("offer", "bought", *Q), IT, "IT power sold on, by the quarter it was bought in", signed=True)
    sold_initial = Column(OFFER, IT, "IT power of the start sold on", signed=True)
    steady = Column(CLASS, SHARE, "share of its rate at which a training block of one rate runs",
                    bound="a block runs at no more than its rate")  # fmt: skip
    runs = Column(("job", *Q), SHARE, "whether a training block with an uneven pace runs", bound="a block runs or not",
                  whole=RUNS)  # fmt: skip
    reserved = Column(("gang", *OFFER), IT, "IT power that a gang holds, in every block", result=True)
    at_tariff = Column(("tariff", "block", *Q), IT, "IT power at work at a tariff below the dearest of its pool")

    def __init__(self, model: Model, inputs: PlanInputs) -> None:
        """Of a model that has its variables."""
        self._model, self._inputs = model, inputs
        self._known: dict[str, Expression] = {}

    def __contains__(self, column: Column) -> bool:
        """Whether the plan has such a choice."""
        return column in self._model

    def expression(self, column: Column) -> Expression:
        """A decision as an expression; zero, over its axes, where the plan has no such choice."""
        if column.name not in self._known:
            self._known[column.name] = self._found(column)
        return self._known[column.name]

    def _found(self, column: Column) -> Expression:
        if column.name in self._model.variables:
            return self._model.expression(column.name)
        axes = axes_in(column, self._inputs)
        size = int(np.prod([len(labels) for labels in axes.values()], dtype=np.int64))
        return Expression(
            axes=axes, matrix=sp.csr_array((size, self._model.n_columns), dtype=np.float64), const=np.zeros(size)
        )

    @cached_property
    def accepted(self) -> Expression:
        """Cumulative IT MW accepted since the start (offer, quarter)."""
        return self.add.cumsum("quarter")

    @cached_property
    def counted(self) -> Expression:
        """IT MW that count towards commitments and milestones: what was bought, and of what is rented what stands."""
        return self.accepted * (self._inputs.offer_contract == "own").astype(float) + self.rented

    @cached_property
    def in_use(self) -> Expression:
        """Facility MW taken into use since the start, less what was given back (site, quarter)."""
        return (self.energise - self.vacate).cumsum("quarter")

    @cached_property
    def served(self) -> Expression:
        """Work served (workload, block, quarter) [Mwork/s]."""
        d = self._inputs
        work = self.assign * d.rate.transpose("lane", "quarter")
        return work.group(d.lane_workload, "workload", [str(name) for name in d.demand["workload"].values])


COLUMNS: dict[str, Column] = {each.name: each for each in vars(Decisions).values() if isinstance(each, Column)}
"""By name, in the order in which the plan has them."""


def axes_in(column: Column, d: PlanInputs) -> Axes:
    """Axes of a decision that a plan has no choice of; those of contracts and service that it has not are empty."""
    h, lumps, takes = d.hosting, d.lumps, d.terms.takes
    some = {"hosting_site": h.sites if h else (), "hall_site": lumps.halls_at if lumps else (),
            "opened_site": lumps.opens if lumps else ()}  # fmt: skip
    known: Axes = {
        "quarter": d.quarters, "signed": d.quarters, "bought": d.quarters, "gang": d.gang_workload,
        "site": some.get(column.sites, d.sites),
        "offer": tuple(d.offer_site["offer"].values.tolist()), "lane": tuple(d.lane_pool["lane"].values.tolist()),
        "block": tuple(d.hours_frac["block"].values.tolist()),
        "workload": tuple(d.demand["workload"].values.tolist()),
        "commitment": tuple(d.commitment_mw["commitment"].values.tolist()),
        "pool": tuple(sorted({str(pool) for pool in d.lane_pool.values})),
        "hosting": h.classes if h else (), "retrofit": tuple(each.id for each in h.retrofits) if h else (),
        "take": tuple(takes.mw["take"].values.tolist()) if takes else (),
    }  # fmt: skip
    return {dim: known.get(dim, ()) for dim in column.axes}
