# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of a table: plans, their order, and what a message says."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import NotConverged, Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import replay
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.link_routes import PROTOCOL
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.route_record import note_of
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.route_record import read as read_notes
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.route_record import write as write_notes
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.route_table import (
    apply,
    describe,
    plan,
    read,
    settle,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import ForeignFile
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import (
    Hop,
    TableRoute,
    encode_table_route,
)
from hypothesis import given
from hypothesis import strategies as st

A, B = bytes((198, 51, 100, 2)), bytes((198, 51, 100, 3))


def route(destination: str = "10.5.0.0/16", **options: object) -> TableRoute:
    return TableRoute(parse_prefix(destination), 71, **{"protocol": PROTOCOL, "hops": (Hop(b"", 3),), **options})  # type: ignore[arg-type]


ROUTES = st.builds(
    route,
    st.sampled_from(["0.0.0.0/0", "10.5.0.0/16", "10.6.0.0/16", "fd05::/48"]),
    metric=st.sampled_from([0, 5]),
    mtu=st.sampled_from([0, 1400]),
    protocol=st.sampled_from([PROTOCOL, PROTOCOL, PROTOCOL, 4]),
    hops=st.sampled_from([(Hop(b"", 3),), (Hop(A, 3),), ()]),
)
CURRENT = st.lists(ROUTES, max_size=8, unique_by=TableRoute.key)
WANTED = st.lists(ROUTES.filter(lambda item: item.protocol == PROTOCOL), max_size=6, unique_by=TableRoute.key)


@given(CURRENT, WANTED, st.booleans())
def test_a_plan_results_in_the_wanted_objects_and_keeps_foreign_ones(
    current: list[TableRoute], wanted: list[TableRoute], purge: bool
) -> None:
    foreign = {item.key() for item in current if item.protocol != PROTOCOL}
    if foreign & {item.key() for item in wanted}:
        with pytest.raises(Refused):
            plan(current, wanted, purge=purge)
        return
    operations = plan(current, wanted, purge=purge)
    after = replay(current, operations)
    assert all(after[item.key()] == item for item in wanted)
    assert [item for item in current if item.key() in foreign] == [after[key] for key in after if key in foreign]
    if purge:
        assert len(after) == len(foreign) + len(wanted)
    assert plan(list(after.values()), wanted, purge=purge) == []


@given(CURRENT, st.lists(ROUTES, max_size=4))
def test_absent_routes_are_deleted_if_managed(current: list[TableRoute], named: list[TableRoute]) -> None:
    absent = {item.key() for item in named}
    after = replay(current, plan(current, [], absent))
    assert list(after.values()) == [item for item in current if item.key() not in absent or item.protocol != PROTOCOL]


def test_routes_to_gateways_are_added_first_and_deleted_last() -> None:
    default, link = route("0.0.0.0/0", hops=(Hop(A),)), route("198.51.100.0/24")
    assert [operation.after for operation in plan([], [default, link])] == [link, default]
    assert [operation.before for operation in plan([default, link], [], purge=True)] == [default, link]


def test_what_is_left_to_the_kernel_is_taken_as_it_is() -> None:
    assert settle(route(hops=(Hop(A, 3),)), route(hops=(Hop(A),))) == route(hops=(Hop(A, 3),))
    assert settle(None, route(hops=(Hop(A),))) == route(hops=(Hop(A),))
    several = route(hops=(Hop(A, 3), Hop(B, 4, 2)))
    assert settle(several, route(hops=(Hop(B, 0, 2), Hop(A, 3)))) == several
    assert plan([route(hops=(Hop(A, 3),))], [route(hops=(Hop(B),))])


def test_recorded_routes_are_managed_whatever_their_protocol() -> None:
    boot, other = route(protocol=3), route("10.6.0.0/16", protocol=3)
    assert [op.before for op in plan([boot, other], [], purge=True, noted={note_of(boot)})] == [boot]
    (changed,) = plan([boot], [route(protocol=3, mtu=1400)], noted={note_of(boot)})
    assert changed.before == boot
    with pytest.raises(Refused, match=r"destination and metric exists \(protocol 3\)"):
        plan([boot], [route(protocol=3, mtu=1400)])
    assert plan([boot], [boot]) == [], "what is wanted is there already, and stays whose it is"


def test_notes_are_kept_by_table_and_go_with_the_last(tmp_path: Path) -> None:
    path = str(tmp_path / "notes" / "routes.json")
    assert read_notes(path) == {}
    write_notes(201, ["a"], path)
    write_notes(1, ["b", "c"], path)
    assert read_notes(path) == {201: {"a"}, 1: {"b", "c"}}
    write_notes(1, [], path)
    assert read_notes(path) == {201: {"a"}}
    write_notes(201, [], path)
    assert not Path(path).exists()
    Path(path).parent.mkdir(exist_ok=True)
    ours = '{"about": "wirewright.overlay: routes of ours that do not carry its protocol", '
    for text in (ours, ours + '"tables": []}', ours + '"tables": {"x": 1}}'):
        Path(path).write_text(text)
        assert read_notes(path) == {}, "no route is ours"
    Path(path).write_text('{"tables": {"1": ["b"]}}')
    with pytest.raises(ForeignFile):
        read_notes(path)


def test_routes_of_other_protocols_are_named_up_to_ten() -> None:
    current = [route(f"10.{number}.0.0/16", protocol=4) for number in range(12)]
    with pytest.raises(Refused, match=r"10\.9\.0\.0/16.*; and 2 more"):
        plan(current, [route(f"10.{number}.0.0/16") for number in range(12)])


class _Connection:
    def __init__(self, dumps: object = (), refusals: dict[int, NetlinkError] | None = None) -> None:
        self.dumps, self.refusals = dumps, refusals or {}
        self.batches: list[tuple[int, int, int]] = []

    def dump(self, _kind: int, _payload: bytes) -> object:
        if isinstance(self.dumps, Exception):
            raise self.dumps
        return self.dumps

    def batch(self, kind: int, flags: int, payloads: list[bytes]) -> dict[int, NetlinkError]:
        self.batches.append((kind, flags, len(payloads)))
        return self.refusals


def test_a_table_without_routes_is_empty_and_another_failure_is_none() -> None:
    assert read(_Connection(NetlinkError(errno.ENOENT)), 71) == []  # type: ignore[arg-type]
    with pytest.raises(NetlinkError):
        read(_Connection(NetlinkError(errno.EPERM)), 71)  # type: ignore[arg-type]


def test_other_tables_and_families_are_passed_over() -> None:
    dumps = [encode_table_route(route()), encode_table_route(TableRoute(parse_prefix("10.5.0.0/16"), 72))]
    assert read(_Connection(dumps), 71) == [route()]  # type: ignore[arg-type]


def test_each_kind_of_change_is_one_batch() -> None:
    connection = _Connection()
    operations = plan(
        [route(), route("10.7.0.0/16")], [route(mtu=1400), route("10.6.0.0/16"), route("fd05::/48")], purge=True
    )
    assert apply(connection, operations) == 4  # type: ignore[arg-type]
    assert {kind for kind, _flags, _count in connection.batches} == {codec.RTM_NEWROUTE, codec.RTM_DELROUTE}
    assert sum(count for _kind, _flags, count in connection.batches) == 4


def test_refusals_name_the_route_and_the_kernels_words() -> None:
    refused = {1: NetlinkError(errno.EINVAL, "Nexthop has invalid gateway")}
    operations = plan([], [route(), route("10.6.0.0/16")])
    with pytest.raises(NetlinkError, match=r"10\.6\.0\.0/16.*: Nexthop has invalid gateway"):
        apply(_Connection(refusals=refused), operations)  # type: ignore[arg-type]


def test_a_route_that_is_already_gone_is_ignored() -> None:
    operations = plan([route()], [], purge=True)
    assert apply(_Connection(refusals={0: NetlinkError(errno.ESRCH)}), operations) == 1  # type: ignore[arg-type]
    with pytest.raises(NetlinkError):
        apply(_Connection(refusals={0: NetlinkError(errno.EPERM)}), operations)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (route(), "10.5.0.0/16 dev if3 table 71"),
        (route(type=codec.RTN_THROW, hops=()), "throw 10.5.0.0/16 table 71"),
        (route("::/0", hops=(Hop(bytes(15) + b"\1", 3, 1, True),)), "default (ipv6) via ::1 dev if3 onlink table 71"),
        (
            route(hops=(Hop(A, 3, 2), Hop(bytes(15) + b"\1", 4)), metric=5, mtu=1400, source=B),
            "10.5.0.0/16 table 71 src 198.51.100.3 metric 5 mtu 1400 nexthop via 198.51.100.2 dev if3 weight 2 "
            "nexthop via inet6 ::1 dev if4 weight 1",
        ),
    ],
)
def test_routes_are_described_in_the_syntax_of_ip(item: TableRoute, words: str) -> None:
    assert describe(item, lambda index: f"if{index}") == words


def test_pending_routes_are_listed_up_to_ten() -> None:
    assert (
        str(NotConverged(*(f"add {number}" for number in range(12)))).partition(". ")[0].endswith("add 9; and 2 more")
    )
