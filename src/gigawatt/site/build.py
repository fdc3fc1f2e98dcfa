"""What a site costs to build or rent, and how its power arrives."""

from __future__ import annotations

from dataclasses import dataclass

from gigawatt.core.calendar import QUARTER_S
from gigawatt.core.money import annuity_due_frac


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityCost:
    """Capex of a facility watt by part [USD/W], its life [quarters], its upkeep [share of capex a quarter]."""

    shell_usd_per_w: float
    power_usd_per_w: float
    cooling_usd_per_w: float
    life_quarters: float
    upkeep_per_quarter: float

    @property
    def capex_usd_per_w(self) -> float:
        """Shell, power and cooling together [USD per facility W]."""
        return self.shell_usd_per_w + self.power_usd_per_w + self.cooling_usd_per_w


def lease_usd_per_w_quarter(cost: FacilityCost, rate_per_quarter: float, rise_per_quarter: float = 0.0) -> float:
    """Level rent that repays a landlord's capex over the building's life, and upkeep [USD per facility W and quarter].

        capex (annuity_due(r, n) + upkeep x annuity(r, n) sum_{k=1..n} (1 + i)^(k-1) / (1 + r)^k)

    Capex and first rent fall at the end of the first quarter; upkeep follows prices, which rise by i a quarter. The
    landlord earns the rate and no more, so that leasing for the building's life costs what owning does: a floor for
    real rents.
    """
    n, ratio = cost.life_quarters, (1.0 + rise_per_quarter) / (1.0 + rate_per_quarter)
    rising = n if ratio == 1.0 else (1.0 - ratio**n) / (1.0 - ratio)
    upkeep = cost.upkeep_per_quarter * rising * annuity_due_frac(rate_per_quarter, n)
    return cost.capex_usd_per_w * (annuity_due_frac(rate_per_quarter, n) + upkeep)


def energy_usd_per_w_quarter(load_frac: float, pue: float, usd_per_j: float) -> float:
    """Energy bill of a rated IT watt for a quarter [USD per IT W]: load x PUE x price x 2,190 h.

    >>> round(energy_usd_per_w_quarter(0.8, 1.2, 0.07 / 3.6e6) * 1e6)      # USD per MW and quarter
    147168
    """
    return load_frac * pue * usd_per_j * QUARTER_S
