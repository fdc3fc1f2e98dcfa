"""A json.py or random.py of one's own that Python loads in place of its own. Imports nothing that could be hidden."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

SENTENCE = "ImportError: {} is loaded in place of the library of that name; move it, or mend PYTHONPATH"


def shadow(error: BaseException) -> str:
    """File that is loaded, or was when the error came, in place of a module of Python's; empty where none is."""
    home = os.path.dirname(os.__file__)
    for file in _files(error):
        name, kind = os.path.splitext(os.path.basename(file))
        if name == "__init__":
            name = os.path.basename(os.path.dirname(file))
        if kind == ".py" and name in sys.stdlib_module_names and not file.startswith(home):
            return file
    return ""


def _files(error: BaseException) -> Iterator[str]:
    """Files of modules that are named as those of Python's, and of what ran when the error came."""
    for name in sys.stdlib_module_names & sys.modules.keys():
        yield getattr(sys.modules[name], "__file__", None) or ""
    at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_globals.get("__name__") in sys.stdlib_module_names:
            yield at.tb_frame.f_code.co_filename
        at = at.tb_next
