"""How work is served beyond its class: worth of speed, shares of demand, what survives a region, what a price sells."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a served unit is worth above the value of its class, by the lane it is served on."""

    musd: xr.DataArray
    """(lane, quarter) per Mwork/s served for a whole quarter; 0 at the speed of the class."""
    paid: xr.DataArray
    """(lane) share of it that customers pay: 1 where the class is sold by the token, else 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Groups of lanes that together serve no more than some part of demand: who cares for speed, who lives where."""

    member: xr.DataArray
    """(share, lane) 1 where the lane serves the group."""
    most: xr.DataArray
    """(share, block, quarter) Mwork/s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """What goes on when all pools of one region are lost, one region at a time."""

    lost: tuple[str, ...]
    pool_region: xr.DataArray
    """(pool) region that a pool stands in."""
    member: xr.DataArray
    """(must, lane) 1 where the lane serves what must go on: one class, from one region of users."""
    frac: xr.DataArray
    """(must) share of what is served that must go on."""
    offer_place: xr.DataArray | None = None
    """(offer) what of ``lost`` an offer is lost with, where it is not its pool's region: its site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Steps of a demand curve, from the most willing down: volume that comes in only at less than the first price."""

    workload: xr.DataArray
    """(step) class."""
    most: xr.DataArray
    """(step, block, quarter) Mwork/s of the step."""
    less_musd: xr.DataArray
    """(step, quarter) what a unit of the step brings less than one of the first step, per Mwork/s and quarter."""
    paid: xr.DataArray
    """(step) 1 where that is income, not worth alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """All of it; None where a scenario says nothing of it."""

    worth: Worth | None = None
    shares: Shares | None = None
    survival: Survival | None = None
    curve: Curve | None = None
