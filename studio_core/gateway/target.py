"""What a request is for: its Host, and the forms that its target may have (RFC 9112, 3.2)."""

from __future__ import annotations

import re
from functools import lru_cache

from studio_core.errors import BadInput
from studio_core.gateway.request import Request

# A name or an address, and a port; nothing that somebody could take for a path, a query or a user.
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=256)
def is_authority(host: bytes) -> bool:
    return _AUTHORITY.fullmatch(host) is not None


def to_origin_form(request: Request) -> None:
    """An absolute target is served as its path, and its authority is the Host, whatever the header says.

    Raises:
        BadInput: it is neither that nor the `*` of OPTIONS.
    """
    found = _ABSOLUTE.fullmatch(request.target)
    if found is None:
        if request.target == b"*" and request.method == "OPTIONS":
            return
        raise BadInput("not a valid HTTP/1.1 request", "its target is no path")
    authority, rest = found.groups()
    if not authority or not is_authority(authority):
        raise BadInput("not a valid HTTP/1.1 request", "its target names no host")
    request.readdress(authority, rest if rest.startswith(b"/") else b"/" + rest)
