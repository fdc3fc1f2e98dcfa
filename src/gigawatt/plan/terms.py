"""Contracts as they are signed, as arrays: what a plan owes and may do beside renting, buying and retiring.

Each block stands alone and is None where the scenario signs no such contract. Units are those of ``PlanInputs``; an
axis ``signed`` is the quarter in which capacity was accepted. What it costs say the rates of the inputs; a fee of inf
there says that the right does not exist then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """Minimum takes over the sites of an offer: ``member`` (take, offer) 1 or 0, ``mw`` (take, quarter).

    What does not stand and is paid is ``short``, where a rate on it says what that costs. ``after_mw`` (take, after) is
    owed in the quarters that follow the horizon, as far as no signed capacity stands for it; None where nothing is.
    """

    member: xr.DataArray
    mw: xr.DataArray
    after_mw: xr.DataArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Capacity beyond ``firm_mw`` (option) that stands only where exercised, ``notice`` (option) quarters before.

    ``member`` (option, offer) 1 or 0; ``most_mw`` (option) in all. A rate on ``exercised`` says the premium.
    """

    member: xr.DataArray
    firm_mw: xr.DataArray
    most_mw: xr.DataArray
    notice: xr.DataArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Leased buildings, held for their term and from quarter to quarter after it.

    ``due_mw`` (site, quarter) facility MW are paid for whether used or not. ``term_quarters`` (site) runs from the
    quarter a MW is taken into use, from the first for what stands at the start; beyond the horizon nothing is given
    back.
    """

    due_mw: xr.DataArray
    term_quarters: xr.DataArray

    @property
    def may_vacate(self) -> xr.DataArray:
        """(site, quarter) True where something of the site can have served its term."""
        quarter = self.due_mw["quarter"]
        place = xr.DataArray(np.arange(quarter.size), dims="quarter", coords={"quarter": quarter.values})
        return (place >= self.term_quarters).transpose("site", "quarter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What is late of commitments: ``most_mw`` (commitment, quarter) is all that can have been accepted since the
    quarter at place ``start``, on its own basis, inf where it is not behind.
    """

    most_mw: xr.DataArray
    start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warrants:
    """Shares that vest with deliveries: ``weight`` (warrant, offer) counted MW per IT MW, ``most_mw`` (warrant).

    What vests lowers the cost and is never cash: an end value on ``vested`` says how much.
    ``step_mw`` (warrant) is what vests at once, nan where it vests evenly; None where all do.
    """

    weight: xr.DataArray
    most_mw: xr.DataArray
    step_mw: xr.DataArray | None = None

    @property
    def stepped(self) -> tuple[str, ...]:
        """Warrants that vest in whole steps."""
        if self.step_mw is None:
            return ()
        return tuple(str(name) for name in self.step_mw["warrant"].values[self.step_mw.notnull().values])


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What has been signed beyond price, rent and term."""

    takes: Takes | None = None
    options: Options | None = None
    leases: Leases | None = None
    late: Late | None = None
    warrants: Warrants | None = None
    testing_quarters: xr.DataArray | None = None
    """(offer) quarters of acceptance tests: delivered and powered, not yet accepted."""
    survival_frac: xr.DataArray | None = None
    """(offer) share of what works that still works a quarter later; offers that age, only."""
    failed: xr.DataArray | None = None
    """(offer, quarter) True from the quarter in which the provider has failed: nothing stands."""

    def vacates(self) -> xr.DataArray | None:
        """(site, quarter) True where a building may be given back; None where none may within the horizon."""
        may = None if self.leases is None else self.leases.may_vacate
        return None if may is None or not bool(may.any()) else may


NONE = Terms()
