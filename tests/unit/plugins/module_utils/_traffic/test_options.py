# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of traffic_info, and the error counters of IPsec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.counters import Node, Underlay
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.ipsec import EchoTarget, WantedIpsec
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.options import Wanted, parse
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.xfrm_stat import growth, read
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.ownership import Reqids

NODE = {"name": "n1", "addresses": ["10.0.0.1/24"], "pod_networks": ["10.244.1.0/24"]}
GIVEN: dict[str, Any] = {
    "nodes": [NODE],
    "interfaces": None,
    "mark": 0,
    "wireguard_ports": [51820],
    "exempt_ports": [],
    "seconds": 5.0,
    "packets": 1000,
    "probe": None,
    "ipsec": None,
}


def test_options() -> None:
    nodes = (Node("n1", (parse_prefix("10.0.0.1/32"),), (parse_prefix("10.244.1.0/24"),)),)
    assert parse(GIVEN) == Wanted(Underlay(nodes, frozenset({51820})), (), 0, 5.0, 1000, None)
    assert parse({**GIVEN, "interfaces": ["eth0", "eth1", "eth0"]}).interfaces == ("eth0", "eth1")


def test_deadline_of_the_probe_is_the_length_of_the_capture() -> None:
    probe = parse({**GIVEN, "seconds": 8.0, "probe": {"interface": "kwg0", "peers": []}}).probe
    assert probe is not None and (probe.interface, probe.peers, probe.deadline, probe.path_mtu) == (
        "kwg0",
        (),
        8.0,
        True,
    )


def test_ipsec_targets() -> None:
    targets = [{"name": "n2", "address": "10.244.2.1/24", "mtu": 1446}, {"name": "n2", "address": "fd00::1"}]
    ipsec = parse({**GIVEN, "ipsec": {"reqids": "7100", "targets": targets}}).ipsec
    asked = (EchoTarget("n2", parse_prefix("10.244.2.1/32"), 1446), EchoTarget("n2", parse_prefix("fd00::1/128"), None))
    assert ipsec == WantedIpsec(Reqids(7100, 7100), asked)


def test_all_errors_are_reported_at_once() -> None:
    wrong = {
        "nodes": [
            NODE,
            {"name": "n1", "addresses": ["x"], "pod_networks": ["10.244.1.0/24", "10.1.1.1/8"]},
            {**NODE, "name": "n3"},
        ],
        "interfaces": ["eth0", "a b"],
        "mark": 1 << 32,
        "wireguard_ports": [0],
        "exempt_ports": [65536],
        "seconds": float("nan"),
        "packets": 0,
        "probe": {"interface": "..", "peers": [{"public_key": "short"}]},
        "ipsec": {
            "reqids": "0",
            "targets": [{"name": "n2", "address": "x"}, {"name": "n2", "address": "2001:db8::1", "mtu": 1279}],
        },
    }
    with pytest.raises(InvalidOptions) as caught:
        parse(wrong)
    assert [error.split(":")[0].split(" ")[0] for error in caught.value.errors] == [
        "seconds",
        "packets",
        "mark",
        "interfaces[1]",
        "wireguard_ports[0]",
        "exempt_ports[0]",
        "nodes[1].addresses[0]",
        "nodes[1].pod_networks[1]",
        "nodes[1].name",
        "nodes[2]",
        "nodes[2]",
        "probe.interface",
        "probe.peers[0].public_key",
        "ipsec.reqids",
        "ipsec.targets[0].address",
        "ipsec.targets[1].mtu",
    ]
    assert "10.0.0.1/32 already belongs to n1" in caught.value.errors[9]


def test_counters_of_ipsec(tmp_path: Path) -> None:
    file = tmp_path / "xfrm_stat"
    assert read(file) == {}, "a kernel without IPsec"
    file.write_text("XfrmInError             \t0\nXfrmInNoStates          \t3\nXfrmOutPolBlock          \t2\n")
    assert read(file) == {"XfrmInError": 0, "XfrmInNoStates": 3, "XfrmOutPolBlock": 2}
    assert growth({"XfrmInNoStates": 1, "XfrmOutPolBlock": 2}, read(file)) == {"XfrmInNoStates": 2}
