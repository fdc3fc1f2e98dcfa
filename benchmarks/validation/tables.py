"""Tables of the validation page: shares, times, and a row of errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gigawatt.catalog.load import Catalog

from .score import Errors

ERROR_HEADS = ("rows", "measured [ms]", "predicted [ms]", "median error", "median size", "80 % below", "within")


def error_row(name: str, errors: Errors, tolerance: float | None = None) -> tuple[str, ...]:
    """Cells of a group's errors under ERROR_HEADS; with a tolerance, whether it is kept."""
    row = (
        name, f"{errors.rows:,}", ms(errors.measured), ms(errors.predicted), signed(errors.bias), pct(errors.median),
        pct(errors.p80), pct(errors.within, 0),
    )  # fmt: skip
    if tolerance is None:
        return row
    return (*row, pct(tolerance, 0), "yes" if errors.median <= tolerance else "**no**")


def ms(seconds: float) -> str:
    """Milliseconds of a time."""
    return f"{1e3 * seconds:.1f}" if seconds < 0.1 else f"{1e3 * seconds:,.0f}"


def pct(share: float, digits: int = 1) -> str:
    """A share for people.

    >>> pct(0.1234), pct(-0.00004)
    ('12.3 %', '0.0 %')
    """
    text = f"{100.0 * share:.{digits}f}"
    return f"{text.removeprefix('-') if not float(text) else text} %"


def signed(share: float) -> str:
    """An error with its sign.

    >>> signed(0.05), signed(-0.05), signed(0.0)
    ('+5.0 %', '-5.0 %', '0.0 %')
    """
    text = pct(share)
    return text if text.startswith("-") or text == "0.0 %" else f"+{text}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left and numbers to the right."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def system_name(catalog: Catalog, name: str) -> str:
    """Name of a system by its id; empty stays empty."""
    return catalog.system(name).name if name else name
