"""The end of a process: the exit code is that of the answer, whatever threads of libraries are still about.

Threads of Arrow's pools and of its signal handler were left idle at the end, and once in some dozens of calls the process
aborted (`terminate called without an active exception`, exit code 134) after the right answer. None of them is started
any more, which is tested as such; 200 calls in the heavy law end as they should.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HEAD = "arrival_s,input_tokens,output_tokens\n"
EXPECTED = {"inf.csv": 1, "short.csv": 1, "zero.jsonl": 1, "half.parquet": 0, "fixed.parquet": 0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of the doors that aborted: read and refused, or read whole."""
    (tmp_path / "inf.csv").write_text(f"{HEAD}0,1,1\ninf,2,2\n")
    (tmp_path / "short.csv").write_text(f"{HEAD}0,1,1\n3,2\n")
    row = '{"arrival_s": 0, "input_tokens": 1, "output_tokens": 0}\n'
    (tmp_path / "zero.jsonl").write_text(row.replace(": 0}", ": 1}") + row)
    plain = {"input_tokens": [1, 2], "output_tokens": [3, 4]}
    half = pa.array(np.array([0.0, 1.0], dtype=np.float16))
    pq.write_table(pa.table({"arrival_s": half, **plain}), tmp_path / "half.parquet")
    lists = pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2))
    pq.write_table(pa.table({"arrival_s": [0.0, 1.0], **plain, "hash_ids": lists}), tmp_path / "fixed.parquet")
    return tmp_path


def ended(folder: Path, name: str) -> tuple[int, str]:
    """(exit code, last line on standard error) of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gigawatt", "data", "show", name], capture_output=True, text=True, cwd=folder,
        check=False, timeout=300, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


def check(folder: Path, name: str) -> None:
    code, last = ended(folder, name)
    assert (code, "terminate" in last) == (EXPECTED[name], False), last
    assert code == 0 or last.startswith("TraceError: ")


LEFT = """
import contextlib, os, sys
from gigawatt.core.errors import TraceError
from gigawatt.demand.traces import read_trace
with contextlib.suppress(TraceError):
    read_trace(sys.argv[1])
names = [open(f"/proc/self/task/{one}/comm").read().strip() for one in os.listdir("/proc/self/task")]
print("threads:", sum(not name.startswith("jemalloc") for name in names))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted where Linux shows them")
@pytest.mark.parametrize("name", [*EXPECTED, "many.csv"])
def test_no_thread_of_a_library_is_left_at_the_end(folder: Path, name: str) -> None:
    (folder / "many.csv").write_text(HEAD + "".join(f"{k},{1 + k % 9},2\n" for k in range(300_000)))
    done = subprocess.run(
        [sys.executable, "-c", LEFT, name], capture_output=True, text=True, cwd=folder, check=False,
        timeout=300, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout == "threads: 1\n", done.stderr


def test_a_call_ends_with_the_code_of_its_answer(folder: Path) -> None:
    for name in ("half.parquet", "inf.csv"):
        check(folder, name)


@pytest.mark.heavy
@pytest.mark.parametrize("name", EXPECTED)
def test_forty_calls_each_end_with_the_code_of_their_answer(folder: Path, name: str) -> None:
    for _ in range(40):
        check(folder, name)
