"""Step times of one replica: the type that makers of performance fill and engines read.

A replica serves ``sequences`` running sequences of mean ``context`` tokens with one decode step, or computes
``new_tokens`` tokens of prompts behind ``cached`` ones with one prefill pass. Times stand on a grid and are bilinear
between its points; every point says whether it was measured, calibrated or extrapolated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import TableError
from gigawatt.core.reading import opened
from gigawatt.core.writing import write_whole
from gigawatt.perf.effort import Effort
from gigawatt.perf.grid import on_grid

if TYPE_CHECKING:
    import xarray as xr

Floats: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.int8]
Band = Literal["low", "central", "high"]
Maker = Literal["measured", "calibrated", "dataflow"]

BANDS: tuple[Band, ...] = ("low", "central", "high")
MAKERS: tuple[Maker, ...] = ("measured", "calibrated", "dataflow")
PROVENANCE = ("measured", "calibrated", "extrapolated")
MEASURED, CALIBRATED, EXTRAPOLATED = range(3)
_FORMAT = "gigawatt step table, version 1"

_AXES = {"sequences": "sequence", "context": "token", "new_tokens": "token", "cached": "token", "load": "1"}
_VALUES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "decode_s": (("band", "sequences", "context"), "s", "time of one decode step of the whole replica"),
    "prefill_s": (("band", "new_tokens", "cached"), "s", "time of one prefill pass"),
    "shared_s": (("band",), "s", "time counted in both when a step mixes decode and prefill"),
    "watts": (("band", "load"), "W", "IT power of the replica"),
    "decode_provenance": (("sequences", "context"), "1", "where a decode time comes from"),
    "prefill_provenance": (("new_tokens", "cached"), "1", "where a prefill time comes from"),
}
_TEXTS = ("system", "model", "layout", "precision", "software", "maker")
_EFFORT: dict[str, tuple[tuple[str, ...], str]] = {
    "sequences": (("effort_sequences",), "sequence"),
    "context": (("effort_context",), "token"),
    "decode_s": (("peak_of", "effort_sequences", "effort_context"), "s"),
    "new_tokens": (("effort_new_tokens",), "token"),
    "cached": (("effort_cached",), "token"),
    "prefill_s": (("peak_of", "effort_new_tokens", "effort_cached"), "s"),
    "shared_s": (("peak_of",), "s"),
    "weights": (("effort_weight",), "1"),
}  # of ``perf.effort.Effort``: dimensions and unit
_SCALARS = {"kv_bytes_per_token": "byte/token", "state_bytes_per_sequence": "byte", "kv_capacity_tokens": "token"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a maker gives no table for (system, model): one sentence."""

    system: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepTable:
    """Step times, cache and power of one replica of (system, layout, model, precision, software level).

    ``low``, ``central``, ``high`` are the order of the first axis of every time and power: low is the fast end of
    the range. Times never fall with more sequences, more context or more new tokens. Arrays are copied and read-only.

    Args:
        layout, precision, software: names, as the maker wrote them.
        n_packages: packages of the replica.
        sources: keys of what the times rest on.
        sequences: (n,) running sequences of the whole replica.
        context: (m,) mean tokens in cache per sequence, before the step.
        decode_s: (3, n, m) one token for each sequence [s].
        new_tokens: (p,) prompt tokens of the pass, whole replica.
        cached: (q,) tokens of the prefix that are in cache already.
        prefill_s: (3, p, q) one pass [s].
        shared_s: (3,) what decode and prefill both count (weights read once, one launch) [s].
        decode_provenance: (n, m) index into PROVENANCE.
        prefill_provenance: (p, q) index into PROVENANCE.
        kv_bytes_per_token: cache of one token, as stored in the whole replica [byte].
        state_bytes_per_sequence: what a sequence keeps besides, whatever its length [byte].
        kv_capacity_tokens: tokens the cache of the whole replica holds.
        load: (k,) how hard its packages work, from waiting to design power, in 0..1.
        watts: (3, k) IT power of the replica [W].
        effort: says the load of what a replica does; without it a busy replica has load 1.

    Raises:
        TableError: a shape, an axis or a time is wrong; the sentence says what and where.
    """

    system: str
    model: str
    layout: str
    precision: str
    software: str
    maker: Maker
    n_packages: int
    sources: tuple[str, ...]
    sequences: Floats
    context: Floats
    decode_s: Floats
    new_tokens: Floats
    cached: Floats
    prefill_s: Floats
    shared_s: Floats
    decode_provenance: Codes
    prefill_provenance: Codes
    kv_bytes_per_token: float
    state_bytes_per_sequence: float
    kv_capacity_tokens: float
    load: Floats
    watts: Floats
    effort: Effort | None = None

    def __post_init__(self) -> None:
        for name in (*_AXES, *_VALUES):
            kind = np.int8 if name.endswith("_provenance") else np.float64
            array = np.array(getattr(self, name), dtype=kind)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        _check_labels(self)
        _check_axes(self)
        _check_values(self)

    def decode(self, sequences: npt.ArrayLike, context: npt.ArrayLike, band: Band = "central") -> Floats:
        """Time of one decode step [s]; arguments broadcast.

        Bilinear in the cell of (sequences, context). Beyond the grid the border cell is continued linearly, and the
        time is never negative: far outside, read the provenance instead of trusting it.
        """
        return on_grid(sequences, context, self.sequences, self.context, self.decode_s[BANDS.index(band)])

    def prefill(self, new_tokens: npt.ArrayLike, cached: npt.ArrayLike, band: Band = "central") -> Floats:
        """Time of one prefill pass of ``new_tokens`` tokens behind ``cached`` ones [s]; rules as for ``decode``."""
        return on_grid(new_tokens, cached, self.new_tokens, self.cached, self.prefill_s[BANDS.index(band)])

    def mixed(
        self,
        sequences: npt.ArrayLike,
        context: npt.ArrayLike,
        new_tokens: npt.ArrayLike,
        cached: npt.ArrayLike,
        band: Band = "central",
    ) -> Floats:
        """Time of a step that decodes ``sequences`` and prefills ``new_tokens`` [s].

            t = decode + prefill - min(shared, decode, prefill)       sequences > 0 and new_tokens > 0

        Without new tokens it is ``decode``, without sequences ``prefill``, without either 0. A mixed step is
        never shorter than either of its parts.
        """
        tokens = np.asarray(new_tokens, dtype=np.float64)
        running = np.asarray(sequences, dtype=np.float64)
        decode = np.where(running > 0.0, self.decode(running, context, band), 0.0)
        prefill = np.where(tokens > 0.0, self.prefill(tokens, cached, band), 0.0)
        shared = np.minimum(self.shared_s[BANDS.index(band)], np.minimum(decode, prefill))
        return np.asarray(decode + prefill - shared)

    def watts_at(self, load: npt.ArrayLike, band: Band = "central") -> Floats:
        """IT power of the replica at ``load`` [W]: linear between points and beyond them, never negative."""
        flat = np.zeros(1)
        return on_grid(load, 0.0, self.load, flat, self.watts[BANDS.index(band)][:, None])

    def as_dataset(self) -> xr.Dataset:
        """The table with named axes; every variable carries its unit, identity stands in the attributes."""
        import xarray as xr

        points = {"flag_values": np.arange(len(PROVENANCE), dtype=np.int8), "flag_meanings": " ".join(PROVENANCE)}
        variables: dict[str, Any] = {}
        for name, (dims, unit, meaning) in _VALUES.items():
            flags = points if name.endswith("_provenance") else {}
            variables[name] = (dims, getattr(self, name), {"units": unit, "long_name": meaning} | flags)
        for name, unit in _SCALARS.items():
            variables[name] = ((), np.float64(getattr(self, name)), {"units": unit})
        for name, (dims, unit) in _EFFORT.items() if self.effort else ():
            variables[f"effort_{name}"] = (dims, getattr(self.effort, name), {"units": unit})
        axes = {name: ((name,), getattr(self, name), {"units": unit}) for name, unit in _AXES.items()}
        bands = {"band": (("band",), np.array(BANDS, dtype=object), {"units": "1"})}
        identity: dict[str, Any] = {name: getattr(self, name) for name in _TEXTS}
        identity |= {"n_packages": self.n_packages, "sources": json.dumps(self.sources), "format": _FORMAT}
        return xr.Dataset(variables, coords=axes | bands, attrs=identity)

    def save(self, path: Path) -> None:
        """Writes one netCDF-4 file that can be read without this code. Raises TableError where it cannot write."""
        if not path.parent.is_dir():
            raise TableError(
                f"the step table cannot be written to {path}: there is no folder {path.parent.name}; make it or choose "
                "another file"
            )
        try:
            write_whole(path, self.as_dataset().to_netcdf(engine="h5netcdf"))  # HDF5 does not survive a full disk
        except OSError as error:
            raise TableError(
                f"the step table cannot be written to {path}: {error.strerror}; choose another file"
            ) from error


def load_table(path: Path) -> StepTable:
    """The table that ``StepTable.save`` wrote, bit for bit. Raises TableError where the file is not one."""
    import xarray as xr

    try:
        with opened(path) as file, xr.open_dataset(file, engine="h5netcdf", decode_cf=False) as data:
            held = data.load()
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read as a step table: {error}") from error
    if held.attrs.get("format") != _FORMAT:
        raise TableError(f"{path} is no step table: its attribute 'format' is not '{_FORMAT}'")
    missing = [name for name in (*_AXES, *_VALUES, *_SCALARS) if name not in held.variables]
    missing += [name for name in (*_TEXTS, "n_packages", "sources") if name not in held.attrs]
    if missing:
        raise TableError(f"{path} lacks '{missing[0]}'; a step table needs it")
    fields: dict[str, Any] = {name: held.attrs[name] for name in _TEXTS}
    fields |= {name: held[name].values for name in (*_AXES, *_VALUES)}
    fields |= {name: float(held[name]) for name in _SCALARS}
    if all(f"effort_{name}" in held.variables for name in _EFFORT):
        fields["effort"] = Effort(**{name: held[f"effort_{name}"].values for name in _EFFORT})
    sources = tuple(json.loads(held.attrs["sources"]))
    return StepTable(**fields, n_packages=int(held.attrs["n_packages"]), sources=sources)


def _who(table: StepTable) -> str:
    return f"step table of {table.model} on {table.system} ({table.layout})"


def _check_labels(table: StepTable) -> None:
    who = _who(table)
    if table.maker not in get_args(Maker):
        raise TableError(f"{who}: maker is '{table.maker}'; it is one of {', '.join(MAKERS)}")
    if table.n_packages < 1:
        raise TableError(f"{who}: n_packages is {table.n_packages}; a replica has at least 1")
    for name in _SCALARS:
        value = getattr(table, name)
        if not np.isfinite(value) or value < 0.0:
            raise TableError(f"{who}: {name} is {value:g}; it must be finite and not negative")


def _check_axes(table: StepTable) -> None:
    who = _who(table)
    for name in _AXES:
        axis = getattr(table, name)
        if axis.ndim != 1 or not axis.size:
            raise TableError(f"{who}: {name} has shape {axis.shape}; an axis is one row of at least one point")
        if not np.isfinite(axis).all() or axis[0] < 0.0:
            raise TableError(f"{who}: {name} must be finite and not negative")
        steps = np.flatnonzero(np.diff(axis) <= 0.0)
        if steps.size:
            k = int(steps[0])
            raise TableError(
                f"{who}: {name} must increase strictly, but {name}[{k + 1}] = {axis[k + 1]:g} follows {axis[k]:g}"
            )
    if table.load[-1] > 1.0:
        raise TableError(f"{who}: load reaches {table.load[-1]:g}; it is a share between 0 and 1")


def _check_values(table: StepTable) -> None:
    who = _who(table)
    for name, (dims, _unit, _meaning) in _VALUES.items():
        array = getattr(table, name)
        wanted = tuple(len(BANDS) if dim == "band" else len(getattr(table, dim)) for dim in dims)
        if array.shape != wanted:
            raise TableError(f"{who}: {name} has shape {array.shape}; its axes ({', '.join(dims)}) make it {wanted}")
        if name.endswith("_provenance"):
            _forbid(who, name, dims, array, (array < 0) | (array >= len(PROVENANCE)), f"codes are {_code_text()}")
            continue
        least = array > 0.0 if name in ("decode_s", "prefill_s") else array >= 0.0
        rule = "must be finite and positive" if name in ("decode_s", "prefill_s") else "must be finite and not negative"
        _forbid(who, name, dims, array, ~(np.isfinite(array) & least), rule)
        falls = np.zeros(array.shape, dtype=bool)
        falls[1:] = np.diff(array, axis=0) < 0.0
        _forbid(who, name, dims, array, falls, "must keep low <= central <= high")
        for dim in ("sequences", "context", "new_tokens"):
            if dim in dims:
                place = dims.index(dim)
                steps = np.diff(array, axis=place, prepend=np.take(array, [0], axis=place))
                _forbid(who, name, dims, array, steps < 0.0, f"must not fall along {dim}")


def _code_text() -> str:
    return ", ".join(f"{code} ({word})" for code, word in enumerate(PROVENANCE))


def _forbid(
    who: str, name: str, dims: tuple[str, ...], array: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], rule: str
) -> None:
    """Raises TableError naming the first point of ``array`` that is ``wrong``."""
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = ", ".join(f"{dim} {BANDS[k] if dim == 'band' else k}" for dim, k in zip(dims, at, strict=True))
        raise TableError(f"{who}: {name} {rule}, but it is {array[at]:g} at {where}")
