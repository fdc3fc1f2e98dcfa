"""What lateness does to what was to come: rows of quarters pushed, and the orders that arrive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def pushed(table: Floats, late: Ints, before: Floats | float = 0.0) -> Floats:
    """(draw, row, quarter): what was to come (row, quarter), each row ``late`` (draw, row) quarters later.

    Until it comes stands what stood ``before`` (row) the first quarter. Sooner where ``late`` is negative: then the
    last quarter's value goes on to the end.

    >>> pushed(np.array([[1.0, 2.0, 3.0]]), np.array([[1], [-1]])).tolist()
    [[[0.0, 1.0, 2.0]], [[2.0, 3.0, 3.0]]]
    """
    source = np.arange(table.shape[1])[None, None, :] - late[:, :, None]
    at = np.clip(source, 0, table.shape[1] - 1)
    later = np.take_along_axis(np.broadcast_to(table, (len(late), *table.shape)), at, axis=2)
    stood = np.broadcast_to(np.asarray(before, dtype=np.float64), table.shape[:1])
    return np.asarray(np.where(source >= 0, later, stood[None, :, None]))


def moved(row: Floats, steps: Sequence[tuple[int, int]], before: float, gap: float | None = None) -> Floats:
    """(quarter) a row of which what was to come from a place on comes some quarters later: ``steps`` one by one.

    In the gap stands ``gap``, or what stood in the quarter before the place: ``before`` where that is the first.

    >>> moved(np.array([0.0, 1.0, 2.0, 3.0]), [(2, 1)], 0.0).tolist()
    [0.0, 1.0, 1.0, 2.0]
    """
    for place, late in steps:
        begin = max(0, place + min(late, 0))
        stood = gap if gap is not None else float(row[place - 1]) if 0 < place <= len(row) else before
        row = np.append(row[:begin], pushed(row[None, begin:], np.array([[late]]), stood)[0, 0])
    return row


def meant_for(n_quarters: int, lead: int, steps: Sequence[tuple[int, int]]) -> Ints:
    """(quarter) quarter for which what arrives was ordered, -1 where nothing can arrive.

    An order is placed ``lead`` before the quarter it is meant for. What was placed before a step's place, for a quarter
    from it on, comes ``late`` quarters after it was meant to; so nothing arrives in the first ``late`` quarters, and
    what is ordered knowing of the delay comes behind what was ordered before.

    >>> meant_for(6, 1, [(2, 2)]).tolist()
    [0, 1, -1, -1, 2, 5]
    """
    meant = np.arange(n_quarters, dtype=np.int64)
    for quarter in range(n_quarters):
        for place, late in reversed(steps):
            if late > 0 and place <= meant[quarter] < place + late + lead + (lead == 0):
                meant[quarter] -= late
                if meant[quarter] < place:
                    meant[quarter] = -1
                    break
    return meant


def drawn_from(meant: Ints, tests: Ints, like: xr.DataArray) -> xr.DataArray:
    """(offer, quarter) place of the quarter whose supply an acceptance draws on, -1 for none.

    What a delay pushes keeps its place in the supply of the quarter it was ordered for.

    Args:
        meant: (offer, quarter) quarter for which what is accepted was ordered, -1 for none.
        tests: (offer) quarters of tests before acceptance.
        like: whose axes it has.
    """
    return like.copy(data=np.where(meant >= 0, np.maximum(meant - tests[:, None], -1), -1))
