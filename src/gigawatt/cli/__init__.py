"""The door for people and scripts: ``gigawatt ...``."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; what a user can cause ends as one sentence on standard error, with exit code 1."""
    from gigawatt.cli.app import app
    from gigawatt.core.errors import GigawattError

    try:
        app()
    except GigawattError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        print("stopped; what was written stays", file=sys.stderr)
        raise SystemExit(130) from None
