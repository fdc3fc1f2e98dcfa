"""Hostile files at every door that takes one: exit code 1 and one sentence, quickly and in little memory."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.doors.inside import refused

BENCH = ("--name", "m", "--system", "h200", "--layout", "tp8", "--model", "llama-70b")
REPLAY = ("--system", "h200", "--model", "llama-70b", "--replicas", "2")
DOORS = {
    "data show": lambda file: ("data", "show", file),
    "replay": lambda file: ("replay", file, *REPLAY),
    "blocks": lambda file: ("blocks", file),
    "predict": lambda file: ("perf", "predict", file, "--out", "o.csv"),
    "calibrate": lambda file: ("calibrate", "--bench", file, *BENCH),
    "model config": lambda file: ("perf", "--model-config", file, "--systems", "h200"),
}


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_file_is_said_at_every_door(tmp_path: Path, door: str) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name, words in (
        ("pipe.csv", "it is a pipe, not a file"), ("/dev/zero", "it is a device, not a file"),
        ("/dev/null", "it is a device, not a file"),
    ):  # fmt: skip
        assert words in refused(*DOORS[door](name), cwd=tmp_path)
    assert ": " in refused(*DOORS[door]("x" * 5000), cwd=tmp_path)
    assert ": " in refused(*DOORS[door]("none.csv"), cwd=tmp_path)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00\x80" * 9, b"\0" * 5000, b"", b"\n\n", b"[" * 100_000, b'{"a":' * 100_000, b"PK\x03\x04rest",
        gzip.compress(b"a" * 500, mtime=0)[:15], b"PAR1" + b"\xff" * 50 + b"PAR1", b"\x1f\x8b", b"a,b\n", b"9" * 5000,
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused_at_every_door(tmp_path: Path, door: str, data: bytes) -> None:
    for name in ("t.csv", "t.jsonl", "t.parquet", "t.gz", "t"):
        (tmp_path / name).write_bytes(data)
        assert "Error: " in refused(*DOORS[door](name), cwd=tmp_path)


def within(words: tuple[str, ...], cwd: Path, *, gigabytes: float) -> subprocess.CompletedProcess[str]:
    """A call that may take that much address space; more ends in a MemoryError or worse."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 2**30),) * 2)

    return subprocess.run(
        [sys.executable, "-m", "gigawatt", *words], capture_output=True, text=True, cwd=cwd, check=False, timeout=300,
        preexec_fn=bound, env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parquet file of 60 million rows in a megabyte, and gzip of 1.5 GB of rows in two."""
    folder, n = tmp_path_factory.mktemp("bombs"), 10_000_000
    rows = {"arrival_s": np.zeros(n), "input_tokens": np.ones(n, np.int64), "output_tokens": np.ones(n, np.int64)}
    table = pa.table(rows)
    with pq.ParquetWriter(folder / "bomb.parquet", table.schema, compression="zstd") as file:
        for _ in range(6):
            file.write_table(table, row_group_size=n)
    with gzip.open(folder / "bomb.csv.gz", "wb", compresslevel=9) as packed:
        packed.write(b"arrival_s,input_tokens,output_tokens\n")
        for _ in range(64):
            packed.write(b"0,1,1\n" * (1 << 20))
    return folder


@pytest.mark.heavy
def test_bombs_end_in_a_sentence_and_a_limit_reads_them(bombs: Path) -> None:
    for name, words in (
        ("bomb.parquet", "holds 60,000,000 rows or more; up to 50,000,000 are read at once: --limit reads the first"),
        ("bomb.csv.gz", "rows or more; up to 50,000,000 are read at once: --limit reads the first, or part the file"),
    ):
        done = within(("data", "show", name), bombs, gigabytes=3.0)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert words in done.stderr.splitlines()[-1]
        few = within(("data", "show", name, "--limit", "10"), bombs, gigabytes=2.0)
        assert few.returncode == 0, few.stderr
