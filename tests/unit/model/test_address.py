"""Which addresses may be sent to: a table, and that no way of writing one hides what it is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.address import NAT64, fault

PUBLIC = ["8.8.8.8", "1.1.1.1", "203.0.114.1", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8",
          "2002:808:808::", "64:ff9b::8.8.8.8"]  # fmt: skip
PRIVATE = ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
           "198.18.0.1", "192.0.2.1", "::1", "fc00::1", "fd12:3456::1", "fec0::1", "2001:db8::1", "::ffff:127.0.0.1",
           "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::192.168.0.1"]  # fmt: skip
NEVER = ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "fd00:ec2::254", "fd20:ce::254",
         "fd00:ec2::23", "fd00:42::42",
         "168.63.129.16", "100.100.100.200", "192.0.0.192", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.1.1.1",
         "ff02::1", "240.0.0.1", "255.255.255.255", "::ffff:169.254.169.254", "2002:a9fe:a9fe::1",
         "64:ff9b::169.254.169.254", "64:ff9b:1::1", "::169.254.169.254", "::ffff:0:169.254.169.254",
         "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::ffff:0.0.0.0", "::ffff:224.0.0.1"]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_sent_to(address: str) -> None:
    assert fault(address, private=False) == fault(address, private=True) == ""


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_may_be_sent_to_where_it_is_allowed(address: str) -> None:
    assert fault(address, private=False).endswith(" is private, and NOTIFY_PRIVATE is not set")
    assert fault(address, private=True) == ""


@pytest.mark.parametrize("address", [*NEVER, "", "localhost", "1.2.3", "0x7f.1", "1.2.3.4.5"])
def test_some_are_never_sent_to(address: str) -> None:
    assert fault(address, private=False)
    assert fault(address, private=True)


@given(address=st.ip_addresses(v=4), private=st.booleans())
def test_an_address_is_the_same_in_whatever_way_it_is_written(address: IPv4Address, private: bool) -> None:
    number = int(address)
    mapped, sixtofour = IPv6Address(0xFFFF << 32 | number), IPv6Address(0x2002 << 112 | number << 80 | 1)
    nat64 = IPv6Address(int(NAT64.network_address) | number)
    refused = bool(fault(str(address), private))
    for written in (mapped, sixtofour, nat64):
        assert bool(fault(str(written), private)) == refused
        assert not refused or str(address) in fault(str(written), private)


@given(address=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_is_not_known_to_be_public_is_refused(address: IPv4Address | IPv6Address) -> None:
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if isinstance(address, IPv6Address) and address in NAT64:
        inner = ip_address(int(address) & 0xFFFF_FFFF)
    if not (inner or address).is_global or (inner or address).is_multicast:
        assert fault(str(address), private=False)
