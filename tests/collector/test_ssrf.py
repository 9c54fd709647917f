"""Where webhooks may go: nothing inside the operator's network unless the operator says so."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.collector import ssrf

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.32.0.1",
    "2606:4700::1111",
    "64:ff9b::101:101",
    "2002:101:101::1",
]


def finds(*addresses):
    return lambda host, port: list(addresses)


@pytest.mark.parametrize("address", PRIVATE)
def test_no_address_inside_is_public_whatever_it_is_wrapped_in(address):
    assert not ssrf.is_public(ipaddress.ip_address(address))
    with pytest.raises(ssrf.Forbidden, match="DRIFTLINE_WEBHOOK_ALLOW"):
        ssrf.check_target("https://hooks.example/x", (), finds(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address):
    target = ssrf.check_target("https://hooks.example:444/x", (), finds(address))
    assert target == ssrf.Target("https", "hooks.example", 444, (address,))


@given(st.ip_addresses(v=4))
def test_wrapping_an_ipv4_address_in_ipv6_does_not_change_the_verdict(address):
    number = int(address)
    wrapped = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
    ]
    assert {ssrf.is_public(form) for form in wrapped} == {ssrf.is_public(address)}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "0177.0.0.1", "2130706433", "[::1]", "[::ffff:7f00:1]"],
)
def test_every_way_to_write_loopback_is_refused_before_dns_is_asked(host):
    with pytest.raises(ssrf.Forbidden):
        ssrf.check_url(f"https://{host}/", ())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://",
        "hooks.example",
        "http://hooks.example/",
        "https://user:pw@hooks.example/",
        "https://@hooks.example/",
        "https://hooks.example:99999/",
        "https://[nonsense/",
        "https://hooks.example/\r\nX: y",
        "https://hoöks.example/",
    ],
)
def test_urls_that_could_mislead_are_refused(url):
    with pytest.raises(ssrf.Forbidden):
        ssrf.check_url(url, ())


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(ssrf.Forbidden, match=r"10\.0\.0\.1"):
        ssrf.check_target("https://hooks.example/", (), finds("1.1.1.1", "10.0.0.1"))


def test_a_name_without_an_address_is_refused():
    with pytest.raises(ssrf.Forbidden, match="no address"):
        ssrf.check_target("https://hooks.example/", (), finds())


@pytest.mark.parametrize(
    ("allow", "address"),
    [("10.0.0.0/8", "10.1.2.3"), ("::1/128", "::1"), ("127.0.0.0/8", "::ffff:127.0.0.1")],
)
def test_a_network_that_the_operator_allowed_may_be_called_by_http_too(allow, address):
    for scheme, port in (("https", 443), ("http", 80)):
        target = ssrf.check_target(f"{scheme}://inside/", (allow,), finds(address))
        assert (target.port, len(target.addresses)) == (port, 1)


def test_an_allowed_network_does_not_open_another_nor_http_to_the_public():
    with pytest.raises(ssrf.Forbidden):
        ssrf.check_target("https://inside/", ("10.0.0.0/8",), finds("192.168.0.1"))
    with pytest.raises(ssrf.Forbidden, match="https"):
        ssrf.check_target("http://hooks.example/", ("10.0.0.0/8",), finds("1.1.1.1"))


def test_a_scoped_link_local_address_is_refused_not_a_crash():
    with pytest.raises(ssrf.Forbidden):
        ssrf.check_target("https://hooks.example/", (), finds("fe80::1%eth0"))


def test_the_resolver_finds_this_machine():
    assert set(ssrf.resolve("localhost", 80)) & {"127.0.0.1", "::1"}
