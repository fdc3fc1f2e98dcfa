"""A call of the command line within this process: what a shell would see, without the seconds of starting Python."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from gigawatt.cli import main


def called(*words: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of ``gigawatt words``."""
    out, error, code = io.StringIO(), io.StringIO(), 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(cwd or Path.cwd()))
        stack.enter_context(patch.object(sys, "argv", ["gigawatt", *words]))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(error))
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code, out.getvalue(), error.getvalue()


def gigawatt(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same as a finished process."""
    code, out, error = called(*words, cwd=cwd)
    return subprocess.CompletedProcess(args=words, returncode=code, stdout=out, stderr=error)


def refused(*words: str, cwd: Path | None = None) -> str:
    """Sentence on standard error of a call that fails; nothing on standard output."""
    code, out, error = called(*words, cwd=cwd)
    assert code == 1
    assert out == ""
    assert "Traceback" not in error
    return error.strip().splitlines()[-1]
