"""The door for people and scripts: ``gigawatt ...``."""

from __future__ import annotations

import sys

from gigawatt.cli.memory import out_of_memory
from gigawatt.cli.shadow import SENTENCE, shadow


def main() -> None:
    """Runs the command line and ends with its exit code; what ends it early is one sentence on standard error."""
    try:
        from gigawatt.cli.door import code_of_call, program
    except KeyboardInterrupt:  # before there is a door
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except MemoryError:
        print(out_of_memory(), file=sys.stderr)
        raise SystemExit(1) from None
    except BaseException as error:
        file = shadow(error)
        if not file:
            raise
        print(SENTENCE.format(file), file=sys.stderr)
        raise SystemExit(1) from None
    if getattr(sys.modules.get("__main__"), "main", None) is main:  # this process is the command and nothing else
        program()
    raise SystemExit(code_of_call())
