"""Time value of money: the few formulas that several floors share."""

from __future__ import annotations

from gigawatt.core.calendar import QUARTERS_A_YEAR, YEAR_S


def per_quarter(rate_per_s: float) -> float:
    """Rate per quarter that compounds to the yearly rate given as a rate per second.

    >>> round(per_quarter(0.10 / YEAR_S), 6)
    0.024114
    """
    return float((1.0 + rate_per_s * YEAR_S) ** (1 / QUARTERS_A_YEAR) - 1.0)


def annuity_frac(rate: float, periods: float) -> float:
    """Level payment per period that repays 1 over ``periods`` at ``rate`` a period.

        r / (1 - (1 + r)^-n)

    Source: Brealey, Myers and Allen, Principles of Corporate Finance, chapter 2.

    >>> round(annuity_frac(0.02, 20), 6)
    0.061157
    """
    return 1.0 / periods if rate == 0 else rate / (1.0 - (1.0 + rate) ** -periods)


def annuity_due_frac(rate: float, periods: float) -> float:
    """Level payment per period that repays 1 over ``periods``, the first of them when the 1 is paid.

        annuity(r, n) / (1 + r)

    Of what is paid at the end of the first period it serves, as flows of a plan are (``docs/planner.md``, "When money
    falls").
    Source: Brealey, Myers and Allen, Principles of Corporate Finance, chapter 2.

    >>> round(annuity_due_frac(0.02, 20), 6)
    0.059958
    """
    return annuity_frac(rate, periods) / (1.0 + rate)
