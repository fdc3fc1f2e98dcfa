"""A command as a process of its own: what it leaves when it is stopped, killed or kept short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 240.0


def environment(**more: str) -> dict[str, str]:
    """This environment on one thread."""
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"} | more


def ran(
    *words: str, cwd: Path, shell: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A finished command; ``shell`` goes before it, as 'ulimit -f 100;' does."""
    line = f'{shell} exec "$0" -m gigawatt "$@"'
    return subprocess.run(
        ["/bin/bash", "-c", line, sys.executable, *words], cwd=cwd, env=environment(**(env or {})), check=False,
        capture_output=True, text=True, encoding="utf-8", errors="surrogateescape", timeout=PATIENCE_S,
    )  # fmt: skip


def _as_from_a_terminal() -> None:
    """Signals end the command: a suite run under nohup, or behind &, passes on that they are let go."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@dataclass(slots=True)
class Command:
    """A command under way in a session of its own; standard error goes to a file."""

    process: subprocess.Popen[bytes]
    said: Path

    @classmethod
    def begun(cls, *words: str, cwd: Path) -> Command:
        """Starts it."""
        said = cwd / f"said-{time.monotonic_ns()}"
        with said.open("wb") as error, (cwd / f"{said.name}.out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "gigawatt", *words], cwd=cwd, env=environment(), stdout=out, stderr=error,
                start_new_session=True, preexec_fn=_as_from_a_terminal,
            )  # fmt: skip
        return cls(process, said)

    @property
    def text(self) -> str:
        """Standard error so far."""
        return self.said.read_text(encoding="utf-8")

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self.said.with_name(f"{self.said.name}.out").read_text(encoding="utf-8")

    def says(self, text: str) -> Command:
        """Waits until it has said something."""
        self._until(lambda: text in self.text or self.process.poll() is not None)
        assert text in self.text
        return self

    def get(self, *numbers: int, group: bool = False, apart_s: float = 0.5) -> int:
        """Its exit code after signals."""
        for k, number in enumerate(numbers):
            if k:
                time.sleep(apart_s)
            if self.process.poll() is None:
                (os.killpg if group else os.kill)(self.process.pid, number)
        return self.process.wait(PATIENCE_S)

    def alone(self) -> bool:
        """Whether nothing of its session is left, soon."""
        return self._until(lambda: not session(self.process.pid))

    def _until(self, done: object) -> bool:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if done():  # type: ignore[operator]
                return True
            time.sleep(0.02)
        return False


def session(number: int) -> dict[int, str]:
    """Processes of a session that still run: their command lines by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == number and fields[0] != "Z":
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except (OSError, IndexError):
            continue
    return found


SIGNALS = {
    signal.SIGINT: (130, "stopped; what was written stays, nothing is half-written"),
    signal.SIGTERM: (143, "terminated; what was written stays, nothing is half-written"),
    signal.SIGHUP: (129, "the terminal hung up: stopped; what was written stays, nothing is half-written"),
}
"""Exit code and sentence of each signal where nothing more precise is said."""
