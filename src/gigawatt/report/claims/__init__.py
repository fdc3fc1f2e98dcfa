"""Every statement of the source articles set beside what the catalogue, the plan and the books say about it."""

from gigawatt.report.claims.model import Claim
from gigawatt.report.claims.table import as_rows, claims, count

__all__ = ["Claim", "as_rows", "claims", "count"]
