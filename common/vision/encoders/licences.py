"""Licences of weights: which let anybody use what is made with them; what to say of others."""

_FREE = frozenset(
    ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-3.0")
)
_UNKNOWN = frozenset(("", "unknown", "none"))
MOST_CHARACTERS = 100  # of a licence's name


def warning_about(licence: str) -> str:
    """What users of an encoder must know of its licence; empty where it lets anybody use it.

    A name that is not known to be free is called custom: someone has to read it.
    """
    name = licence.strip().lower()
    if name in _FREE:
        return ""
    if name in _UNKNOWN:
        return "The licence of these weights is unknown. Ask their publisher before you use them."
    if "-nc" in name or "noncommercial" in name or "non-commercial" in name:
        return f"The licence {licence} of these weights permits no commercial use."
    return f"The licence {licence} of these weights is a custom one. Read it before you use them."
