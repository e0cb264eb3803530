"""Where webhooks may go: public addresses over TLS, and networks that the stack's owner allows.

A tenant names the address, our function connects to it: without these rules it would be a way into
whatever only our function can reach (server-side request forgery).
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ragline.domain.errors import InvalidRequest, SetupError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2_048
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Place:
    """A URL, taken apart; ``host`` is in ASCII and without brackets, ``target`` path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def encrypted(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str) -> Place:
    """Take a webhook's URL apart.

    Raises:
        InvalidRequest: it is no absolute http or https URL, or holds a name, a password or a
            fragment; says which.
    """
    if (
        len(url) > MAX_URL
        or not url.isascii()
        or any(char <= " " or char == "\x7f" for char in url)
    ):
        raise InvalidRequest(
            f"url: use at most {MAX_URL:,} ASCII characters without spaces; encode all others."
        )
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise InvalidRequest(f"url: it cannot be read: {error}.") from error
    if parts.scheme not in _PORTS or not host or "\\" in url:
        raise InvalidRequest("url: give an absolute one, such as https://example.com/hooks.")
    if "@" in parts.netloc or parts.fragment:
        raise InvalidRequest("url: leave out user name, password and fragment.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, host, port or _PORTS[parts.scheme], target)


def parse_networks(listed: str) -> Sequence[Network]:
    """The networks that are allowed although they are private: CIDRs, separated by commas.

    Raises:
        SetupError: one of them is none.
    """
    try:
        return [ipaddress.ip_network(one.strip()) for one in listed.split(",") if one.strip()]
    except ValueError as error:
        raise SetupError(f"WEBHOOK_ALLOW={listed!r}: {error}; use 10.1.0.0/16,…") from error


def check_address(place: Place, address: str, allowed: Sequence[Network]) -> None:
    """Raises:
    InvalidRequest: a webhook must not go to this address of the place, or not unencrypted.
    """
    found = _plain(ipaddress.ip_address(address))
    if any(found in network for network in allowed if network.version == found.version):
        return
    if not _public(found):
        raise InvalidRequest(f"url: {place.host} is at an address that is not public.")
    if not place.encrypted:
        raise InvalidRequest("url: use https; what is sent must not be read on its way.")


def _plain(address: Address) -> Address:
    """The address that is meant: an IPv4 one may be written into an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _public(address: Address) -> bool:
    """Not private, loopback, link-local (where the metadata of instances is), shared (carriers'),
    multicast or reserved; in IPv6 also not one that a NAT64 gateway would turn into such."""
    return address.is_global and not (address.is_multicast or address.is_reserved)
