"""What contracts move when deliveries come otherwise than planned: the amounts of theirs that follow what stands.

Whose lateness counts: what a vendor, a provider or a landlord brings late moves the buyer's duty towards it by as many
quarters, to what the contracts say of a case that is so late. A minimum take over several sites moves by the latest of
them. Of a commitment moves what its vendor or provider withholds: MW that counted by then in the plan and come only
later, with its systems or with a building that it brings itself (``brought_late``). For those the buyer owes no
penalty, and receives damages where any are agreed. Chips that are late in a building that stands are the buyer's own
matter: the building's guaranteed rent is owed. So is a building that is late for chips which somebody else brings in
time: the penalty is owed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lateness import pushed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a replay found: quarters late (draw, site) and (draw, offer); IT MW newly accepted and standing (draw,
    offer, quarter), counted for commitments and vesting likewise; facility MW newly taken into use and in use (draw,
    site, quarter); IT MW that would count by then in the plan (offer, quarter).
    """

    late_site: Ints
    late_offer: Ints
    new: Floats
    stock: Floats
    counted: Floats
    built: Floats
    in_use: Floats
    planned: Floats


def duties(owed: Sequence[PlanInputs], played: Played, due: Floats) -> dict[str, tuple[str, Floats]]:
    """Amounts that contracts move, by name: (axis of rows, (draw, row, quarter) MW).

    Args:
        owed: inputs where everything comes 0, 1, 2 and so on quarters late.
        played: what stands.
        due: (commitment, quarter) MW that are committed and not cancelled.
    """
    d = owed[0]
    found = {"late": ("commitment", behind_mw(d, played, due)), "withheld": ("commitment", _brought_later(d, played))}
    for name, axis, of in (("short", "take", _short), ("unused", "site", _unused)):
        if (amount := of(owed, played)) is not None:
            found[name] = (axis, amount)
    if (vested := _vested(d, played)) is not None:
        found["vested"] = ("warrant", vested)
    return found


def duties_late(d: PlanInputs, quarters: int) -> PlanInputs:
    """Inputs with duties so many quarters later and never more, where no case says what they are then.

    Until what is late comes, a duty is for what stood before.
    """
    terms = d.terms

    def later(mw: xr.DataArray, rows: str, stood: Floats) -> xr.DataArray:
        table = mw.transpose(rows, "quarter")
        back = pushed(table.values, np.full((1, len(table)), quarters), stood)[0]
        return table.copy(data=np.minimum(table.values, back))

    if (takes := terms.takes) is not None:
        stood = takes.member.transpose("take", "offer").values @ d.initial_mw.values
        terms = replace(terms, takes=replace(takes, mw=later(takes.mw, "take", stood)))
    if (leases := terms.leases) is not None:
        due = later(leases.due_mw, "site", d.energised_initial_mw.values)
        terms = replace(terms, leases=replace(leases, due_mw=due))
    return replace(d, terms=terms)


def as_late(tables: Sequence[Floats], late: Ints) -> Floats:
    """(draw, row, ...) rows of the table that holds where they are so many quarters late (draw, row)."""
    stacked = np.stack(tables)
    return np.asarray(stacked[np.minimum(late, len(tables) - 1), np.arange(late.shape[1])])


def _short(owed: Sequence[PlanInputs], played: Played) -> Floats | None:
    """IT MW of minimum takes that do not stand."""
    d = owed[0]
    takes = d.terms.takes
    if takes is None:
        return None
    member = takes.member.transpose("take", "offer").values
    site_of = [d.sites.index(str(site)) for site in d.offer_site.values]
    by_offer = np.maximum(played.late_offer, played.late_site[:, site_of])
    late = (by_offer[:, None, :] * (member > 0)).max(axis=2)
    stands = np.einsum("to,noq->ntq", member, played.stock)
    due = [row.terms.takes.mw.transpose("take", "quarter").values for row in owed if row.terms.takes is not None]
    return np.asarray(np.maximum(as_late(due, late) - stands, 0.0))


def _unused(owed: Sequence[PlanInputs], played: Played) -> Floats | None:
    """Facility MW of leases that are paid for and not in use."""
    if owed[0].terms.leases is None:
        return None
    tables = [row.terms.leases.due_mw.transpose("site", "quarter").values for row in owed if row.terms.leases]
    due = as_late(tables, played.late_site)
    return np.where(due > 0.0, np.maximum(due - played.in_use, 0.0), 0.0)


def _vested(d: PlanInputs, played: Played) -> Floats | None:
    """MW that newly vest, on the basis of their warrant."""
    warrants = d.terms.warrants
    if warrants is None:
        return None
    weight = warrants.weight.transpose("warrant", "offer").values
    vests = np.minimum(np.einsum("wo,noq->nwq", weight, played.counted), warrants.most_mw.values[None, :, None])
    return np.asarray(np.diff(np.maximum.accumulate(np.maximum(vests, 0.0), axis=2), prepend=0.0, axis=2))


def brought_late(d: PlanInputs, late_offer: Ints, late_site: Ints) -> Ints:
    """(draw, offer) quarters by which its provider brings it late: systems, or the building that comes with them."""
    with_building = d.offer_contract.values == "cloud" if d.with_building is None else d.with_building.values
    site_of = [d.sites.index(str(site)) for site in d.offer_site.values]
    return np.maximum(late_offer, np.where(with_building, late_site[:, site_of], 0))


def _withheld(d: PlanInputs, played: Played) -> Floats:
    """(draw, commitment, quarter) MW, on its basis, that counted by then in the plan and are brought later."""
    late = brought_late(d, played.late_offer, played.late_site)
    withheld = np.maximum(played.planned[None] - pushed(played.planned, late), 0.0)
    weight = d.commitment_weight.transpose("commitment", "offer").values
    return np.asarray(np.einsum("co,noq->ncq", weight, withheld))


def behind_mw(d: PlanInputs, played: Played, due: Floats) -> Floats:
    """(draw, commitment, quarter) MW that the buyer itself is behind what is ``due`` (commitment, quarter)."""
    have = np.einsum("co,noq->ncq", d.commitment_weight.transpose("commitment", "offer").values, played.counted)
    return np.asarray(np.maximum(due[None] - have - _withheld(d, played), 0.0))


def _brought_later(d: PlanInputs, played: Played) -> Floats:
    """(draw, commitment, quarter) MW of what is due, cancelled or not, that its vendor or provider withholds."""
    weight = d.commitment_weight.transpose("commitment", "offer").values
    due = d.commitment_mw.transpose("commitment", "quarter").values
    anyway = due - weight @ played.planned
    return np.asarray(np.maximum(anyway[None] + _withheld(d, played), 0.0) - np.maximum(anyway, 0.0)[None])
