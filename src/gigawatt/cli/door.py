"""How a command begins and ends: signals, standard streams, and one sentence for whatever goes wrong.

Exit codes: 0; 1 after a sentence on standard error; 2 wrong usage; 128 + n after signal n, so 130 after Ctrl-C.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from gigawatt.cli.memory import limit_of_memory, out_of_memory
from gigawatt.cli.shadow import SENTENCE, shadow
from gigawatt.cli.stops import Stop, stoppable
from gigawatt.core.errors import GigawattError

DEBUG = "GIGAWATT_DEBUG"
_PLAIN = str.maketrans({
    "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "·": "|", "×": "x", "→": "->",
    "≤": "<=", "≥": ">=", "±": "+-", "µ": "u", "€": "EUR", "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ",
})  # fmt: skip


def code_of_call() -> int:
    """Exit code of the command line in ``sys.argv``, all its words said."""
    with stoppable() as stop:
        try:
            code = _called()
            sys.stdout.flush()
        except BaseException as error:
            code = _said(_cause(error), stop)
    return 128 + stop.number if stop.number and code in (0, 130) else code


def program() -> NoReturn:
    """Runs the command line as this whole process and ends it: nothing runs after its last word.

    Standard output gets a descriptor of its own. Descriptor 1, where libraries print past Python, is standard error.
    """
    last = f"{out_of_memory()}\n".encode("ascii")  # made while there is room for it
    try:
        _open_streams()
        sys.unraisablehook = lambda _: None if DEBUG not in os.environ else sys.__unraisablehook__(_)
        code = code_of_call()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    except MemoryError:  # none is left to say so in any other way
        with suppress(OSError):
            os.write(2, last)
        code = 1
    os._exit(code)


# --- inside


class _Told(io.FileIO):
    """Standard error, which nobody need read: what finds no place is let go, and the work goes on."""

    def write(self, data: Any, /) -> int:
        """Number of bytes taken: all."""
        with suppress(OSError):
            super().write(data)
        return len(data)


def _called() -> int:
    """Exit code of the command; errors as they are."""
    from gigawatt.cli.app import app

    with _document_alone():
        code = app(standalone_mode=False)
    if code == 130:  # typer's for Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


@contextmanager
def _document_alone() -> Iterator[None]:
    """With ``--json`` nothing but the document is on standard output: what libraries print goes to standard error."""
    if "--json" not in sys.argv:
        yield
        return
    from gigawatt.cli.common import document_to

    out, sys.stdout = sys.stdout, sys.stderr
    try:
        with document_to(out):
            yield
    finally:
        sys.stdout = out


def _open_streams() -> None:
    """Streams that take every letter, and no descriptor of theirs for files that are opened later."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    codecs.register_error("gigawatt", _plain)
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Told(2, "w", closefd=False)), encoding=encoding, errors="gigawatt", line_buffering=True
    )
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = open(own, "w", encoding=encoding, errors="gigawatt")  # noqa: SIM115


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """What a terminal shows for letters it does not have: like ones, else their code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    told = error.object[error.start : error.end].translate(_PLAIN)
    try:
        told.encode(error.encoding)
    except UnicodeEncodeError:
        told = told.encode("ascii", "backslashreplace").decode("ascii")
    return told, error.end


def _cause(error: BaseException) -> BaseException:
    """What ended the command, out of what the command line's library makes of it."""
    if type(error).__name__ == "Abort" and error.__cause__ is not None:
        return error.__cause__
    if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
        return error.__context__
    return error


def _said(error: BaseException, stop: Stop) -> int:
    """Exit code of an error, said in one sentence."""
    if isinstance(error, SystemExit) and not _foreign(error):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, BrokenPipeError):  # who reads has read enough
        return 0
    if isinstance(error, KeyboardInterrupt):
        _say(stop.sentence)
        return 130
    if hasattr(error, "exit_code") and hasattr(error, "show"):  # the command line's library: wrong usage
        return _usage(error)
    if DEBUG in os.environ and not isinstance(error, GigawattError):
        traceback.print_exception(error)
    _say(_sentence(error))
    return 1


def _usage(error: BaseException) -> int:
    """Exit code of wrong usage, shown as the command line's library does, or in a line where it cannot."""
    try:
        from typer.rich_utils import rich_format_error

        rich_format_error(error)  # type: ignore[arg-type]
    except Exception:
        _say(f"UsageError: {getattr(error, 'message', error)}; 'gigawatt --help' lists commands and options")
    return int(getattr(error, "exit_code", 2))


def _sentence(error: BaseException) -> str:
    """What happened and what to do."""
    if isinstance(error, GigawattError):
        return f"{type(error).__name__}: {error}"
    if _is_of_memory(error):
        return out_of_memory()
    foreign = _foreign(error)
    if foreign:
        return SENTENCE.format(foreign)
    if isinstance(error, OSError) and error.filename is not None:
        return f"FileError: {error.filename}: {error.strerror}; choose another file or folder"
    if isinstance(error, OSError) and error.strerror:
        return f"FileError: what was to be written finds no place: {error.strerror}; make room or choose another place"
    first = str(error).strip().split("\n")[0][:300]
    return (
        f"InternalError: gigawatt did not expect this ({type(error).__name__}: {first}). Nothing half-written is left; "
        f"with {DEBUG}=1 the same command shows where it is, for a report"
    )


def _is_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in whatever words."""
    words = ["failed to map segment", "annot allocate memory", "can't start new thread", "bad_alloc", "out of memory"]
    if limit_of_memory() and isinstance(error, (ImportError, OSError)):
        words.append("shared object")
    return isinstance(error, MemoryError) or any(one in str(error) for one in words)


def _foreign(error: BaseException) -> str:
    """File that hides a library gigawatt needs, such as a yaml.py of one's own; empty where none does."""
    hidden = shadow(error)
    if hidden:
        return hidden
    from importlib.metadata import PackageNotFoundError, distribution, requires
    from importlib.util import find_spec
    from pathlib import Path

    with suppress(PackageNotFoundError, ValueError, ImportError, OSError):
        for line in requires("gigawatt") or ():
            if "extra ==" in line:
                continue
            name = line.split(";")[0].rstrip("0123456789.,=<>!~ ")
            held = distribution(name)
            for module in (held.read_text("top_level.txt") or name.replace("-", "_").lower()).split():
                spec = None if module.startswith("_") else find_spec(module)
                if spec is None or spec.origin is None:
                    continue
                if not Path(spec.origin).is_relative_to(Path(str(held.locate_file("")))):
                    return spec.origin
    return ""


def _say(sentence: str) -> None:
    """One line on standard error, whatever state it is in."""
    with suppress(OSError, ValueError, AttributeError):
        print(sentence, file=sys.stderr, flush=True)
