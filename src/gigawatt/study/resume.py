"""Files that an interrupted command goes on with: arrays, what they are of, and checksums that are checked first."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.__about__ import __version__
from gigawatt.core.reading import json_of, opened
from gigawatt.core.writing import whole_file

Arrays = dict[str, npt.NDArray[Any]]

_HEADER_BYTES = 4096  # of an array in the file, at most
_MOST_BYTES = 1 << 32


class UnusableError(ValueError):
    """Why a file cannot be gone on with."""


def write_state(path: Path, of: str, key: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Writes arrays under what they are of, such as "replay", and the key of all inputs. Raises OSError."""
    told = {"of": of, "key": key, "gigawatt": __version__, "arrays": {name: _told(a) for name, a in arrays.items()}}
    held: dict[str, Any] = {"state": np.array(json.dumps(told)), **arrays}
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **held)


def read_state(path: Path, of: str, *, most_bytes: int = _MOST_BYTES) -> tuple[str, Arrays]:
    """(key, arrays) of a file that ``write_state`` wrote.

    Raises UnusableError, with the reason, where the file is anything else: it is damaged, of another kind or of another
    version, or its arrays take more than ``most_bytes``.
    """
    try:
        with opened(path) as file, np.load(file, allow_pickle=False) as held:
            told = json_of(str(_member(path, held, "state", 1 << 20)))
            if told["of"] != of:
                raise UnusableError(f"it is of a {told['of']}")
            if told["gigawatt"] != __version__:
                raise UnusableError(f"gigawatt {told['gigawatt']} wrote it, this is {__version__}")
            if set(held.files) != {"state", *told["arrays"]}:
                raise UnusableError("it does not hold the arrays that were written")
            arrays: Arrays = {}
            for name, one in told["arrays"].items():
                arrays[name] = _member(path, held, name, most_bytes)
                most_bytes -= arrays[name].nbytes
                if _told(arrays[name]) != one:
                    raise UnusableError(f"its array '{name}' is not what was written")
            return str(told["key"]), arrays
    except UnusableError:
        raise
    except KeyError as error:
        raise UnusableError(f"it has no {error}") from error
    except Exception as error:  # whatever zip, its packers, numpy and JSON raise on bytes that others wrote
        raise UnusableError("it cannot be read as arrays") from error


@dataclass(frozen=True, slots=True)
class Like:
    """What a run expects of one array: its shape, numbers of one type and from ``least`` to ``most``."""

    shape: tuple[int, ...]
    dtype: npt.DTypeLike
    least: float = 0.0
    most: float = 2.0**53


def check_like(held: Mapping[str, npt.NDArray[Any]], likes: Mapping[str, Like]) -> None:
    """Raises UnusableError where arrays are not those that a run expects, whatever their checksums say."""
    if set(held) != set(likes):
        raise UnusableError(f"it does not hold the {len(likes)} arrays of this run")
    for name, like in likes.items():
        array = held[name]
        if array.shape != like.shape or array.dtype != like.dtype:
            told, right = (f"{list(one.shape)} {np.dtype(one.dtype)}" for one in (array, like))
            raise UnusableError(f"its array '{name}' is {told}, not {right} as this run expects")
        if not ((array >= like.least) & (array <= like.most)).all():
            raise UnusableError(f"its array '{name}' holds numbers beyond {like.least:g} to {like.most:g}")


def _member(path: Path, held: Any, name: str, most_bytes: int) -> npt.NDArray[Any]:
    """One array, its size looked up before it is read."""
    if name not in held.files:
        raise UnusableError(f"it has no array '{name}'")
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(f"{name}.npy").file_size
    if size > most_bytes + _HEADER_BYTES:
        raise UnusableError(f"its array '{name}' takes {size:,} bytes, more than this can hold")
    return np.asarray(held[name])


def _told(array: npt.NDArray[Any]) -> list[Any]:
    """What a checksum is over."""
    return [str(array.dtype), list(array.shape), hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()]
