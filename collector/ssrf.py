"""Where a webhook may go: public https targets, and networks that the operator allowed (OWASP SSRF
Prevention Cheat Sheet).

The host is resolved once, every address it has must be allowed, and the connection goes to a
checked address with the original name in `Host` and TLS, so a second DNS answer cannot redirect it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
NAT64 = ipaddress.ip_network("64:ff9b::/96")
SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
# Special by the IANA registries, but global to some versions of Python's `ipaddress`.
SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # 6to4 relays (deprecated)
        "64:ff9b:1::/48",  # local NAT64
        "100::/64",  # discard
        "2001::/23",  # IETF protocol assignments
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local (deprecated)
    )
)


NOT_A_URL = "the URL must be https://host[:port]/path"


class Forbidden(Exception):
    """This target may not be called; the message says why and what would allow it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked target: connect to one of `addresses`, speak to `host`."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def check_url(url: str, allow: Sequence[str]) -> None:
    """Refuse a URL that can never be called, without asking DNS. Raises Forbidden."""
    parts = _split(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Forbidden(NOT_A_URL)
    if parts.username is not None or parts.password is not None:
        raise Forbidden("the URL must not hold a user name or password")
    if parts.scheme == "http" and not allow:
        raise Forbidden("the URL must be https (http is for networks in DRIFTLINE_WEBHOOK_ALLOW)")
    address = literal(parts.hostname)
    if address is not None and not is_public(address) and not in_networks(address, allow):
        raise Forbidden(_not_public(str(address)))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is not a number up to 65535
    except ValueError:
        raise Forbidden(NOT_A_URL) from None
    if not url.isascii() or any(char.isspace() or not char.isprintable() for char in url):
        raise Forbidden(f"{NOT_A_URL}, in ASCII (write other letters as punycode or %XX)")
    return parts


def check_target(url: str, allow: Sequence[str], resolve: Resolve = resolve) -> Target:
    """Where to connect for `url` now. Raises Forbidden, or OSError when the name is unknown."""
    check_url(url, allow)
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = [ipaddress.ip_address(a.split("%")[0]) for a in resolve(host, port)]
    if not addresses:
        raise Forbidden(f"{host} has no address")
    for address in addresses:
        allowed = in_networks(address, allow)
        if not allowed and not is_public(address):
            raise Forbidden(_not_public(str(address)))
        if not allowed and parts.scheme != "https":
            raise Forbidden(
                f"{address} is not in DRIFTLINE_WEBHOOK_ALLOW, so the URL must be https"
            )
    return Target(parts.scheme, host, port, tuple(map(str, addresses)))


def literal(host: str) -> Address | None:
    """The address a host is written as, in any notation the resolver takes (0x7f000001, 127.1)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(host)))
    except OSError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, whatever it is wrapped in."""
    inner = _inside(address)
    if inner is not None:
        return is_public(inner)
    special = any(address in network for network in SPECIAL)
    return address.is_global and not address.is_multicast and not special


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4)."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64 or address in IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour if address in SIX_TO_FOUR else None


def in_networks(address: Address, networks: Sequence[str]) -> bool:
    """Whether the operator allowed this address by DRIFTLINE_WEBHOOK_ALLOW."""
    forms = (address, _inside(address) or address)
    allowed = [ipaddress.ip_network(network) for network in networks]
    return any(form in network for form in forms for network in allowed)


def _not_public(address: str) -> str:
    return (
        f"{address} is not a public address; if you run the receiver, put its network into "
        "DRIFTLINE_WEBHOOK_ALLOW on the collector"
    )
