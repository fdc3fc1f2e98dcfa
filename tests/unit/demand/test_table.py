"""Tables that are hostile, broken or merely odd: one sentence with the row, in bounded memory, from every kind of file."""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gigawatt.core.errors import TraceError
from gigawatt.demand import table
from gigawatt.demand.traces import read_trace

HEAD = "arrival_s,input_tokens,output_tokens\n"
ROW: dict[str, Any] = {"arrival_s": 0, "input_tokens": 10, "output_tokens": 2}


def said(path: Path, **how: Any) -> str:
    """The sentence without the path in front."""
    with pytest.raises(TraceError) as caught:
        read_trace(path, **how)
    return str(caught.value).removeprefix(str(path)).lstrip(",: ")


def lines(folder: Path, *rows: Any) -> Path:
    path = folder / "t.jsonl"
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in rows))
    return path


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "t.parquet"
    plain = {"arrival_s": [0.0, 1.0], "input_tokens": [3, 4], "output_tokens": [1, 2]}
    pq.write_table(pa.table({**plain, **columns}), path)
    return path


LEFT_OUT = ". --skip-bad leaves such rows out, listed"


# ------------------------------------------------------------------ values of the wrong kind


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("session", [1], "session is [1]; one number or text, not a list, is right"),
        ("session", {"a": 1}, "session is {'a': 1}; one number or text, not an object, is right"),
        ("class", ["chat"], "class is ['chat']; one number or text, not a list, is right"),
        ("shared_tokens", [1], "shared_tokens is [1]; one number or text, not a list, is right"),
        ("shared_tokens", "x", "shared_tokens is 'x'; a whole number up to the row's input, or -1 where it is unknown, is right"),
        ("shared_tokens", 11, "shared_tokens is 11; a whole number up to the row's input, or -1 where it is unknown, is right"),
        ("previous_row", 99, "previous_row is 99; the number of an earlier row of its session, from 0, or -1 is right"),
        ("previous_row", 1, "previous_row is 1; the number of an earlier row of its session, from 0, or -1 is right"),
        ("previous_row", -7, "previous_row is -7; the number of an earlier row of its session, from 0, or -1 is right"),
        ("previous_row", "x", "previous_row is 'x'; the number of an earlier row of its session, from 0, or -1 is right"),
        ("previous_row", 0.5, "previous_row is 0.5; the number of an earlier row of its session, from 0, or -1 is right"),
        ("input_tokens", True, "input_tokens is 'true'; a whole number of at least 1 is right"),
        ("arrival_s", True, "arrival_s is 'true'; a time in seconds or a date is right, from 1970 to 2255"),
        ("hash_ids", [None, 1], "hash_ids is [None, 1]; a list of whole numbers, [1, 2], is right"),
        ("hash_ids", [1.5], "hash_ids is [1.5]; a list of whole numbers, [1, 2], is right"),
        ("block_tokens", 1.5, "block_tokens is 1.5; a whole number of tokens from 1 to 1,048,576 is right"),
        ("block_tokens", 1e300, "block_tokens is 1e+300; a whole number of tokens from 1 to 1,048,576 is right"),
        ("block_tokens", 32, "block_tokens is 32, not 16 as before; blocks of one size are right"),
        ("priority", 1e300, "priority is 1e+300; a whole number of at least 0 and up to 1,000,000 is right"),
        ("think_s", 1e300, "think_s is 1e+300; seconds of at least 0 and up to 1e9 are right"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_by_row(tmp_path: Path, column: str, value: Any, sentence: str) -> None:
    good = ROW | {"session": 7, "think_s": 1, "shared_tokens": 1, "previous_row": -1, "hash_ids": [1], "class": "chat"}
    good |= {"block_tokens": 16, "priority": 0}
    path = lines(tmp_path, good, good | {column: value})
    assert said(path) == f"row 2: {sentence}{LEFT_OUT}"
    trace = read_trace(path, skip_bad=True)
    assert trace.requests.line.tolist() == [1] and [one.line for one in trace.bad] == [2]


def test_a_row_follows_one_of_its_session(tmp_path: Path) -> None:
    rows = [ROW | {"session": s, "think_s": 1, "previous_row": p} for s, p in (("a", -1), ("b", -1), ("a", 0))]
    assert read_trace(lines(tmp_path, *rows)).requests.previous.tolist() == [-1, -1, 0]
    rows[2]["previous_row"] = 1
    assert said(lines(tmp_path, *rows)).startswith(
        "row 3: previous_row is 1; the number of an earlier row of its session"
    )
    # rows are counted as they stand in the file, whatever is left out
    rows[0]["input_tokens"], rows[2]["previous_row"] = 0, 0
    assert read_trace(lines(tmp_path, *rows), skip_bad=True).requests.previous.tolist() == [-1, -1]


def test_nothing_is_nothing(tmp_path: Path) -> None:
    path = lines(tmp_path, ROW, ROW | {"shared_tokens": None}, ROW | {"shared_tokens": 4})
    assert read_trace(path).requests.shared_tokens.tolist() == [-1, -1, 4]


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("0x10", "arrival_s is '0x10'; a time in seconds or a date is right, from 1970 to 2255"),
        ("true", "arrival_s is 'true'; a time in seconds or a date is right, from 1970 to 2255"),
        ("1600-01-01", "arrival_s is 1600-01-01; a time in seconds or a date is right, from 1970 to 2255"),
        ("9999-01-01 00:00:00", "arrival_s is 9999-01-01 00:00:00; a time in seconds or a date is right, from 1970 to 2255"),
        ("2026-02-30", "arrival_s is '2026-02-30'; a time in seconds or a date is right, from 1970 to 2255"),
        ("\u0661", "arrival_s is '\u0661'; a time in seconds or a date is right, from 1970 to 2255"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_row(tmp_path: Path, cell: str, sentence: str) -> None:
    (tmp_path / "t.csv").write_text(f"{HEAD}{cell},10,10\n", encoding="utf-8")
    assert said(tmp_path / "t.csv") == f"row 1: {sentence}{LEFT_OUT}"


def test_hexadecimal_is_refused_where_it_is_a_number_and_a_label_where_it_is_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEAD.replace("\n", ",session\n") + "0,0x10,1,0xa1\n")
    assert said(path) == f"row 1: input_tokens is '0x10'; a whole number of at least 1 is right{LEFT_OUT}"
    path.write_text(HEAD.replace("\n", ",session\n") + "0,16,1,0xa1\n1,16,1,0xa1\n2,16,1,161\n")
    assert read_trace(path).requests.session.tolist() == [0, 0, 1]


# ------------------------------------------------------------------ JSON


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"arrival_s": 0, "arrival_s": 5, "input_tokens":1,"output_tokens":1}', "does not stand: the key 'arrival_s' stands twice"),
        ('{"arrival_s": 0, "arrival_\\u0073": 5, "input_tokens":1,"output_tokens":1}', "does not stand: the key 'arrival_s' stands twice"),
        ('{"arrival_s": 0, "input_tokens":1,"output_tokens":1, "a": {"b": 1, "b": 2}}', "does not stand: the key 'b' stands twice"),
        ('{"a":' + "[" * 200_000 + "]" * 200_000 + "}", "does not stand: lists and objects stand more than 64 deep within each other"),
        ('{"arrival_s": 0, "input_tokens":1,"output_tokens":1, "class": "\\ud800"}', r"does not stand: half a surrogate pair, '\ud800', is no text"),
        ('{"arrival_s": ' + "9" * 5000 + ', "a": "\\n"}', "does not stand: 'arrival_s' holds a whole number of 5,000 digits; up to 40 are read"),
    ],
)  # fmt: skip
def test_json_that_says_two_things_is_refused_by_row(tmp_path: Path, text: str, sentence: str) -> None:
    path = lines(tmp_path, ROW, text, ROW)
    assert said(path) == f"row 2: {sentence}{LEFT_OUT}"
    assert read_trace(path, skip_bad=True).requests.line.tolist() == [1, 3]


def test_an_object_over_many_lines_is_not_followed_into_its_depth(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a":\n' * 100_000)
    assert said(path).startswith("holds no row that stands: row 1: is no JSON object; one request a line is right")


def test_line_by_line_says_what_arrow_says(tmp_path: Path) -> None:
    """The exact reader, which one escape brings in, gives the same columns as the fast one, over parts too."""
    rows = [{"arrival_s": k / 2, "input_tokens": 1 + k % 9, "output_tokens": 3, "class": "a"} for k in range(70_000)]
    rows[69_000]["session"] = "late"  # a column that the first part of rows does not have
    fast = read_trace(lines(tmp_path, *rows)).requests
    rows[0]["note"] = "\n"
    slow = read_trace(lines(tmp_path, *rows)).requests
    for name in ("arrival_s", "input_tokens", "output_tokens", "session", "stream"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), name
    rows[1]["class"] = 5  # kinds that differ become text
    assert [one.name for one in read_trace(lines(tmp_path, *rows)).requests.streams] == ["a", "5"]


def test_text_keeps_its_letters_where_kinds_differ(tmp_path: Path) -> None:
    path = lines(tmp_path, ROW | {"class": "\u00dcbung"}, ROW | {"class": 5})
    assert [one.name for one in read_trace(path).requests.streams] == ["\u00dcbung", "5"]


# ------------------------------------------------------------------ parquet


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("arrival_s", pa.array([0, 10**15], pa.timestamp("ms")), "row 2: arrival_s is '1000000000000000 timestamp[ms]'; a time in seconds or a date is right, from 1970 to 2255"),
        ("arrival_s", pa.array([0, 10**15], pa.timestamp("ms", "UTC")), "row 2: arrival_s is '1000000000000000 timestamp[ms, tz=UTC]'; a time in seconds or a date is right, from 1970 to 2255"),
        ("class", pa.array([b"a", b"\xff"]), r"row 2: class is b'\xff', no UTF-8 text"),
        ("input_tokens", pa.array([1, 1], pa.date32()), "row 1: input_tokens is 1970-01-02; a whole number of at least 1 is right. 1 more rows do not stand"),
        ("session", pa.array([["a"], None]), "row 1: session is ['a']; one number or text, not a list, is right"),
        ("class", pa.array([None, {"a": 1}]), "row 2: class is {'a': 1}; one number or text, not an object, is right"),
    ],
)  # fmt: skip
def test_columns_of_parquet_are_refused_by_row(tmp_path: Path, column: str, values: Any, sentence: str) -> None:
    assert said(parquet(tmp_path, **{column: values})) == f"{sentence}{LEFT_OUT}"


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("arrival_s", pa.array([10**9, 10**9 + 3], pa.timestamp("s")), [0.0, 3.0]),
        ("arrival_s", pa.array([datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]), [0.0, 86_400.0]),
        ("arrival_s", pa.array([1500, 2500], pa.duration("ms")), [1.5, 2.5]),
        ("arrival_s", pa.array([decimal.Decimal("1.5"), decimal.Decimal("2.5")]), [1.5, 2.5]),
        ("input_tokens", pa.array([5, 6]).dictionary_encode(), [5, 6]),
        ("input_tokens", pa.array([5.0, 6.0], pa.float16()), [5, 6]),
        ("block_ids", pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)), [1, 2, 3, 4]),
        ("block_ids", pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), [1, 2]),
    ],
)  # fmt: skip
def test_columns_of_parquet_of_unusual_types_are_read(
    tmp_path: Path, column: str, values: Any, found: list[Any]
) -> None:
    requests = read_trace(parquet(tmp_path, **{column: values})).requests
    assert getattr(requests, column).tolist() == found


def test_an_unknown_time_zone_is_named(tmp_path: Path) -> None:
    path = parquet(tmp_path, arrival_s=pa.array([0, 1], pa.timestamp("s", "Foo/Bar")))
    assert said(path) == "arrival_s is in the time zone 'Foo/Bar', which is not known here; UTC is right"


def test_broken_parquet_gets_a_sentence(tmp_path: Path) -> None:
    whole = parquet(tmp_path).read_bytes()
    rng = np.random.default_rng(0)
    for cut in (4, 100, len(whole) - 3):
        (tmp_path / "cut.parquet").write_bytes(whole[:cut])
        assert said(tmp_path / "cut.parquet").startswith("is no parquet file that can be read")
    for _ in range(60):
        data = bytearray(whole)
        data[int(rng.integers(4, 120))] ^= int(rng.integers(1, 256))  # in the pages, not in the metadata
        (tmp_path / "flip.parquet").write_bytes(data)
        try:
            read_trace(tmp_path / "flip.parquet")
        except TraceError:
            continue


# ------------------------------------------------------------------ bombs


def test_a_bomb_of_rows_is_refused_from_its_metadata_and_its_first_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 200_000
    path = tmp_path / "bomb.parquet"
    columns = {"arrival_s": np.zeros(n), "input_tokens": np.ones(n, np.int64), "output_tokens": np.ones(n, np.int64)}
    pq.write_table(pa.table(columns), path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(table, "MOST_ROWS", n - 1)
    assert said(path) == (
        "holds 200,000 rows or more; up to 199,999 are read at once: --limit reads the first, or part the file"
    )
    assert len(read_trace(path, limit=10).requests) == 10
    monkeypatch.undo()
    monkeypatch.setattr(table, "MOST_BYTES", 4 << 20)  # 3 columns x 200,000 x 8 = 4.8 million bytes
    assert said(path).startswith("unpacks to 4 MiB or more; up to 4 MiB are read at once: --limit reads the first rows")
    assert len(read_trace(path, limit=10).requests) == 10


def test_text_that_repeats_is_not_unpacked_beyond_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 rows of the same 100,000 letters are 100 MB in memory and some kilobytes in the file."""
    monkeypatch.setattr(table, "MOST_BYTES", 50 << 20)
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int32)), pa.array(["x" * 100_000]))
    columns = {"arrival_s": np.zeros(1000), "input_tokens": np.ones(1000, np.int64), "class": long}
    path = tmp_path / "text.parquet"
    pq.write_table(pa.table({**columns, "output_tokens": np.ones(1000, np.int64)}), path)
    assert path.stat().st_size < 100_000
    assert said(path).startswith("unpacks to 95 MiB or more; up to 50 MiB are read at once")
    assert len(read_trace(path, limit=2).requests) == 2


def test_a_limit_unpacks_no_further_than_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEAD.encode())
        for _ in range(8):
            file.write(b"0,10,10\n" * (1 << 17))  # 8 MiB in all
    monkeypatch.setattr(table, "MOST_ROWS", 300_000)
    assert said(path).startswith("holds 393,212 rows or more; up to 300,000 are read at once")  # 3 MiB of them
    monkeypatch.setattr(table, "blocks", _first_alone)
    assert len(read_trace(path, limit=10).requests) == 10


def _first_alone(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        yield file.read(1 << 20)
    pytest.fail("more was unpacked than the limit needs")


def test_lines_and_headers_have_an_end(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a" * (17 << 20))
    assert said(path) == "has a line of more than 16 MiB; a row a line is right"
    assert said(path, limit=3) == "has a line of more than 16 MiB; a row a line is right"
    path.write_text(",".join(f"c{k}" for k in range(1001)) + "\n1\n")
    assert said(path) == "is no csv file that can be read: its header has more than 1,000 columns"


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("t.gz", gzip.compress(b"0" * 99, mtime=0)[:10] + b"\xff" * 50, "cannot be read: its gzip is broken (Error -3 while decompressing data: invalid block type)"),
        ("t.csv", b"PAR1\0\0", "holds bytes that are no text; UTF-8 text, or parquet named .parquet, is right"),
        ("t.parquet", HEAD.encode(), "is no parquet file that can be read: Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file."),
        ("t.jsonl", b'{"arrival_s": \xff}\n', "is no UTF-8 text (invalid start byte); save it as UTF-8"),
        ("t.jsonl", b"\n\n", "is empty; a trace has at least one request"),
    ],
)  # fmt: skip
def test_files_of_another_kind(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert said(tmp_path / name) == sentence


def test_gzip_under_another_name_and_parquet_in_gzip_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(gzip.compress(f"{HEAD}0,1,2\n".encode()))
    assert read_trace(tmp_path / "t.csv").requests.output_tokens.tolist() == [2]
    (tmp_path / "p.parquet.gz").write_bytes(gzip.compress(parquet(tmp_path).read_bytes()))
    assert read_trace(tmp_path / "p.parquet.gz").requests.output_tokens.tolist() == [1, 2]


def test_a_pipe_is_no_trace(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    assert said(tmp_path / "t.csv") == "cannot be read: it is a pipe, not a file; name a file that exists"
    assert said(Path("/dev/zero"), limit=3) == "cannot be read: it is a device, not a file; name a file that exists"


def test_dates_and_decimals_of_other_countries_get_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time;input;output\n05.10.2026 09:00:00;1;1\n")
    assert said(path).endswith(
        "row 1: time is '05.10.2026 09:00:00'; a time in seconds or a date is right, from 1970 to 2255; write the year "
        f"first: 2026-10-05 09:00:00{LEFT_OUT}"
    )
    path.write_text("time;num_prompt_tokens;num_output_tokens\n0,014;1;1\n")
    assert "time is '0,014'" in said(path) and "write a point for decimals and nothing for thousands" in said(path)
    path.write_text("time;input;output\n0;1,024;1\n")
    assert "input is '1,024'; a whole number of at least 1 is right; write a point for decimals" in said(path)


# ------------------------------------------------------------------ values that Python does not have


_DAY = pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32())
_FAR = pa.array([0, 2**62], pa.int64())
TIMES = [_DAY] + [_FAR.view(pa.timestamp(unit, zone)) for unit in ("ms", "us") for zone in (None, "UTC", "+05:00")]


@pytest.mark.parametrize("times", TIMES, ids=lambda one: str(one.type))
def test_a_date_beyond_all_years_is_named_by_row(tmp_path: Path, times: pa.Array) -> None:
    path = parquet(tmp_path, arrival_s=times)
    value = times[1].value
    assert said(path) == (
        f"row 2: arrival_s is '{value} {times.type}'; a time in seconds or a date is right, from 1970 to 2255{LEFT_OUT}"
    )
    assert len(read_trace(path, skip_bad=True).requests) == 1


@pytest.mark.parametrize("times", TIMES, ids=lambda one: str(one.type))
def test_dates_stand_in_no_other_column(tmp_path: Path, times: pa.Array) -> None:
    assert said(parquet(tmp_path, hash_ids=times)).startswith("row 1: hash_ids is ")
    assert said(parquet(tmp_path, priority=times)).startswith("row 1: priority is ")
    both = read_trace(parquet(tmp_path, session=times)).requests
    assert both.session.tolist() == [0, 1]
    assert len({one.name for one in read_trace(parquet(tmp_path, **{"class": times})).requests.streams}) == 2


def test_a_list_of_dates_is_no_scalar(tmp_path: Path) -> None:
    lists = pa.array([None, [2**31 - 1]], pa.list_(pa.int32())).cast(pa.list_(pa.date32()))
    path = parquet(tmp_path, session=lists)
    assert (
        said(path)
        == f"row 2: session is a value list<element: date32[day]>; one number or text, not a list, is right{LEFT_OUT}"
    )


# ------------------------------------------------------------------ one clock, names that can be printed


ZONES = [
    ("2026-10-05T09:00:00Z", "2026-10-05T09:00:01", "without", "with"),
    ("2026-10-05T09:00:00", "2026-10-05T09:00:01Z", "with", "without"),
    ("2026-10-05 09:00:00", "2026-10-05 09:00:01-05:00", "with", "without"),
    ("2026-10-05 09:00:00+0200", "2026-10-05", "without", "with"),
    ("2026-10-05 09:00:00+02", "2026-10-05 09:00:01", "without", "with"),
]


@pytest.mark.parametrize(("first", "second", "has", "had"), ZONES)
def test_times_with_and_without_a_zone_do_not_mix(tmp_path: Path, first: str, second: str, has: str, had: str) -> None:
    sentence = (
        f"row 2: arrival_s is '{second}', {has} a zone where row 1 is {had} one; all with a zone, such as Z, or all "
        f"without are right{LEFT_OUT}"
    )
    assert said(lines(tmp_path, ROW | {"arrival_s": first}, ROW | {"arrival_s": second})) == sentence
    path = tmp_path / "t.csv"
    path.write_text(f"arrival_s,input_tokens,output_tokens\n{first},1,1\n{second},1,1\n")
    assert said(path) == sentence


def test_offsets_of_several_zones_are_one_clock(tmp_path: Path) -> None:
    rows = (ROW | {"arrival_s": f"2026-10-05T{time}"} for time in ("09:00:00Z", "11:00:01+02:00", "04:00:02-0500"))
    assert read_trace(lines(tmp_path, *rows)).requests.arrival_s.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("key", ["class", "tier", "region"])
@pytest.mark.parametrize(("name", "told"), [("a\x1b[2J", "a\\x1b[2J"), ("a\nb", "a\\x0ab"), ("a\u202eb", "a\\x202eb")])
def test_names_hold_what_can_be_printed(tmp_path: Path, key: str, name: str, told: str) -> None:
    path = lines(tmp_path, ROW | {key: "chat"}, ROW | {key: name})
    assert said(path) == f"row 2: {key} is '{told}'; a name without control characters is right{LEFT_OUT}"


def test_more_tokens_than_any_prompt_names_the_most(tmp_path: Path) -> None:
    right = "a whole number from 1 to 1,099,511,627,775 is right"
    assert said(lines(tmp_path, ROW | {"input_tokens": 10**18})) == (
        f"row 1: input_tokens is {10**18}; {right}{LEFT_OUT}"
    )
