"""Every statement of the source articles set beside what the catalogue, the plan and the books say about it.

Off the path of a run: asked for by ``gigawatt claims`` and ``gigawatt run --claims``; some claims plan again.
"""

from gigawatt.report.claims.model import Claim
from gigawatt.report.claims.table import as_rows, check_concerned, claims, count

__all__ = ["Claim", "as_rows", "check_concerned", "claims", "count"]
