"""Labelled arrays as the planner reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr


def labelled(values: Any, **axes: Any) -> xr.DataArray:
    """A labelled array; the axes in their order, values in any shape that fills them."""
    shape = tuple(len(labels) for labels in axes.values())
    return xr.DataArray(
        np.reshape(values, shape), dims=list(axes), coords={dim: list(labels) for dim, labels in axes.items()}
    )
