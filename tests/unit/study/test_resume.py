"""Files to go on with are checked before anything in them is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gigawatt.study.resume import UnusableError, read_state, write_state

M, X = np.arange(6, dtype=np.int64), np.linspace(0.0, 1.0, 4)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    write_state(tmp_path / "r.npz", "replay", "k", {"m": M, "x": X})
    return tmp_path / "r.npz"


def changed(kept: Path, **arrays: np.ndarray) -> Path:
    with np.load(kept) as held:
        now = {name: held[name] for name in held.files} | arrays
    np.savez_compressed(kept, **{name: array for name, array in now.items() if array.size})
    return kept


def test_what_was_written_is_read(kept: Path) -> None:
    key, arrays = read_state(kept, "replay")
    assert key == "k" and (arrays["m"] == M).all() and (arrays["x"] == X).all() and set(arrays) == {"m", "x"}


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": X[:2]}, "its array 'x' is not what was written"),
        ({"m": M.astype(np.float64)}, "its array 'm' is not what was written"),
        ({"m": M.reshape(2, 3)}, "its array 'm' is not what was written"),
        ({"m": M + 1}, "its array 'm' is not what was written"),
        ({"m": M[:0]}, "it does not hold the arrays that were written"),
        ({"z": M}, "it does not hold the arrays that were written"),
        ({"state": M[:0]}, "it has no array 'state'$"),
        ({"state": M}, "it cannot be read as arrays"),
        ({"state": np.array("[]")}, "it cannot be read as arrays"),
        ({"state": np.array("{")}, "it cannot be read as arrays"),
        ({"state": np.array("[" * 100_000)}, "it cannot be read as arrays"),
    ],
)
def test_what_was_changed_is_refused(kept: Path, arrays: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(UnusableError, match=sentence):
        read_state(changed(kept, **arrays), "replay")


def test_other_files_are_refused(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="it is of a replay"):
        read_state(kept, "simulation")
    for name, content in (("t", b"text"), ("e", b""), ("half", kept.read_bytes()[:200])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnusableError, match="it cannot be read as arrays"):
            read_state(tmp_path / name, "replay")
    with (tmp_path / "one.npy").open("wb") as file:
        np.save(file, M)
    with pytest.raises(UnusableError, match="it cannot be read as arrays"):
        read_state(tmp_path / "one.npy", "replay")
    np.savez(tmp_path / "o.npz", state=np.array({"of": "replay"}, dtype=object))
    with pytest.raises(UnusableError, match="it cannot be read as arrays"):
        read_state(tmp_path / "o.npz", "replay")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    write_state(tmp_path / "r.npz", "replay", "k", {"m": np.zeros(10_000_000, dtype=np.int64)})
    assert (tmp_path / "r.npz").stat().st_size < 200_000
    with pytest.raises(UnusableError, match="its array 'm' takes 80,000,128 bytes, more than this can hold"):
        read_state(tmp_path / "r.npz", "replay", most_bytes=1_000_000)


def test_any_byte_that_flips_is_told(kept: Path) -> None:
    whole = kept.read_bytes()
    key, _ = read_state(kept, "replay")
    for place in range(len(whole)):
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found, arrays = read_state(kept, "replay")
        except UnusableError:
            continue
        assert found == key and (arrays["m"] == M).all() and (arrays["x"] == X).all()  # dates, and the like
