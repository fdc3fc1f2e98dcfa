"""Errors a user can cause. Each says what is wrong, where, and what would be right."""

from __future__ import annotations


class GigawattError(Exception):
    """Root of every error that is the user's to mend; doors print it as one sentence, without a traceback."""


class UnitError(GigawattError):
    """A text that is not a number with the unit asked for."""


class CatalogError(GigawattError):
    """An entry or a reference of the catalogue that does not stand."""


class ScenarioError(GigawattError):
    """A scenario that cannot be planned as written."""


class InfeasibleError(GigawattError):
    """A plan that no choice of the planner can meet; names the families in conflict."""


class SolverError(GigawattError):
    """A solver that ended without a usable answer."""


class TableError(GigawattError):
    """Step times that contradict themselves, or a file that does not hold them."""


class OutputError(GigawattError):
    """A place that cannot be written to."""


class TraceError(GigawattError):
    """A trace of requests that does not stand: names the row, what is wrong and what would be right."""


def shown(value: object, most: int = 60) -> str:
    """A user's value in a sentence: text in quotes, at most so many characters, nothing that moves a terminal."""
    quote = "'" if isinstance(value, str) else ""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = "a number of thousands of digits"
    short = text if len(text) <= most else f"{text[:most]}..."
    return quote + "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in short) + quote
