"""The door for people and scripts: ``gigawatt ...``."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends with its exit code; what ends it early is one sentence on standard error."""
    try:
        from gigawatt.cli.door import code_of_call, program
    except KeyboardInterrupt:  # before there is a door
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
    if getattr(sys.modules.get("__main__"), "main", None) is main:  # this process is the command and nothing else
        program()
    raise SystemExit(code_of_call())
