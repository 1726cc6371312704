"""IP addresses: which ones count as one client, and which ones a notification may be sent to."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Metadata services of clouds: any program may get the machine's own keys there, or reconfigure the machine.
# Azure, Alibaba, Oracle; by IPv6: EC2, EKS, GCP and Scaleway.
METADATA = frozenset(
    map(
        ip_address,
        (
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:42::42",
        ),
    )
)
THIS_HOST = IPv4Network("0.0.0.0/8")
NAT64 = IPv6Network("64:ff9b::/96")
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # the position of the IPv4 address within it is known to its network only


@lru_cache(maxsize=1024)  # it is asked for with each request, and few clients ask often
def neighbourhood(address: str) -> str:
    """The name under which a client is counted: for IPv6 the /64 network, since one customer has 2**64 addresses.

    Text that is no address is returned as it is.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(IPv6Network((int(found) >> 64 << 64, 64))) if mapped is None else str(mapped)
    return str(found)


def fault(address: str, private: bool) -> str:
    """Why nothing may be sent to `address`, in words; "": it is allowed. `private`: our own networks are allowed too.

    An address that is not known to be harmless is refused.
    """
    try:
        found = ip_address(address.partition("%")[0])  # after % comes the network interface
    except ValueError:
        return f"{address} is no address"
    inner = _inner(found) if isinstance(found, IPv6Address) else None
    why = _never(found if inner is None else inner) or ("" if private else _ours(found if inner is None else inner))
    shown = str(found) if inner is None else f"{found}, which is {inner},"
    return f"{shown} is {why}" if why else ""


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, by 6to4 or by NAT64; None: there is none."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _never(address: IPv4Address | IPv6Address) -> str:
    if address in METADATA or address.is_link_local:
        return "link-local, or gives out the metadata of a cloud"
    if address.is_multicast:
        return "for many at once"
    if isinstance(address, IPv4Address):
        odd = address in THIS_HOST or address.is_reserved
    else:
        odd = address.is_unspecified or (address.is_reserved and not address.is_loopback)
        odd = odd or address.teredo is not None or address in LOCAL_NAT64
    return "nobody's" if odd else ""


def _ours(address: IPv4Address | IPv6Address) -> str:
    site = isinstance(address, IPv6Address) and address.is_site_local
    return "" if address.is_global and not site else "private, and NOTIFY_PRIVATE is not set"
