"""Gangs of a fixed plan under delays: what each of them holds of the machines that came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.gangs import lane_offers

if TYPE_CHECKING:
    from gigawatt.plan.live import LivePlan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gangs:
    """What gangs hold in every draw. ``held`` (draw, offer, quarter) IT MW; ``rooms`` (draw, room, quarter) IT MW for
    work on each lane that has some, ``room_of`` (lane) its number or -1; ``runs`` (draw, workload, quarter) 1, or 0
    while the gang that a job needs does not stand.
    """

    held: Floats
    rooms: Floats
    room_of: Ints
    runs: Floats


def gangs_of(plan: LivePlan, works: Floats) -> Gangs:
    """Each gang holds what the plan gives it; where that is late, other machines that work at its place. What does not
    come together is not held.
    """
    d, (n, _, n_quarters) = plan.inputs, works.shape
    names = [str(name) for name in d.demand["workload"].values]
    held, runs = np.zeros_like(works), np.ones((n, len(names), n_quarters))
    room_of = np.full(d.lane_pool.size, -1, dtype=np.int64)
    rooms: list[Floats] = []
    if not d.gang_workload:
        return Gangs(held=held, rooms=np.zeros((n, 0, n_quarters)), room_of=room_of, runs=runs)
    planned, able = plan.value("reserved").transpose("gang", "offer", "quarter"), _able(plan)
    member = lane_offers(d).values
    for gang in d.gang_workload:
        wants, left = planned.sel(gang=gang).values, np.maximum(works - held, 0.0)
        need = wants.sum(axis=0)
        mine = np.minimum(wants[None], left)
        spare = (left - mine) * able.sel(gang=gang).values[None, :, None]
        fill = (need - mine.sum(axis=1)) / np.maximum(spare.sum(axis=1), 1e-12)
        mine += spare * np.clip(fill, 0.0, 1.0)[:, None, :]
        stands = mine.sum(axis=1) >= need * (1.0 - 1e-6) - 1e-6
        mine *= stands[:, None, :]
        held += mine
        if gang not in names:
            continue
        runs[:, names.index(gang)] *= stands
        for lane in np.flatnonzero((d.lane_workload.values == gang) & (member.sum(axis=1) > 0.0)):
            room_of[lane] = len(rooms)
            rooms.append((1.0 - d.reserve_frac) * np.einsum("o,noq->nq", member[lane], mine))
    return Gangs(held=held, rooms=np.stack(rooms, axis=1) if rooms else held[:, :0], room_of=room_of, runs=runs)


def _able(plan: LivePlan) -> xr.DataArray:
    """(gang, offer) 1 where a gang may hold machines: at its place where it has one."""
    d = plan.inputs
    able = d.gang_offer
    if d.lumps is None:
        return able.transpose("gang", "offer")
    for name, dim, table in (("gang_at", "place", d.lumps.gang_able), ("gang_on", "system", d.lumps.gang_runs)):
        if table is not None:
            chosen = plan.value(name) > 0.5
            able = able * (table * chosen).sum(dim).where(chosen.any(dim), 1.0)
    return able.transpose("gang", "offer")
