# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules on nodes: all problems are reported at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import key_of
from planned_nodes import CLOSED, HOSTS, node, planned, problems, silent

P = "node_encryption_"


def with_key(host: HostInput, key: str) -> HostInput:
    fact = dict(host.fact or {})
    fact["interfaces"] = {"kwg0": {**fact["interfaces"]["kwg0"], "public_key": key}}
    return host._replace(fact=fact)


def with_mesh(host: HostInput, **device: object) -> HostInput:
    """Return a node that is a member of a mesh as well, on the default port. device: of its own interface."""
    fact = dict(host.fact or {})
    own = {**fact["interfaces"]["kwg0"], **device}
    return host._replace(fact={**fact, "udp_ports": [53, 51820], "interfaces": {"kwg0": own, "wg0": {}}})


def with_calico(host: HostInput) -> HostInput:
    fact = dict(host.fact or {})
    cni = {"file": "x", "name": "x", "plugins": [{"type": "calico", "bridge": "", "ipam": "", "subnets": []}]}
    return host._replace(fact={**fact, "node": {**fact["node"], "cni": cni}})


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        ([node(1), node(2, pod_cidrs=["10.244.1.128/25"])], "10.244.1.128/25 is inside 10.244.1.0/24 of 'n1'"),
        ([node(1), node(2, pod_cidrs=["10.244.1.0/24"])], f"{P}pod_cidrs: 10.244.1.0/24"),
        (
            [node(1), node(2, extra_allowed_ips=["10.244.1.128/25"])],
            f"host 'n2': {P}extra_allowed_ips: 10.244.1.128/25 is inside 10.244.1.0/24, pods of 'n1'",
        ),
        ([node(1), with_key(node(2), key_of("n1"))], "key"),
        ([node(1, port=0), node(2)], f"host 'n1': {P}port: 0 is any port, and others reach this host at a fixed one"),
        ([node(1), silent(node(2, node_ip=["192.0.2.1"]))], "192.0.2.1 is also n1's"),
        ([node(1, fwmark=0x4000), node(2)], "0x4000/0x4000 shares bits with the marks of kube-proxy (0xc000)"),
        ([node(1, fwmark=0x8000), node(2)], "shares bits with the marks of kube-proxy (0xc000)"),
        ([node(1, fwmark="0xe00"), node(2)], "shares bits with the marks of Cilium (0xf00)"),
        ([node(1, fwmark=0x100000, fwmask=0x100100), node(2)], "shares bits with the marks of Cilium (0xf00)"),
        ([with_calico(node(1)), node(2)], "shares bits with the marks of Calico (0xffff0000)"),
        (
            [with_mesh(node(1)), node(2)],
            f"host 'n1': {P}port: UDP port 51820 is in use on the host, perhaps by wg0; use another, such as 51830",
        ),
        ([node(1, fwmark=0), node(2)], f"{P}fwmark: 0 marks no packet, and rules tell encrypted packets by their mark"),
        ([node(1, fwmark=0x1000, fwmask=0x2000), node(2)], "0x1000 has bits outside of its mask 0x2000"),
        ([node(1, CLOSED), node(2, CLOSED), node(3, enabled=False)], "the node does not encrypt, and the others drop"),
        ([node(1, strict=True), node(2, strict=True)], "strict encryption needs all pod networks"),
        (
            [node(n, cluster_cidrs=["10.244.1.0/24"]) for n in (1, 2)],
            "does not contain 10.244.2.0/24 of this node",
        ),
        (
            [node(n, CLOSED, cluster_cidrs=["10.244.1.0/24"]) for n in (1, 2)],
            "does not contain 10.244.2.0/24 of this node",
        ),
        (
            [node(n, CLOSED, cluster_cidrs=["10.244.0.0/16", "192.0.0.0/8"]) for n in (1, 2)],
            "192.0.0.0/8",
        ),
        (
            [node(n, CLOSED, cluster_cidrs=["10.244.0.0/16", "192.0.2.0/24"]) for n in (1, 2)],
            "192.0.2.0/24 contains the node's own address 192.0.2.1",
        ),
        ([node(1, CLOSED), node(2)], f"{P}strict: nodes differ, 'n1' and 'n2'"),
        ([node(1, HOSTS), node(2)], f"{P}host_encryption: nodes differ, 'n1' and 'n2'"),
        ([node(1, exempt_hosts=["n9"]), node(2)], "'n9' is not a node of the group"),
        ([node(1, strict="some"), node(2)], "'some' is not one of false, egress, ingress and true"),
        ([node(1, table=254), node(2)], "254"),
        ([node(1, exempt_ports=[70000]), node(2)], "70000 is not a whole number from 1 to 65535"),
        ([node(n, send_serial=-1) for n in (1, 2)], f"{P}send_serial: -1 is not a whole number from 0"),
        ([node(1, send_serial=1), node(2)], f"{P}send_serial: nodes differ, 'n1' and 'n2'"),
        ([node(n, phase="strict") for n in (1, 2)], f"{P}phase: 'strict' is not one of all, prepare, receive, verify"),
        ([node(1, phase="send"), node(2)], f"{P}phase: nodes differ, 'n1' and 'n2'"),
        ([node(n, phase="send", rotate=True) for n in (1, 2)], f"{P}phase: a key rotation cannot end with send"),
        ([node(1, phase="verify", rotate=True, backend="ipsec")], f"{P}phase: a key rotation cannot end with verify"),
        ([node(1, threaded_napi="maybe"), node(2)], f"{P}threaded_napi: 'maybe' is neither true nor false"),
        ([node(1, send_serial=1, backend="ipsec"), node(2, backend="ipsec")], f"{P}send_serial: nodes differ"),
    ],
)
def test_refused(fleet: list[HostInput], expected: str) -> None:
    told = problems(*fleet)
    assert expected in "\n".join(told)
    assert_role_has_variables(told)


ROLE = Path(__file__).parents[7] / "roles/node_encryption/meta/argument_specs.yml"
OPTIONS = frozenset(yaml.safe_load(ROLE.read_text())["argument_specs"]["main"]["options"])


def assert_role_has_variables(lines: Iterable[str]) -> None:
    for line in lines:
        named = set(re.findall(rf"\b{P}\w+", line))
        assert named and named <= OPTIONS, line


def test_messages_name_variables_that_the_role_has() -> None:
    assert_role_has_variables(problems(node(1), node(2, pod_cidrs=["10.244.1.0/24"])))
    # A node whose pods are not found.
    assert_role_has_variables(problems(node(1), node(2, pod_cidrs=[])))
    own = planned([node(1), node(2)]).variables
    assert set(own.values()) <= OPTIONS and own["preshared_keys"] == f"{P}psk_master"


def test_a_shared_address_is_reported_for_each_enabled_node() -> None:
    shared = [node(1), silent(node(2, node_ip=["192.0.2.1"])), silent(node(3, node_ip=["192.0.2.1"], enabled=False))]
    told = [line for line in problems(*shared) if f"{P}node_ip" in line]
    for one, other in (("n1", "n2"), ("n1", "n3"), ("n2", "n1"), ("n2", "n3")):
        assert any(
            line.startswith("host") and repr(one) in line.split(":")[0] and f"also {other}'s" in line for line in told
        )
    assert not any("'n3'" in line.split(":")[0] for line in told)


def test_all_problems_are_reported_together() -> None:
    bad: dict[str, Any] = {"fwmark": 0x4000, "strict_action": "reject", "pod_cidrs": ["10.244.1.0/25"]}
    told = "\n".join(problems(node(1), node(2, bad, cluster_cidrs=["10.0.0.1/8"]), node(3, strict="some", node_ip="x")))
    for part in ("kube-proxy", "strict_action", "10.244.1.0/25 is inside", "cluster_cidrs", "'some'", f"{P}node_ip"):
        assert part in told, part


def test_valid_settings_that_look_wrong() -> None:
    assert problems(node(1, fwmark=0x1000), with_calico(node(2, fwmark=0x1000))) == ()
    exempt = [node(number, CLOSED, exempt_hosts=["n3"]) for number in (1, 2)]
    assert problems(*exempt, node(3, enabled=False, fwmark=0x4000)) == (), "marks of a node that has none"
    assert problems(node(1, CLOSED), node(2, CLOSED), node(3, CLOSED, state="absent", enabled=True)) != ()


@pytest.mark.parametrize(
    "fleet",
    [
        [with_mesh(node(1), notes={"overlay": "node_encryption"}), node(2)],
        [with_mesh(node(1, port=51830)), node(2)],
        [with_mesh(node(1, adopt=True)), node(2)],
    ],
    ids=["its own port", "another port", "adopted"],
)
def test_a_port_that_is_free_for_the_node(fleet: list[HostInput]) -> None:
    assert "is in use" not in str(problems(*fleet))
