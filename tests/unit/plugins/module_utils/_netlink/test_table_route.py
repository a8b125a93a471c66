# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete routes: requests of iproute2 6.1 (strace of `ip route add`, without the message header), and parsing."""

from __future__ import annotations

import socket
import sys

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, masked, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import (
    Hop,
    TableRoute,
    decode_table_route,
    encode_table_route,
)
from hypothesis import given
from hypothesis import strategies as st

little_endian = pytest.mark.skipif(sys.byteorder == "big", reason="the golden bytes are those of a little-endian host")
IPV4, IPV6 = int(socket.AF_INET), int(socket.AF_INET6)
A, B = socket.inet_aton("198.51.100.2"), socket.inet_aton("198.51.100.3")
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8:2::2")

# The interface va has index 3, lo has 1.
GOLDEN = {
    "throw 10.244.2.0/24 table 7100 proto 87": (
        TableRoute(parse_prefix("10.244.2.0/24"), 7100, type=codec.RTN_THROW, protocol=87),
        "021800000057000900000000080001000af4020008000f00bc1b0000",
    ),
    "10.244.1.0/24 dev va table 7100 proto 87 mtu 1420 src 198.51.100.1": (
        TableRoute(
            parse_prefix("10.244.1.0/24"),
            7100,
            protocol=87,
            scope=253,
            hops=(Hop(b"", 3),),
            source=socket.inet_aton("198.51.100.1"),
            mtu=1420,
        ),
        "021800000057fd0100000000080001000af4010008000f00bc1b000008000700c633640108000400030000000c000800080002008c050000",
    ),
    "default via 198.51.100.2 dev va onlink table 200 proto 87 metric 5": (
        TableRoute(parse_prefix("0.0.0.0/0"), 200, 5, protocol=87, hops=(Hop(A, 3, 1, True),)),
        "02000000c85700010400000008000500c633640208000600050000000800040003000000",
    ),
    "10.9.0.0/16 via inet6 2001:db8:2::2 dev va table 7100 proto 87": (
        TableRoute(parse_prefix("10.9.0.0/16"), 7100, protocol=87, hops=(Hop(SIX, 3),)),
        "021000000057000100000000080001000a090000160012000a0020010db8000200000000000000000002000008000f00bc1b0000"
        "0800040003000000",
    ),
    "10.8.0.0/16 table 7100 proto 87 nexthop via 198.51.100.2 dev va weight 2 nexthop via 198.51.100.3 dev va": (
        TableRoute(parse_prefix("10.8.0.0/16"), 7100, protocol=87, hops=(Hop(A, 3, 2), Hop(B, 3))),
        "021000000057000100000000080001000a08000008000f00bc1b000024000900100000010300000008000500c6336402"
        "100000000300000008000500c6336403",
    ),
    "fd05::/48 via 2001:db8:2::2 table 7100 proto 87": (
        TableRoute(parse_prefix("fd05::/48"), 7100, protocol=87, hops=(Hop(SIX),)),
        "0a300000005700010000000014000100fd0500000000000000000000000000001400050020010db8000200000000000000000002"
        "08000f00bc1b0000",
    ),
    "local 10.7.0.0/16 dev lo table 200 proto 87": (
        TableRoute(parse_prefix("10.7.0.0/16"), 200, type=codec.RTN_LOCAL, protocol=87, scope=254, hops=(Hop(b"", 1),)),
        "02100000c857fe0200000000080001000a0700000800040001000000",
    ),
}


def parts(payload: bytes) -> tuple[bytes, set[tuple[int, bytes]]]:
    """Return the header without its table byte, and the attributes, of which iproute2 has RTA_TABLE only when needed."""
    return payload[:4] + payload[5:12], {(kind, content) for kind, content in nl.attributes(payload, 12) if kind != 15}


@little_endian
@pytest.mark.parametrize("words", GOLDEN)
def test_golden_bytes_of_iproute2(words: str) -> None:
    route, golden = GOLDEN[words]
    payload = bytes.fromhex(golden)
    assert decode_table_route(payload) == route
    assert parts(encode_table_route(route)) == parts(payload)


# RTAX_LOCK and RTAX_ADVMSS among the metrics, RTA_FLOW, RTA_ENCAP_TYPE and RTA_ENCAP.
RESTS = st.dictionaries(
    st.sampled_from([0x801, 0x808, 11, 21, 22]), st.integers(0, 0xFFFFFFFF).map(lambda n: n.to_bytes(4, "little"))
)


@st.composite
def any_routes(draw: st.DrawFn) -> TableRoute:
    family = draw(st.sampled_from([IPV4, IPV6]))
    size = 4 if family == IPV4 else 16
    addresses = st.binary(min_size=size, max_size=size)
    gateways = addresses if family == IPV6 else st.one_of(addresses, st.binary(min_size=16, max_size=16))
    others = st.dictionaries(st.sampled_from([11, 21]), st.binary(min_size=4, max_size=4))
    hops = st.builds(Hop, gateways, st.integers(1, 99), st.integers(1, 256), st.booleans(), st.just(()))
    listed = st.tuples(hops, others).map(lambda made: made[0]._replace(rest=tuple(sorted(made[1].items()))))
    length = draw(st.integers(0, size * 8))
    many = draw(
        st.one_of(st.just([]), st.lists(listed, min_size=2, max_size=5), hops.map(lambda hop: [hop._replace(weight=1)]))
    )
    return TableRoute(
        Prefix(family, masked(draw(addresses), length), length),
        draw(st.integers(1, 0xFFFFFFFF)),
        draw(st.integers(0, 0xFFFFFFFF)),
        codec.RTN_UNICAST if many else draw(st.sampled_from([6, 7, 8, 9])),
        draw(st.integers(0, 255)),
        draw(st.sampled_from([0, 253, 254])),
        tuple(many),
        draw(st.just(b"") | addresses),
        draw(st.integers(0, 65520)),
        rest=tuple(sorted(draw(RESTS).items())),
    )


@given(any_routes())
def test_routes_round_trip(route: TableRoute) -> None:
    assert decode_table_route(encode_table_route(route)) == route


def test_a_route_with_a_nexthop_object_is_sent_with_it_alone() -> None:
    number = (7).to_bytes(4, sys.byteorder)
    read = TableRoute(parse_prefix("10.8.0.0/16"), 200, hops=(Hop(A, 3),), rest=((30, number), (0x808, number)))
    for route in (read, read.identified):
        sent = dict(nl.attributes(encode_table_route(route), 12))
        assert sent[30] == number and not {4, 5, 9} & set(sent), "neither interface, gateway nor next hops"
    assert 8 in dict(nl.attributes(encode_table_route(read), 12))
    assert 8 not in dict(nl.attributes(encode_table_route(read.identified), 12))


def test_the_preference_of_a_route_is_kept_unless_it_is_medium() -> None:
    plain = TableRoute(parse_prefix("fd08::/48"), 200, protocol=87, hops=(Hop(SIX, 3),))
    assert decode_table_route(encode_table_route(plain) + nl.attribute(20, b"\0")) == plain
    high = decode_table_route(encode_table_route(plain) + nl.attribute(20, b"\1"))
    assert high is not None and high.rest == ((20, b"\1"),)


def test_attributes_that_are_never_set_are_kept() -> None:
    plain = TableRoute(parse_prefix("10.8.0.0/16"), 200, protocol=87, type=codec.RTN_THROW)
    changed = decode_table_route(encode_table_route(plain) + nl.attribute(22, bytes(8)))
    assert changed is not None and changed.rest == ((22, bytes(8)),) and changed != plain
    advmss = nl.nested(8, nl.attribute(8, (1400).to_bytes(4, sys.byteorder)))
    changed = decode_table_route(encode_table_route(plain) + advmss)
    assert changed is not None and changed.rest and changed != plain


@given(st.binary(max_size=90))
def test_any_bytes_are_a_route_or_none_or_malformed(payload: bytes) -> None:
    try:
        decode_table_route(payload)
    except MalformedMessage:
        return


def test_truncated_next_hops_are_refused() -> None:
    route = TableRoute(parse_prefix("10.8.0.0/16"), 200, protocol=87, hops=(Hop(A, 3, 2), Hop(B, 3)))
    payload = encode_table_route(route)
    hops = next(content for kind, content in nl.attributes(payload, 12) if kind == 9)
    for cut in set(range(1, len(hops))) - {16}:
        with pytest.raises(MalformedMessage):
            decode_table_route(payload[:12] + nl.attribute(9, hops[:cut]))
