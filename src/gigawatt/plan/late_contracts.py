"""What contracts move when deliveries come otherwise than planned: the part of their money that follows what stands.

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
from gigawatt.plan.signed import finite, unused_price
from gigawatt.plan.terms import Terms

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Money of contracts [MUSD]: ``paid`` (draw, quarter); ``later`` (draw), owed after the horizon less what vests.

    ``later`` is discounted to the start.
    """

    paid: Floats
    later: Floats

    def __sub__(self, other: Moved) -> Moved:
        """The difference of two."""
        return Moved(paid=self.paid - other.paid, later=self.later - other.later)


def moved(d: PlanInputs, played: Played, terms: Sequence[Terms]) -> Moved:
    """Takes paid and not held, guaranteed and market rents, what is owed later, what vests, damages.

    ``terms``: contracts where everything comes 0, 1, 2 and so on quarters late.
    """
    paid, later = np.zeros((len(played.stock), len(d.quarters))), np.zeros(len(played.stock))
    for part in (
        _takes(d, played, terms), _leases(d, played, terms), _rents(d, played), _vested(d, played), _damages(d, played),
    ):  # fmt: skip
        if part is not None:
            paid, later = paid + part.paid, later + part.later
    return Moved(paid=paid, later=later)


def duties_late(d: PlanInputs, quarters: int) -> Terms:
    """Contracts with duties so many quarters later and never more, where no case says what they are then.

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
    return terms


def _as_late(tables: Sequence[Floats], late: Ints) -> Floats:
    """(draw, row, ...) rows of the table that holds where they are so many quarters late (draw, row)."""
    stacked = np.stack(tables)
    return np.asarray(stacked[np.minimum(late, len(tables) - 1), np.arange(late.shape[1])])


def _takes(d: PlanInputs, played: Played, terms: Sequence[Terms]) -> Moved | None:
    takes = d.terms.takes
    if takes is None:
        return None
    member = takes.member.transpose("take", "offer").values
    site_of = [d.sites.index(str(site)) for site in d.offer_site.values]
    by_offer = np.maximum(played.late_offer, played.late_site[:, site_of])
    late = (by_offer[:, None, :] * (member > 0)).max(axis=2)
    stands = np.einsum("to,noq->ntq", member, played.stock)
    owed = [row.takes.mw.transpose("take", "quarter").values for row in terms if row.takes is not None]
    short = np.maximum(_as_late(owed, late) - stands, 0.0)
    fee = finite(takes.short_musd_per_mw).transpose("take", "quarter").values
    return Moved(paid=np.einsum("ntq,tq->nq", short, fee), later=np.zeros(len(short)))


def _leases(d: PlanInputs, played: Played, terms: Sequence[Terms]) -> Moved | None:
    leases = d.terms.leases
    if leases is None:
        return None
    signed = [row.leases for row in terms if row.leases is not None]
    late = played.late_site
    due = _as_late([row.due_mw.transpose("site", "quarter").values for row in signed], late)
    unused = np.where(due > 0.0, np.maximum(due - played.in_use, 0.0), 0.0)
    owed = leases.owed_musd_per_mw * (1.0 if leases.charged_frac is None else leases.charged_frac)
    rest = _as_late([(row.owed_unused_musd_per_mw * row.unused_charged_frac).values
                     if row.unused_charged_frac is not None else row.owed_unused_musd_per_mw.values
                     for row in signed], late)  # fmt: skip
    later = np.einsum("nsq,sq->n", played.built, owed.transpose("site", "quarter").values)
    later = later + (unused[:, :, -1] * rest).sum(axis=1)
    paid = (unused * _as_late([unused_price(d, row).values for row in signed], late)).sum(axis=1)
    if leases.over_musd_per_mw is not None:
        over = leases.over_musd_per_mw.transpose("site", "signed", "quarter").values
        paid = paid + np.einsum("nsu,suq->nq", played.built, over)
    return Moved(paid=paid, later=later)


def _rents(d: PlanInputs, played: Played) -> Moved | None:
    rents = d.terms.rents
    if rents is None:
        return None
    n, n_offers, n_quarters = played.new.shape
    over = rents.over_musd_per_mw.transpose("offer", "signed", "quarter").values
    owed = rents.owed_musd_per_mw * (1.0 if rents.charged_frac is None else rents.charged_frac)
    signed = played.new.reshape(n, n_offers * n_quarters)
    return Moved(
        paid=signed @ over.reshape(n_offers * n_quarters, n_quarters),
        later=signed @ owed.transpose("offer", "signed").values.ravel(),
    )


def _vested(d: PlanInputs, played: Played) -> Moved | None:
    warrants = d.terms.warrants
    if warrants is None:
        return None
    weight = warrants.weight.transpose("warrant", "offer").values
    vests = np.minimum(np.einsum("wo,noq->nwq", weight, played.counted), warrants.most_mw.values[None, :, None])
    new = np.diff(np.maximum.accumulate(np.maximum(vests, 0.0), axis=2), prepend=0.0, axis=2)
    worth = (warrants.musd_per_mw * d.discount).transpose("warrant", "quarter").values
    return Moved(paid=np.zeros((len(new), len(d.quarters))), later=-np.einsum("nwq,wq->n", new, worth))


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


def _damages(d: PlanInputs, played: Played) -> Moved | None:
    """Received for what its vendor or provider withholds of what is due, cancelled or not."""
    rate = d.terms.damages_musd_per_mw
    if rate is None:
        return None
    weight = d.commitment_weight.transpose("commitment", "offer").values
    due = d.commitment_mw.transpose("commitment", "quarter").values
    anyway = due - weight @ played.planned
    short = np.maximum(anyway[None] + _withheld(d, played), 0.0) - np.maximum(anyway, 0.0)[None]
    return Moved(paid=-np.einsum("ncq,c->nq", short, rate.values), later=np.zeros(len(played.stock)))
