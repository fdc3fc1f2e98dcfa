"""Series of hours: the clock that a column of times tells, and what is odd about it, by row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gigawatt.core.errors import TraceError
from gigawatt.demand.blocks import blocks_of
from gigawatt.demand.hours import read_hours
from tests.doors.inside import called

CHICAGO = pd.date_range("2026-01-01", "2026-12-31 23:00", freq="h", tz="America/Chicago")
LOCAL = CHICAGO.tz_localize(None)
FORWARD, BACK = 24 * (31 + 28 + 7) + 3, 24 * 304 + 2
"""Rows of 2026-03-08 3:00 and of the second 1:00 of 2026-11-01: 66 days and 3 hours; 304 days, less one hour, and 3."""


def written(folder: Path, times: Iterable[Any], head: str = "time,demand") -> Path:
    path = folder / "y.csv"
    path.write_text(f"{head}\n" + "".join(f"{time},{k % 24 + k % 7}\n" for k, time in enumerate(times)))
    return path


def said(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        read_hours(path)
    return str(caught.value).removeprefix(str(path)).lstrip(",: ")


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p"]
)
def test_a_clock_that_is_changed_is_named_by_row_however_it_is_written(tmp_path: Path, form: str) -> None:
    found = read_hours(written(tmp_path, LOCAL.strftime(form)))
    assert found.notes == (
        f"2026-03-08 has 23 hours or a row too few: 2:00 is missing before row {FORWARD:,}",
        f"2026-11-01 has 25 hours or a row too many: 1:00 stands twice, at rows {BACK - 1:,} and {BACK:,}",
    )
    assert np.array_equal(found.clock_h, LOCAL.hour)


def test_offsets_from_utc_tell_a_changed_clock_from_a_lost_row(tmp_path: Path) -> None:
    times = [one.isoformat() for one in CHICAGO]
    found = read_hours(written(tmp_path, times))
    changes = (
        f"2026-03-08 has 23 hours: the clock goes from 1:00 to 3:00 at row {FORWARD:,}",
        f"2026-11-01 has 25 hours: the clock goes from 1:00 to 1:00 at row {BACK:,}",
    )
    assert found.notes == changes and np.array_equal(found.clock_h, LOCAL.hour)
    lines = "".join(json.dumps({"time": time, "demand": 1.0 + k % 24}) + "\n" for k, time in enumerate(times))
    (tmp_path / "y.jsonl").write_text(lines)
    pd.DataFrame({"time": CHICAGO, "demand": np.arange(8760.0)}).to_parquet(tmp_path / "y.parquet")
    for name in ("y.jsonl", "y.parquet"):
        other = read_hours(tmp_path / name)
        assert other.notes == changes and np.array_equal(other.clock_h, LOCAL.hour), name
    utc = read_hours(written(tmp_path, CHICAGO.tz_convert("UTC")))
    assert utc.notes == () and utc.clock_h[0] == 6.0


def test_hours_by_their_end(tmp_path: Path) -> None:
    """As grid operators publish them: 24:00 for midnight, or a day and a number up to 23, 24 or 25."""
    ends = [f"{one:%m/%d/%Y} {one.hour + 1:02d}:00" for one in LOCAL]
    found = read_hours(written(tmp_path, ends, "Hour Ending,demand"))
    assert np.array_equal(found.clock_h, LOCAL.hour) and len(found.notes) == 2
    day = pd.Series(LOCAL.strftime("%Y-%m-%d"))
    counted = day.groupby(day).cumcount() + 1
    rows = [f"{one},{number:02d}" for one, number in zip(day, counted, strict=True)]
    found = read_hours(written(tmp_path, rows, "OperDay,HourEnding,demand"))
    autumn = np.asarray(day == "2026-11-01")
    assert found.clock_h[autumn].tolist() == [0, 1, 1, *range(2, 24)]
    assert found.notes[1].startswith("2026-11-01 has 25 hours or a row too many: 1:00 stands twice")
    assert found.demand.sum() == sum(k % 24 + k % 7 for k in range(8760))  # no hour is lost or made


def test_rows_that_are_missing_or_stand_twice(tmp_path: Path) -> None:
    year = pd.date_range("2026-01-01", periods=8760, freq="h")
    span = "from 2026-01-01 00:00 to 2026-12-31 23:00: a year has 8,760 hours, a leap year 8,784"
    found = read_hours(written(tmp_path, year.delete(4000)))  # 166 days and 16 hours
    assert found.notes == (
        "2026-06-16 has 23 hours or a row too few: 16:00 is missing before row 4,001", f"8,759 rows, {span}",
    )  # fmt: skip
    assert found.clock_h[4000] == 17.0
    found = read_hours(written(tmp_path, year.insert(4000, year[4000])))
    assert found.notes == (
        "2026-06-16 has 25 hours or a row too many: 16:00 stands twice, at rows 4,001 and 4,002", f"8,761 rows, {span}",
    )  # fmt: skip
    found = read_hours(written(tmp_path, year.delete(range(100, 300))))
    assert found.notes[0] == "200 hours are missing before row 101, from 2026-01-05 04:00"
    found = read_hours(written(tmp_path, year.delete(range(50, 8000, 200))))
    assert len(found.notes) == 13 and found.notes[-1] == "and 29 more"


def test_without_times_the_number_of_rows_is_all_there_is_to_say(tmp_path: Path) -> None:
    whole = "a year has 8,760 hours, a leap year 8,784"
    parted = (
        "days are not whole, and without a column of times nothing says which hours are missing or extra: those after "
        "them count at another time of day"
    )
    for n, notes in (
        (8760, ()), (8784, ("8,784 rows: the hours of a leap year",)), (8759, (f"8,759 rows: {whole}", parted)),
        (48, (f"48 rows: {whole}",)),
    ):  # fmt: skip
        assert read_hours(written(tmp_path, [1] * n, "price,demand")).notes == notes
    counted = read_hours(written(tmp_path, range(8760)))  # numbers of hours are no times
    assert counted.notes == () and counted.clock_h[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("demand,price\n1,2\n1,2,3\n", "row 2: has 3 fields where the header names 2"),
        ("demand\n1\n2\n\n3\n", "line 4: is blank; an hour's demand, or no line at all, is right"),
        ("time,demand\n2026-01-01 00:00,1\nsoon,2\n", "row 2: time is 'soon'; a date and time such as 2026-03-08 01:00 is right"),
        ("time,demand\n2026-02-30 00:00,1\n", "row 1: time is '2026-02-30 00:00'; a date and time such as 2026-03-08 01:00 is right"),
        ("time,demand\n2026-01-01 01:00,1\n2026-01-01 00:00,1\n", "row 2: 2026-01-01 00:00 is before the row before; an hour on is right"),
        ("time,demand\n2026-01-01 00:00,1\n2026-01-01 01:00,1\n2026-01-01 02:30,1\n2026-01-01 03:30,1\n", "row 3: 2026-01-01 02:30 is 90 minutes after the row before; an hour on is right"),
        ("time,demand\n2026-01-01 00:00,1\n2026-01-01 00:15,1\n2026-01-01 00:30,1\n", "rows are 15 minutes apart; an hour a row is right"),
        ("time,demand\n2026-01-01T00:00Z,1\n2026-01-01T01:00,1\n", "row 2: time has no offset from UTC where others do; one way is right"),
        ("load\n1\n", "has no column demand; it has load"),
        ("demand\n" + "1\n" * 87_841, "has 87,841 rows; up to 87,840 hours, ten years, are right"),
    ],
)  # fmt: skip
def test_what_is_no_series_of_hours(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "y.csv").write_text(text)
    assert said(tmp_path / "y.csv") == sentence


def series(seed: int, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A load with a day, a season and noise of random sizes."""
    draw, hour = np.random.default_rng(seed), np.arange(n)
    day, season, noise = draw.uniform(5.0, 40.0), draw.uniform(0.0, 20.0), draw.uniform(1.0, 15.0)
    wave = day * np.sin(2.0 * np.pi * (hour % 24 - draw.uniform(0.0, 24.0)) / 24.0)
    return np.asarray(
        100.0 + wave + season * np.sin(2.0 * np.pi * hour / 8766.0) + noise * draw.standard_normal(n)
    ).clip(0)


def one_day_more(seed: int, n: int) -> float:
    """Largest change of a block's hours [h] where the year has the leap day's 24 rows more."""
    year = series(seed, 8784)
    found = [blocks_of(hours, n)[0] for hours in (year, year[:8760])]
    levels = [sorted((one.load, one.hours) for one in blocks) for blocks in found]
    assert len(levels[0]) == len(levels[1])
    return max(abs(a[1] - b[1]) for a, b in zip(*levels, strict=True))


@pytest.mark.parametrize(("seed", "n"), [(0, 3), (1, 4), (2, 5)])
def test_one_day_more_does_not_flip_the_blocks(seed: int, n: int) -> None:
    assert one_day_more(seed, n) < 0.5  # 2 % of the day; one search for clusters alone moves them by up to 4 h


@pytest.mark.heavy
@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_one_day_more_flips_none_of_a_hundred_years(n: int) -> None:
    moved = [one_day_more(seed, n) for seed in range(100)]
    assert max(moved) < 0.75, f"{moved}"


def test_the_door_says_what_is_odd(tmp_path: Path) -> None:
    path = written(tmp_path, LOCAL)
    code, out, _ = called("blocks", str(path), "--blocks", "3", "--json")
    assert code == 0 and len(json.loads(out)["notes"]) == 2
    code, out, _ = called("blocks", str(path), "--blocks", "3")
    assert f"# 2026-03-08 has 23 hours or a row too few: 2:00 is missing before row {FORWARD:,}" in out.splitlines()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('"1,5"', "'1,5'"), ("9**9", "'9**9'"), ("٣", "'٣'"), ("-2", "-2"), ("-2.5", "-2.5"), ("inf", "inf"),
        ("nan", "no number"), ("NA", "no number"), ("true", "'true'"), ("0x10", "'0x10'"),
    ],
)  # fmt: skip
def test_what_is_no_demand_is_named_as_it_is_written(tmp_path: Path, value: str, told: str) -> None:
    path = tmp_path / "y.csv"
    path.write_text("demand,price\n" + "5,1\n" * 30 + f"{value},1\n" + "6,1\n" * 17, encoding="utf-8")
    assert said(path) == f"row 31: demand is {told}; a number of at least 0 is right"
    if not value.startswith("-"):
        path.write_text("demand,price\n" + "5,1\n" * 30 + f"6,{value}\n" + "6,1\n" * 17, encoding="utf-8")
        assert said(path) == f"row 31: price is {told}; a number is right"
