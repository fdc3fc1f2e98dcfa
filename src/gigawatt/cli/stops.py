"""Signals that ask a command to stop: the first keeps what is done, a second one ends it at once; both with a sentence.

The first raises KeyboardInterrupt in the main thread as soon as the code there lets it. A thread watches too, so that a
command also ends where that code (a solver, a kernel) does not: at the second signal, or some seconds after a first one
that comes from no keyboard.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

_WORDS = {
    "SIGINT": "stopped",
    "SIGTERM": "terminated",
    "SIGHUP": "the terminal hung up: stopped",
    "SIGXCPU": "the limit on processor time (ulimit -t) is reached: stopped",
}
_GRACE_S = {"SIGTERM": 10.0, "SIGHUP": 10.0, "SIGXCPU": 0.5}
_SAME_S = 0.3
"""Signals closer than this are one: a shell and a terminal may both send it."""


@dataclass(slots=True)
class Stop:
    """The first signal that came, 0 for none, and when. Mutable."""

    number: int = 0
    at: float = 0.0

    @property
    def sentence(self) -> str:
        """What is said when nothing more precise is."""
        word = _WORDS.get(signal.Signals(self.number).name if self.number else "", "stopped")
        return f"{word}; what was written stays, nothing is half-written"

    def nth(self, number: int) -> int:
        """Takes a signal in: 1 for the first, 0 for one that is the same still, 2 for another."""
        now = time.monotonic()
        if not self.number:
            self.number, self.at = number, now
            return 1
        return 2 if now - self.at > _SAME_S else 0


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Signals stop the command while the block runs. Elsewhere than in the main thread nothing is done."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    known = [getattr(signal, name) for name in _WORDS if hasattr(signal, name)]
    # what is ignored stays so (nohup), but for Ctrl-C
    before = {n: signal.getsignal(n) for n in known if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN}

    def first(number: int, frame: Any) -> None:
        if stop.nth(number) == 1:
            raise KeyboardInterrupt

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in before:
        signal.signal(number, first)
    old = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    _leave_time()
    seen = Stop()  # by the thread: also what another handler answers in between
    watch = threading.Thread(target=_watch, args=(reader, seen, frozenset(before)), daemon=True)
    watch.start()
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        watch.join(1.0)
        reader.close()
        stop.number = stop.number or seen.number


def _watch(reader: socket.socket, seen: Stop, known: frozenset[int]) -> None:
    """Ends the process where the main thread does not; returns when the other end is closed."""
    limit: float | None = None
    while True:
        left = None if limit is None else max(limit - time.monotonic(), 0.0)
        try:
            ready, _, _ = select.select([reader], [], [], left)
            got = reader.recv(64) if ready else None
        except OSError:
            return
        if got == b"":
            return
        if got is None:
            _end(seen, "")
        for number in got or b"":
            if number not in known:
                continue
            if seen.nth(number) == 2:
                _end(seen, " at once: what was not written yet is lost")
            grace = _GRACE_S.get(signal.Signals(number).name)
            if grace is not None and limit is None:
                limit = time.monotonic() + grace


def _end(seen: Stop, more: str) -> None:
    """The end of the process, with a sentence."""
    word = seen.sentence.split(";")[0]
    clear = "\x1b[?25h\n" if sys.stderr is not None and sys.stderr.isatty() else ""
    with suppress(OSError):
        os.write(2, f"{clear}{word}{more}; nothing is half-written\n".encode())
    os._exit(128 + seen.number)


def _leave_time() -> None:
    """A limit on processor time that kills is met a second early, so that something can be said."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft >= hard) and hard > 1:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (hard - 1, hard))
