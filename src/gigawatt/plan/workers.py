"""Processes that end with this one, however it ends, and print nothing when they do."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def ended(code: int | None) -> str:
    """What became of a process, by its exit code."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"was ended by {name}" + (" (lack of memory, perhaps)" if name == "SIGKILL" else "")
    return f"ended with code {code}"


def started(serve: Callable[[Connection], None]) -> tuple[Any, Connection]:
    """A process that calls ``serve`` with the end of a pipe, and the other end; it ends with this process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    in_main = threading.current_thread() is threading.main_thread()
    process = context.Process(target=_begin, args=(serve, there, os.getpid(), in_main), daemon=True)
    with _unasked():
        process.start()
    there.close()
    return process, here


@contextmanager
def _unasked() -> Iterator[None]:
    """Ctrl-C reaches no process that is started in the block: it is this one's to answer, a little later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # as a first process would; it takes the block away again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(serve: Callable[[Connection], None], end: Connection, parent: int, in_main: bool) -> None:
    """An interrupt is the parent's to handle; what goes wrong is the parent's to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent, in_main)
    with suppress(EOFError, OSError):
        serve(end)


def _die_with(parent: int, in_main: bool) -> None:
    """Ends the process when its parent ends, also amid a solve.

    Linux sees to it where the parent's main thread has started this process (elsewhere it would follow that thread); a
    thread of this process does everywhere.
    """
    if in_main:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent and os.name == "posix":
        os._exit(1)
    above = multiprocessing.parent_process()
    if above is not None:
        threading.Thread(target=_follow, args=(above.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
