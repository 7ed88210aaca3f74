"""Which requests to a double's control interface and pages come from a page of somebody else.

A web page in a developer's browser can send requests to this machine: by its address, and, where
its owner's name is made to lead here (DNS rebinding), by a name that looks like its own. It could
program faults and inject updates while a gate runs. Programs send no `Origin` and name the address.
"""

import ipaddress
from urllib.parse import urlsplit

from botproof.doubles.messages import Request, Response, error_response

_OURS = frozenset({"", "same-origin", "none"})


def refuse_strange_page(request: Request) -> Response | None:
    """Return a 403 that says why, or None when the request may be answered.

    The Host has to be an address or a name without a dot; an Origin has to be the Host itself.
    """
    host = request.headers.get("host", "")
    if host and not _is_near(host):
        return _no(f"the Host {host[:100]!r} is neither an address nor a local name")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return _no(f"a page of {origin[:100]!r} may not ask")
    if request.headers.get("sec-fetch-site", "") not in _OURS:
        return _no("a page of another site may not ask")
    return None


def _is_near(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if "." not in name and ":" not in name:
        return bool(name)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.endswith(".localhost")
    return True


def _no(reason: str) -> Response:
    return error_response(403, f"refused: {reason}")
