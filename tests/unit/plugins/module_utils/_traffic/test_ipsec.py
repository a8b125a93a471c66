# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPsec in the result of traffic_info: states by direction, growth of their counters, echo replies."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.size_search import SizeSearch
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.counters import Node
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.ipsec import (
    EchoTarget,
    WantedIpsec,
    answers,
    describe,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.model import ESP, FLAG_ESN, Address, State
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.ownership import OURS

NOW = 1_800_000_000
NODES = [Node(f"n{number}", (parse_prefix(f"10.0.0.{number}/32"),), ()) for number in (1, 2)]


def state(source: int, destination: int, spi: int, packets: int = 0, **more: Any) -> State:
    ends = [Address(socket.AF_INET, bytes((10, 0, 0, number))) for number in (destination, source)]
    found = State(ends[0], ESP, spi, source=ends[1], reqid=7100, flags=FLAG_ESN, added=NOW - 86400)
    return replace(found, packet_count=packets, byte_count=packets * 100, **more)


def test_states_are_summed_by_direction() -> None:
    before = [state(1, 2, 0x100, 5), state(2, 1, 0x201, 2, failed=(0, 1, 0)), state(1, 9, 0x300, 1)]
    after = [
        state(2, 1, 0x202, 3, added=NOW - 3 * 86400),
        state(2, 1, 0x201, 4, failed=(0, 1, 2)),
        state(1, 2, 0x100, 9, sequence=(9, 0)),
        state(1, 9, 0x300, 7),
    ]
    out, back = describe(before, after, NODES, NOW)
    assert out == {
        "source": "n1", "destination": "n2", "src": "10.0.0.1", "dst": "10.0.0.2", "spis": ["0x00000100"],
        "packets": 9, "bytes": 900, "meanwhile": 4, "failed": 0, "key_age_days": 1, "sequence_percent": 0,
    }  # fmt: skip
    told = {name: back[name] for name in ("source", "spis", "packets", "meanwhile", "failed", "key_age_days")}
    spis = ["0x00000201", "0x00000202"]
    assert told == {"source": "n2", "spis": spis, "packets": 7, "meanwhile": 5, "failed": 2, "key_age_days": 3}


def test_answers() -> None:
    addresses = [
        EchoTarget("n2", parse_prefix("10.244.2.1/32"), 1446),
        EchoTarget("n3", parse_prefix("fd00:244:0:3::1/128"), None),
    ]
    heard, silent = (SizeSearch(one.host.family, one.mtu, 0.0) for one in addresses)
    heard.answered(heard.small, 0.0004, 1.0)
    heard.answered(1400, 0.001, 1.0)
    assert answers(WantedIpsec(OURS, tuple(addresses)), [heard, silent]) == [
        {"name": "n2", "address": "10.244.2.1", "replied": True, "rtt_ms": 0.4, "mtu": 1400, "wanted_mtu": 1446},
        {"name": "n3", "address": "fd00:244:0:3::1", "replied": False, "rtt_ms": None, "mtu": None, "wanted_mtu": None},
    ]
