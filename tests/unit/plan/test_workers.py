"""Processes that this one starts, looked at from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FIRST = """
import multiprocessing, signal, sys, time
from gigawatt.plan.workers import _unasked
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(5,), daemon=True)
    with _unasked():
        process.start()
    status = open(f"/proc/{process.pid}/status").read()
    blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)
    print(bool(blocked >> (signal.SIGINT - 1) & 1), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    process.kill()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what Linux says of a process")
def test_not_even_the_first_process_hears_ctrl_c(tmp_path: Path) -> None:
    """The first one starts a helper of Python's own before it, which lets signals through again."""
    (script := tmp_path / "first.py").write_text(FIRST)
    said = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.split() == ["True", "False"]
