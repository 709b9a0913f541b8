from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis.strategies import integers, ip_addresses

from common.errors import RecordError, UsageError
from common.fetch.addresses import AddressPolicy, is_public

REFUSED = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "100::1",
    "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8",
    "2a00:1450::1",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_not_the_public_internet_are_refused(address):
    assert not is_public(ip_address(address))
    with pytest.raises(RecordError, match="address_refused"):
        AddressPolicy().choose([ip_address(address)], port=80)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_accepted(address):
    assert is_public(ip_address(address))


@given(ip_addresses())
def test_whatever_python_calls_local_is_refused(address):
    address = getattr(address, "ipv4_mapped", None) or address
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@given(integers(0, 2**32 - 1).map(IPv4Address))
def test_an_ipv4_mapped_address_is_judged_as_the_address_in_it(address):
    mapped = IPv6Address(f"::ffff:{address}")
    assert is_public(mapped) == is_public(address)
    allowed = AddressPolicy.parse(f"{address}/32")
    assert allowed.choose([mapped], port=12345) == [mapped]


@given(integers(0, 2**32 - 1))
def test_tunnels_never_lead_anywhere(address):
    for prefix in ("64:ff9b::", "::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) + address))
    assert not is_public(IPv6Address((0x2002 << 112) + (address << 80)))


def test_of_several_addresses_only_the_public_ones_are_used():
    local, public = ip_address("10.0.0.1"), ip_address("8.8.8.8")
    assert AddressPolicy().choose([local, public], port=443) == [public]


def test_unusual_ports_are_for_allowed_addresses_only():
    policy = AddressPolicy.parse("127.0.0.0/8, fd00::/8")
    assert policy.choose([ip_address("127.0.0.1")], port=6379) == [ip_address("127.0.0.1")]
    assert policy.choose([ip_address("fd00::1")], port=80) == [ip_address("fd00::1")]
    with pytest.raises(RecordError, match="port_refused"):
        policy.choose([ip_address("8.8.8.8")], port=6379)
    with pytest.raises(RecordError, match="address_refused"):
        policy.choose([ip_address("10.0.0.1")], port=80)


@pytest.mark.parametrize("networks", ["127.0.0.1/8", "localhost", "10.0.0.0/8,nonsense", "1.2.3"])
def test_a_malformed_list_of_networks_is_a_usage_error_that_names_the_part(networks):
    with pytest.raises(UsageError, match="FETCH_ALLOW_ADDRESSES: '.+' is not a network"):
        AddressPolicy.parse(networks)


def test_an_empty_list_of_networks_allows_nothing_private():
    assert AddressPolicy.parse(" ,") == AddressPolicy()
