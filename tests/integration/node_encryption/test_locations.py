# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two locations of two nodes each: plaintext inside, encrypted by their leaders between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import boot_files
from located_nodes import LocatedNodes
from wire_capture import PLAIN_HOST, PLAIN_POD, WIREGUARD

EXEMPT, OTHER_PORT = 2222, 7777
COMMON = {"exempt_ports": [EXEMPT], "persistence": "wg_quick"}
# State that a node without a device loses at a reboot.
REBOOT = """
for family in -4 -6; do
    for priority in 97 97 98 98 99; do ip $family rule del pref $priority; done
    ip $family route flush table 7100
done
"""


@pytest.fixture(scope="module")
def sites(backend: str) -> Iterator[LocatedNodes]:
    with LocatedNodes(userspace=backend == "userspace") as cluster:
        yield cluster


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_plaintext_inside_and_encryption_between_locations(sites: LocatedNodes, tmp_path: Path) -> None:
    n1, n2, n3, n4 = sites.nodes
    sites.reset()
    ways = [
        (n2.pod, n4.pod.ipv4),
        (n4.pod, n2.pod.ipv6),
        (n1.pod, n4.pod.ipv4),
        (n2, n3.pod.ipv4),
        (n2, n4.ipv4),
        (n2.pod, n4.ipv6),
        (n1.pod, n2.pod.ipv4),
    ]
    with ExitStack() as stack:
        pings = [stack.enter_context(sites.steady_ping(source, target)) for source, target in ways]
        before = [node.source_check_drops() for node in sites.nodes]
        # One by one: nodes before and after the switch reach each other.
        plan = sites.phased(after_send=lambda node: None, **COMMON).plan
        assert {name: host.node.leader for name, host in plan.hosts.items() if host.node} == {
            "n1": "n1",
            "n2": "n1",
            "n3": "n3",
            "n4": "n3",
        }
        assert [ping.lost() for ping in pings] == [[]] * len(ways), "roll-out"
        n2.masquerade()
        with sites.captured(tmp_path / "link.pcap") as link, sites.captured_inside(tmp_path / "inside.pcap") as inside:
            for source, target in ((n1, n4), (n2, n3), (n4, n1), (n3, n2)):
                assert sites.ping(source, target.ipv6, count=1) == sites.ping(source, target.pod.ipv4, count=1) == 1
                assert sites.ping(source.pod, target.ipv4, count=1) == 1, "also where it is masqueraded"
                assert sites.ping(source.pod, target.pod.ipv6, count=1) == 1
            assert sites.fetch(n2.pod, n4.pod, n4.pod.ipv4, OTHER_PORT) == (20000, n2.pod.ipv4)
            assert sites.ping(n1.pod, n2.pod.ipv4) == sites.ping(n1, n2.ipv4) == 3
            assert set(link.kinds()) == {WIREGUARD}, "between locations"
            ends = {(p.source, p.destination) for p in link.packets()}
            assert ends <= {(one, other) for one in (n1.ipv4, n3.ipv4) for other in (n1.ipv4, n3.ipv4)}, "leaders alone"
            seen = {(p.kind, p.source, p.destination) for p in inside.packets()}
            assert {(PLAIN_POD, n1.pod.ipv4, n2.pod.ipv4), (PLAIN_HOST, n1.ipv4, n2.ipv4)} <= seen, "inside"
            assert sites.fetch(n2, n4, n4.ipv4, EXEMPT) == (20000, n2.ipv4), "the port of management is exempt"
            assert {packet.protocol for packet in link.packets() if packet.kind != WIREGUARD} == {6}
        after = [node.source_check_drops() for node in sites.nodes]
        assert after == before, "the source check is strict, and all ways are the same back"
        for node, interfaces in ((n1, 1), (n2, 0), (n3, 1), (n4, 0)):
            assert node.run("ip", "-br", "link").count("kwg0") == interfaces, node.name
        assert "via 10.1.0.1" in n2.run("ip", "route", "show", "table", "7100")
        assert not any(sites.phased(**COMMON).changed.values()), "a second run"
        # An unreachable leader is kept.
        sites.forget(n1)
        assert not any(sites.phased(limit=[n2, n3, n4], **COMMON).changed.values())
        for node in (n3, n4):
            sites.forget(node)
        assert sites.phased(limit=[n2], **COMMON).changed == {"n2": False}
        sites.phased(per_host={"n4": {"enabled": False}}, **COMMON)
        assert [ping.lost() for ping in pings] == [[]] * len(ways), "one switched off"
        with sites.captured(tmp_path / "mixed.pcap") as link:
            assert sites.ping(n2.pod, n4.pod.ipv4, count=1) == 1
            assert link.kinds()[PLAIN_POD] > 0, "the capture sees what is not encrypted"
        sites.phased(**COMMON)
        assert [ping.lost() for ping in pings] == [[]] * len(ways), "switched on"
    n2.host.shell(REBOOT)
    for load in (*boot_files.LOADS, boot_files.ONLINE_LOAD):
        n2.host.shell(load)
    assert not any(sites.phased(**COMMON).changed.values()), "what boots is what ran"
    with sites.steady_ping(n2.pod, n4.pod.ipv4) as pods, sites.steady_ping(n4, n2.ipv6) as hosts:
        sites.phased(state="absent")
        assert pods.lost() == hosts.lost() == [], "teardown"
    for node in sites.nodes:
        assert "7100" not in node.run("ip", "rule") + node.run("ip", "-6", "rule")
        assert node.run("ip", "route", "show", "table", "7100", check=False) == ""
        assert "kwg0" not in node.run("ip", "link") + node.run("nft", "list", "ruleset")
