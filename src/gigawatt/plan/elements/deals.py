"""What counts towards a deal: commitments, rights, warrants and milestone equity."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import GW, IT, LESS, MW, Family, Words
from gigawatt.plan.since import COUNTED, DELIVERY, MILESTONES, count_since, label_of, new_since

COMMITMENT = Family("commitment", MW, Words("commitments", LESS, many=True), missed="firm commitments", of_offers=True)
LATE_DELIVERY = Family(
    "delivery", MW, Words("deliveries that an event delays", many=True),
    missed="deliveries of late commitments", of_offers=True,
)  # fmt: skip
RIGHT = Family("right", IT, Words("rights", LESS, many=True), missed="shares of rights", of_offers=True)
WARRANT = Family("warrant", MW, "shares vest with what is delivered; their number is a bound")
MILESTONE = Family("milestone", GW, Words("milestones", LESS, many=True))
MILESTONE_KEPT = Family("milestone_kept", GW, "what was released stays released")
MILESTONE_ORDER = Family("milestone_order", GW, "gigawatts are released one after another")


def counted(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Renting, giving up and renting again is not new capacity: of what is rented, what stands counts.

    counted[o,q] <= sum_{u<=q} add[o,u] and counted[o,q] <= stock[o,q], for leases and cloud   [IT MW]

    Rights and milestones of a later signing count from their own date: ``plan.since``.
    """
    rented = d.offer_contract != "own"
    m.add_rows(COUNTED.of(part="added"), x.rented - x.accepted, "<=", 0.0, mask=rented)
    m.add_rows(COUNTED.of(part="stands"), x.rented - x.stock, "<=", 0.0, mask=rented)
    count_since(m, d, x)


def commitment(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Announced and signed capacity enters as a minimum of what is accepted by a date.

    sum_o weight[c,o] counted[o,q] + late[c,q] + sum_{u<=q} cancelled[c,u] >= committed[c,q]   [MW, on its own basis]

    ``late`` exists only where the commitment is not firm, ``cancelled`` where a fee releases from it. Commitments of
    chips and of buildings are rows over the same MW: one MW counts in each, and the two are never added.
    """
    if d.commitment_mw.sizes["commitment"] == 0:
        return
    accepted = x.counted.dot(d.commitment_weight, "offer") + x.late + x.cancelled.cumsum("quarter")
    m.add_rows(COMMITMENT, accepted, ">=", d.commitment_mw, mask=d.commitment_mw > 0)


def delivery(m: Model, d: PlanInputs, x: Decisions) -> None:
    """What is late is delivered late: nobody accepts it at its first date.

    sum_o weight[c,o] new[o,q] <= most[c,q] while the commitment is behind   [MW, on its own basis]

    new is sum_{start<=u<=q} add[o,u], counted once: of what is rented, what stands beyond what stood before it.
    """
    late = d.terms.late
    if late is not None:
        behind = late.most_mw < np.inf
        came = new_since(d, x, DELIVERY, late.start).dot(d.commitment_weight, "offer")
        m.add_rows(LATE_DELIVERY, came, "<=", late.most_mw.where(behind, 0.0), mask=behind)


def right(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Rights of one party over what the buyer adds: exclusivity, first refusal, preferred partner.

    sum_o held[o] A[o,q] >= share sum_o base[o] A[o,q], A counted once since the right began   [IT MW]

    Exclusivity is share 1. A right that has ended binds what was added while it ran.
    """
    for row in d.rights:
        new = new_since(d, x, label_of(row), d.quarters.index(row.quarters[0]))
        balance = (new * (row.held - row.share * row.base)).sum("offer")
        m.add_rows(RIGHT.of(row.id), balance.pick("quarter", row.quarters), ">=", 0.0)


def warrant(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Shares vest with what is delivered, and stay vested.

    vested[k,q] <= sum_o weight[k,o] counted[o,q] and vested[k,q] >= vested[k,q-1]   [MW]

    In whole steps: vested[k,q] = step[k] n[k,q], n whole.
    """
    terms = d.terms.warrants
    if terms is None:
        return
    m.add_rows(WARRANT.of(part="delivered"), x.vested - x.counted.dot(terms.weight, "offer"), "<=", 0.0)
    m.add_rows(WARRANT.of(part="kept"), x.vested.change("quarter"), ">=", 0.0)
    if terms.stepped and terms.step_mw is not None:
        steps = x.vest_steps * terms.step_mw.sel(warrant=list(terms.stepped))
        m.add_rows(WARRANT.of(part="steps"), x.vested.pick("warrant", terms.stepped) - steps, "==", 0.0)


def milestone(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Milestone equity: a gigawatt is released once it is accepted, whole or in proportion.

    A[q] >= sum_k z[k,q],  z[k+1,q] <= z[k,q],  z[k,q] >= z[k,q-1]   [GW]

    A counts what the deal counts (vendor, basis, accepted after signing). No big-M: z is binary per whole gigawatt,
    or one continuous amount where release is linear.
    """
    terms = d.milestones
    if terms is None:
        return
    counted = counted_gw(d, x)
    released = x.z.sum("tranche") if terms.whole else x.z
    m.add_rows(MILESTONE.of(part="accepted"), counted - released, ">=", 0.0)
    m.add_rows(MILESTONE_KEPT, x.z.change("quarter"), ">=", 0.0)
    if terms.whole and terms.n_max > 1:
        before = x.z.shift("tranche")
        later = xr.DataArray([k != 1 for k in x.z.axes["tranche"]], coords={"tranche": list(x.z.axes["tranche"])})
        m.add_rows(MILESTONE_ORDER, x.z - before, "<=", 0.0, mask=later)


def counted_gw(d: PlanInputs, x: Decisions) -> Expression:
    """Cumulative GW that count towards the milestones, from signing on (quarter)."""
    assert d.milestones is not None
    start = d.quarters.index(d.milestones.from_quarter)
    counted = x.counted if start == 0 else new_since(d, x, MILESTONES, start)
    after = xr.DataArray([float(i >= start) for i in range(len(d.quarters))], coords={"quarter": list(d.quarters)})
    return (counted * (d.milestones.counts / 1000.0) * after).sum("offer")
