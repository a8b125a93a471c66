# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused between nodes, all of it at once and before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HostInput
from planned_fleet import key_of
from planned_nodes import CLOSED, HOSTS, node, problems, silent

P = "node_encryption_"


def with_key(host: HostInput, key: str) -> HostInput:
    fact = dict(host.fact or {})
    fact["interfaces"] = {"kwg0": {**fact["interfaces"]["kwg0"], "public_key": key}}
    return host._replace(fact=fact)


def with_calico(host: HostInput) -> HostInput:
    fact = dict(host.fact or {})
    cni = {"file": "x", "name": "x", "plugins": [{"type": "calico", "bridge": "", "ipam": "", "subnets": []}]}
    return host._replace(fact={**fact, "node": {**fact["node"], "cni": cni}})


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        ([node(1), node(2, pod_cidrs=["10.244.1.128/25"])], "10.244.1.128/25 is inside 10.244.1.0/24 of 'n1'"),
        ([node(1), node(2, pod_cidrs=["10.244.1.0/24"])], "10.244.1.0/24"),
        ([node(1), with_key(node(2), key_of("n1"))], "key"),
        ([node(1), silent(node(2, node_ip=["192.0.2.1"]))], "192.0.2.1 is also n1's"),
        ([node(1, fwmark=0x4000), node(2)], "0x4000/0x4000 shares bits with the marks of kube-proxy (0xc000)"),
        ([node(1, fwmark=0x8000), node(2)], "shares bits with the marks of kube-proxy (0xc000)"),
        ([node(1, fwmark="0xe00"), node(2)], "shares bits with the marks of Cilium (0xf00)"),
        ([node(1, fwmark=0x100000, fwmask=0x100100), node(2)], "shares bits with the marks of Cilium (0xf00)"),
        ([with_calico(node(1)), node(2)], "shares bits with the marks of Calico (0xffff0000)"),
        ([node(1, fwmark=0x1000, fwmask=0x2000), node(2)], "0x1000 has bits outside of its mask 0x2000"),
        ([node(1, CLOSED), node(2, CLOSED), node(3, enabled=False)], "the node does not encrypt, and the others are"),
        ([node(1, strict=True), node(2, strict=True)], "closing needs to know all networks of pods"),
        (
            [node(n, cluster_cidrs=["10.244.1.0/24"]) for n in (1, 2)],
            "does not hold 10.244.2.0/24 of this node",
        ),
        (
            [node(n, CLOSED, cluster_cidrs=["10.244.1.0/24"]) for n in (1, 2)],
            "does not hold 10.244.2.0/24 of this node",
        ),
        (
            [node(n, CLOSED, cluster_cidrs=["10.244.0.0/16", "192.0.0.0/8"]) for n in (1, 2)],
            "192.0.0.0/8",
        ),
        (
            [node(n, CLOSED, cluster_cidrs=["10.244.0.0/16", "192.0.2.0/24"]) for n in (1, 2)],
            "192.0.2.0/24 holds the node's own address 192.0.2.1",
        ),
        ([node(1, CLOSED), node(2)], f"{P}strict: nodes differ, 'n1' and 'n2'"),
        ([node(1, HOSTS), node(2)], f"{P}host_encryption: nodes differ, 'n1' and 'n2'"),
        ([node(1, exempt_hosts=["n9"]), node(2)], "'n9' is no node of the group"),
        ([node(1, strict="some"), node(2)], "'some' is not one of false, egress, ingress and true"),
        ([node(1, table=254), node(2)], "254"),
        ([node(1, exempt_ports=[70000]), node(2)], "70000 is not a whole number from 1 to 65535"),
        ([node(n, flip_serial=-1) for n in (1, 2)], f"{P}flip_serial: -1 is not a whole number from 0"),
        ([node(1, flip_serial=1), node(2)], f"{P}flip_serial: nodes differ, 'n1' and 'n2'"),
        ([node(n, phase="strict") for n in (1, 2)], f"{P}phase: 'strict' is not one of all, prepare, receive, verify"),
        ([node(1, phase="flip"), node(2)], f"{P}phase: nodes differ, 'n1' and 'n2'"),
        ([node(n, phase="flip", rotate=True) for n in (1, 2)], f"{P}phase: flip would end the run halfway"),
        ([node(1, phase="verify", rotate=True, backend="ipsec")], f"{P}phase: verify would end the run halfway"),
        ([node(1, threaded_napi="maybe"), node(2)], f"{P}threaded_napi: 'maybe' is neither true nor false"),
        ([node(1, flip_serial=1, backend="ipsec"), node(2, backend="ipsec")], f"{P}flip_serial: nodes differ"),
    ],
)
def test_refused(fleet: list[HostInput], expected: str) -> None:
    assert expected in "\n".join(problems(*fleet))


def test_all_of_it_is_told_at_once() -> None:
    bad: dict[str, Any] = {"fwmark": 0x4000, "strict_action": "reject", "pod_cidrs": ["10.244.1.0/25"]}
    told = "\n".join(problems(node(1), node(2, bad, cluster_cidrs=["10.0.0.1/8"]), node(3, strict="some", node_ip="x")))
    for part in ("kube-proxy", "strict_action", "10.244.1.0/25 is inside", "cluster_cidrs", "'some'", f"{P}node_ip"):
        assert part in told, part


def test_what_only_looks_wrong() -> None:
    assert problems(node(1, fwmark=0x1000), with_calico(node(2, fwmark=0x1000))) == ()
    exempt = [node(number, CLOSED, exempt_hosts=["n3"]) for number in (1, 2)]
    assert problems(*exempt, node(3, enabled=False, fwmark=0x4000)) == (), "marks of a node that has none"
    assert problems(node(1, CLOSED), node(2, CLOSED), node(3, CLOSED, state="absent", enabled=True)) != ()
