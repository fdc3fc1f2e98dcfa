"""Contracts as they are signed, as arrays: what a plan owes and may do beside renting, buying and retiring.

Each block stands alone and is None where the scenario signs no such contract. Units are those of ``PlanInputs``; an
axis ``signed`` is the quarter in which capacity was accepted. A fee of inf says that the right does not exist then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr


@dataclass(frozen=True, slots=True, kw_only=True)
class Rents:
    """Rents that follow the quarter of signing, and what is owed after the horizon.

    ``over_musd_per_mw`` (offer, signed, quarter) is what a MW pays in a quarter beyond the rent of stock then;
    ``owed_musd_per_mw`` (offer, signed) is owed, discounted to the start, for its term after the horizon, and
    ``charged_frac`` (offer, signed) of it is charged, all of it where None, the rest being what its use is worth;
    ``fixed_musd`` (quarter) is due whatever is planned; ``fixed_after_musd`` likewise after the
    horizon, discounted to the start, of which ``fixed_charged_frac`` is charged.
    """

    over_musd_per_mw: xr.DataArray
    owed_musd_per_mw: xr.DataArray
    fixed_musd: xr.DataArray
    fixed_after_musd: float = 0.0
    charged_frac: xr.DataArray | None = None
    fixed_charged_frac: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """Minimum takes over the sites of an offer: ``member`` (take, offer) 1 or 0, ``mw`` (take, quarter).

    ``short_musd_per_mw`` (take, quarter) is the rent of what does not stand; inf where it has to stand.
    ``after_mw`` (take, after) is owed in the quarters that follow the horizon; of it, that for which no signed capacity
    stands owes ``after_musd_per_mw`` (take, after), discounted to the start, and ``charged_frac`` (take) of it is
    charged. None where nothing is owed then.
    """

    member: xr.DataArray
    mw: xr.DataArray
    short_musd_per_mw: xr.DataArray
    after_mw: xr.DataArray | None = None
    after_musd_per_mw: xr.DataArray | None = None
    charged_frac: xr.DataArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Capacity beyond ``firm_mw`` (option) that stands only where exercised, ``notice`` (option) quarters before.

    ``member`` (option, offer) 1 or 0; ``most_mw`` (option) in all; ``premium_musd_per_mw`` (option, quarter) is paid in
    the quarter of exercise, inf once the option has lapsed.
    """

    member: xr.DataArray
    firm_mw: xr.DataArray
    most_mw: xr.DataArray
    notice: xr.DataArray
    premium_musd_per_mw: xr.DataArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Leased buildings, held for their term and from quarter to quarter after it.

    ``due_mw`` (site, quarter) facility MW are paid for whether used or not. ``term_quarters`` (site) runs from the
    quarter a MW is taken into use, from the first for what stands at the start; beyond the horizon nothing is given
    back. ``owed_musd_per_mw`` (site, quarter taken into use) is owed, discounted to the start, for the rest of a term
    after the horizon, ``owed_unused_musd_per_mw`` (site) for a MW paid for and not in use at the end;
    ``charged_frac`` and ``unused_charged_frac`` of them are charged, all where None.
    ``deposit_musd_per_mw`` (site) comes back with what is given back, and then not after the horizon, where it is
    worth ``deposit_after_musd_per_mw`` (site), discounted to the start.
    ``over_musd_per_mw`` (site, signed, quarter) is what a MW taken into use pays, while its term runs, beyond what a
    new lease asks for; none where None. ``unused_musd_per_mw`` (site, quarter) is the rent of what is paid for and not
    in use; that of a new lease where None.
    """

    due_mw: xr.DataArray
    term_quarters: xr.DataArray
    owed_musd_per_mw: xr.DataArray
    owed_unused_musd_per_mw: xr.DataArray
    deposit_musd_per_mw: xr.DataArray
    deposit_after_musd_per_mw: xr.DataArray
    charged_frac: xr.DataArray | None = None
    unused_charged_frac: xr.DataArray | None = None
    over_musd_per_mw: xr.DataArray | None = None
    unused_musd_per_mw: xr.DataArray | None = None

    @property
    def may_vacate(self) -> xr.DataArray:
        """(site, quarter) True where something of the site can have served its term."""
        quarter = self.due_mw["quarter"]
        place = xr.DataArray(np.arange(quarter.size), dims="quarter", coords={"quarter": quarter.values})
        return (place >= self.term_quarters).transpose("site", "quarter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What is late of commitments: ``most_mw`` (commitment, quarter) is all that can have been accepted since the
    quarter at place ``start``, on its own basis, inf where it is not behind; ``damages_musd`` (commitment, quarter) is
    received for it.
    """

    most_mw: xr.DataArray
    damages_musd: xr.DataArray
    start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warrants:
    """Shares that vest with deliveries: ``weight`` (warrant, offer) counted MW per IT MW, ``most_mw`` (warrant).

    ``musd_per_mw`` (warrant, quarter) is the worth of what vests with a MW; it lowers the cost and is never cash.
    ``step_mw`` (warrant) is what vests at once, nan where it vests evenly; None where all do.
    """

    weight: xr.DataArray
    most_mw: xr.DataArray
    musd_per_mw: xr.DataArray
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

    rents: Rents | None = None
    takes: Takes | None = None
    exit_musd_per_mw: xr.DataArray | None = None
    """(offer, signed, quarter) fee for giving up a MW before its term ends; offers that may, only."""
    options: Options | None = None
    leases: Leases | None = None
    late: Late | None = None
    warrants: Warrants | None = None
    sales_share_frac: xr.DataArray | None = None
    """(quarter) share of what tokens are sold for that goes to another party."""
    cancel_musd_per_mw: xr.DataArray | None = None
    """(commitment, quarter) fee for being released from a committed MW."""
    damages_musd_per_mw: xr.DataArray | None = None
    """(commitment) received a quarter for a MW, on its own basis, that its vendor or provider brings late."""
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
