"""What is said where memory runs out: made of nothing that has to be loaded then."""

from __future__ import annotations

try:
    import resource
except ImportError:  # pragma: no cover - no such limits on Windows
    resource = None  # type: ignore[assignment]


def out_of_memory() -> str:
    """The sentence for a command that finds too little memory."""
    return f"MemoryError: too little memory{limit_of_memory()}; ask for less at once or allow more"


def limit_of_memory() -> str:
    """Words that name the limit on memory with its size, with a blank before them; nothing where there is none."""
    least = -1 if resource is None else resource.getrlimit(resource.RLIMIT_AS)[0]
    if resource is None or least == resource.RLIM_INFINITY:
        return ""
    return f" under the limit of {least / 1e9:.2g} GB (ulimit -v)"
