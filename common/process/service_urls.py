"""URLs of services, which hold passwords: checked by one function, shown by another.

A password in a URL must be percent-encoded. Libraries accept some that are not, and quote parts of
them in their errors. So a URL is checked before any library sees it, and no message shows more of
it than scheme, host, port and path.
"""

import re

from common.errors import UsageError

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^@/?#\[\]:\s]*)"
_FORM = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+]*)://(?:[^@/?#\s]*@)?(?P<place>{_HOST}(?::\d{{1,5}})?)"
    r"(?P<path>/[^?#\s]*)?(?:\?[^#\s]*)?"
)
_ESCAPES = "Write @ / # ? in a password as %40 %2F %23 %3F, and the password before the host."


def check_service_url(url: str, *, variable: str, schemes: tuple[str, ...], example: str) -> None:
    """Refuse a URL that is malformed or of another kind of service.

    Args:
        schemes: those that are allowed; a driver may follow with a plus sign.

    Raises:
        UsageError: names the variable, and never shows the value.
    """
    found = _FORM.fullmatch(url)
    if found is None or "password=" in url or not url.isprintable():
        raise UsageError(f"{variable} is malformed; expected {example}. {_ESCAPES}")
    if found["scheme"].partition("+")[0] not in schemes:
        raise UsageError(f"{variable} begins with {found['scheme']}; expected {example}.")


def shown(url: str) -> str:
    """A checked URL without user, password and query."""
    found = _FORM.fullmatch(url)
    return f"{found['scheme']}://{found['place']}{found['path'] or ''}" if found else "(malformed)"
