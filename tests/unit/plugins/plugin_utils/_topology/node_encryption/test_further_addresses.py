# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further addresses of nodes: what is placed, what is left out, and what a run warns about."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_nodes import CLOSED, HOSTS, NOW, addresses, node, planned, problems, routes

P = "node_encryption_"
NEW = {"boot_id": "3f7ad1c0", "record": None, "epochs_left": 0, "nodes": {}, "slots": {}, "lost": 0}


def having(host: HostInput, **interfaces: list[str]) -> HostInput:
    """Return a node with further addresses, by interface; eth0 keeps the first ones."""
    assert host.fact is not None
    own = [dict(one) for one in host.fact["node"]["interfaces"]]
    for index, (name, listed) in enumerate(interfaces.items(), 3):
        if name == "eth0":
            own[0]["addresses"] = [*own[0]["addresses"], *listed]
        else:
            own.append(
                {
                    "name": name,
                    "index": index,
                    "kind": "",
                    "managed": False,
                    "up": True,
                    "mtu": 1500,
                    "addresses": listed,
                }
            )
    return host._replace(fact={**host.fact, "ipsec": NEW, "node": {**host.fact["node"], "interfaces": own}})


def placed(*fleet: HostInput) -> list[str]:
    """Return the addresses of the first node in the plan."""
    own = planned(fleet).hosts["n1"].node
    assert own is not None
    return [address.bare for address in own.addresses]


def warned(*fleet: HostInput) -> list[str]:
    return [line for line in plan_node_encryption(fleet, now=NOW).warnings if "_ips: " in line]


@pytest.mark.parametrize(
    ("interfaces", "variables", "expected"),
    [
        ({"eth1": ["10.1.0.1/24"], "lo": ["198.51.100.1/32"]}, {}, ["10.1.0.1", "198.51.100.1"]),
        ({"eth1": ["10.1.0.1/24", "10.1.0.9/24", "10.2.0.1/24"]}, {}, ["10.1.0.1", "10.2.0.1"]),
        ({"eth0": ["192.0.2.50/32", "192.0.2.51/16"]}, {}, []),
        ({"eth0": ["192.0.2.50/32"]}, {"further_ips": ["192.0.2.50"]}, ["192.0.2.50"]),
        ({"eth1": ["10.1.0.1/24"]}, {"exclude_cidrs": ["10.1.0.0/24"]}, []),
        ({"eth1": ["10.1.0.1/24"]}, {"virtual_ips": ["10.1.0.1"]}, []),
        ({"cni0": ["10.244.1.1/24"], "docker0": ["172.17.0.1/16"], "kube-ipvs0": ["10.96.0.1/32"]}, {}, []),
        (
            {"eth1": ["10.244.2.7/24", "fd00:1::1/64"]},
            {},
            [],
        ),  # in the network of another node's pods; IPv6 is not planned
    ],
)
def test_what_is_placed(interfaces: dict[str, list[str]], variables: dict[str, Any], expected: list[str]) -> None:
    virtual = {"virtual_ips": variables["virtual_ips"]} if "virtual_ips" in variables else {}
    assert placed(having(node(1, variables), **interfaces), node(2, virtual)) == [addresses(1)[0], *expected]


def test_leased_addresses_stay() -> None:
    one = having(node(1), eth0=["192.0.2.50/32"])
    assert one.fact is not None
    one.fact["node"]["interfaces"][0]["leased"] = ["192.0.2.50/32"]
    assert placed(one, node(2)) == [addresses(1)[0], "192.0.2.50"] and warned(one, node(2)) == []


def test_what_cannot_be_placed_is_named_with_the_remedy() -> None:
    fleet = (
        having(node(1), eth0=["192.0.2.50/32"]),
        having(node(2), eth1=["10.1.0.9/24"]),
        having(node(3), eth1=["10.1.0.9/24"]),
    )
    several, moving = sorted(warned(*fleet), key=lambda line: "further_ips: " in line)
    assert several == (
        f"hosts 'n2', 'n3': {P}virtual_ips: 10.1.0.9 is an address of 'n2', 'n3', so traffic to it is not encrypted, and pods of "
        f"other nodes may not reach it; add it to this variable on all nodes, or to {P}exclude_cidrs if no pod or node uses it"
    )
    assert moving.startswith(f"host 'n1': {P}further_ips: 192.0.2.50 on eth0 may move to another node")
    quiet = [host._replace(variables={**host.variables, "virtual_ips": ["192.0.2.50", "10.1.0.9"]}) for host in fleet]
    assert warned(*quiet) == []


def test_further_addresses_are_encrypted_like_the_first() -> None:
    fleet = [having(node(1, CLOSED), lo=["198.51.100.1/32"]), node(2, CLOSED)]
    document = host_document(planned(fleet), "n2")
    assert routes(document, 7101)["198.51.100.1/32"] == "kwg0"
    (peer,) = document["interfaces"][0]["peers"]
    assert "198.51.100.1/32" in peer["allowed_ips"]
    whole = planned([having(node(1, {**CLOSED, **HOSTS}), lo=["198.51.100.1/32"]), node(2, {**CLOSED, **HOSTS})])
    (route,) = [
        one for one in host_document(whole, "n2")["ip_routes"][0]["routes"] if one["destination"] == "198.51.100.1/32"
    ][:1]
    assert route["dev"] == "kwg0" and route["src"] == addresses(2)[0]
    (own,) = [
        one
        for one in host_document(whole, "n1")["ip_routes"][0]["routes"]
        if one["destination"] == f"{addresses(2)[0]}/32"
    ][:1]
    assert own["src"] == addresses(1)[0], "a further address is not the source"


def test_ipsec_policies_of_further_addresses() -> None:
    fleet = [
        having(node(number, CLOSED, backend="ipsec"), **more)
        for number, more in ((1, {"lo": ["198.51.100.1/32"]}), (2, {}))
    ]
    document = host_document(planned(fleet), "n2", Secrets(ipsec_master="correct horse battery staple"))
    out = {(one["src"], one["dst"]) for one in document["xfrm_policies"]["policies"] if one["dir"] == "out"}
    assert ("10.244.2.0/24", "198.51.100.1/32") in out and (f"{addresses(2)[0]}/32", "198.51.100.1/32") not in out


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"virtual_ips": ["192.0.2.2"]},
            f"{P}virtual_ips: 192.0.2.2 is the address of 'n2' for other nodes, which does not move",
        ),
        (
            {"virtual_ips": ["10.244.9.9"], **CLOSED},
            f"{P}virtual_ips: 10.244.9.9 is inside 10.244.0.0/16 of {P}cluster_cidrs",
        ),
        (
            {"virtual_ips": ["192.0.2.50"], "profile": "cilium"},
            f"{P}virtual_ips: the profile cilium routes by marks only",
        ),
        ({"further_ips": ["192.0.2.50"]}, f"{P}further_ips: 192.0.2.50 is on no interface of the host"),
        (
            {"further_ips": ["192.0.2.50"], "virtual_ips": ["192.0.2.50"]},
            f"{P}further_ips: 192.0.2.50 is in {P}virtual_ips",
        ),
    ],
)
def test_addresses_that_are_refused(variables: dict[str, Any], expected: str) -> None:
    assert expected in "\n".join(problems(node(1, variables), node(2, variables)))


def test_an_address_that_moves_is_unencrypted_on_all_nodes() -> None:
    fleet = [node(number, {**CLOSED, "virtual_ips": ["192.0.2.50"]}) for number in (1, 2)]
    for name in ("n1", "n2"):
        document = host_document(planned(fleet), name)
        assert {"priority": 98, "from": "192.0.2.50/32", "table": "main"} in document["ip_rules"]["rules"]
        filtered = document["nftables"]["kwg0"]
        assert filtered["drop_plaintext"]["own"] == ["192.0.2.50"]
        assert filtered["set_mark"][-1:] == [{"mark": "0x100000/0x100000", "not_iif": [], "daddr": ["192.0.2.50"]}]
        assert document["interfaces"][0]["sysctls"]["net/ipv4/conf/all/src_valid_mark"] == "1"
    assert f"{P}virtual_ips: nodes differ" in str(problems(fleet[0], node(2, CLOSED)))


OTHERS: dict[str, Any] = {"pod_cidrs": ["10.244.2.0/24", "fd44:0:0:2::/64"], "node_ip_families": [4, 6]}


@pytest.mark.parametrize("backend", ["wireguard", "ipsec"])
@pytest.mark.parametrize(
    ("reported", "of_other", "why"),
    [
        ("192.0.2.2/32", {}, "192.0.2.2 on lo is an address of 'n2'"),
        ("fd00::2/128", {}, "fd00::2 on lo is an address of 'n2'"),
        ("fd00:0:0:0:0:0:0:2/128", {}, "fd00::2 on lo is an address of 'n2'"),
        ("192.0.2.77/32", {"further_ips": ["192.0.2.77"]}, "192.0.2.77 on lo is an address of 'n2'"),
        ("10.244.2.9/32", {}, "10.244.2.9 on lo is inside 10.244.2.0/24, pods of 'n2'"),
        ("fd44:0:0:2::9/128", {}, "fd44:0:0:2::9 on lo is inside fd44:0:0:2::/64, pods of 'n2'"),
        ("198.51.100.7/32", {"extra_allowed_ips": ["198.51.100.0/24"]}, "inside 198.51.100.0/24, networks of 'n2'"),
    ],
)
def test_what_belongs_to_another_node_is_ignored_for_the_node_that_reports_it(
    backend: str, reported: str, of_other: dict[str, Any], why: str
) -> None:
    both = {"node_ip_families": [4, 6], "backend": backend}
    other = having(node(2, {**OTHERS, **both, **of_other}), eth0=["192.0.2.77/16"])
    fleet = (having(node(1, both, pod_cidrs=["10.244.1.0/24", "fd44:0:0:1::/64"]), lo=[reported]), other)
    outcome = plan_node_encryption(fleet, now=NOW)
    assert outcome.plan is not None, outcome.problems
    (line,) = [one for one in outcome.warnings if why in one]
    assert line.startswith(f"host 'n1': {P}further_ips: ") and line.endswith("remove it from the host")
    name = reported.partition("/")[0]
    if backend == "wireguard":
        nodes = {one: outcome.plan.hosts[one].node for one in ("n1", "n2")}
        assert nodes["n1"] is not None and [one.bare for one in nodes["n1"].addresses] == [*addresses(1)]
        assert nodes["n2"] is not None and (
            "further_ips" not in of_other or name in [one.bare for one in nodes["n2"].addresses]
        )
    else:
        assert outcome.plan.ipsec is not None and outcome.plan.ipsec.nodes["n1"].further == ()
        assert bool(outcome.plan.ipsec.nodes["n2"].further) == ("further_ips" in of_other)


def test_an_address_to_which_ansible_connects_and_one_of_an_unlisted_node_belong_to_these() -> None:
    listed = [{"metadata": {"name": f"n{n}"}, "spec": {"podCIDRs": [f"10.244.{n}.0/24"]}} for n in (1, 2)]
    unlisted = {
        "metadata": {"name": "windows"},
        "spec": {},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.60"}]},
    }
    nodes = {"items": [*listed, unlisted]}
    fleet = (
        having(node(1, nodes=nodes), lo=["192.0.2.60/32", "203.0.113.2/32", "203.0.113.9/32"]),
        node(2, nodes=nodes)._replace(ansible_host="203.0.113.2"),
    )
    assert placed(*fleet) == [addresses(1)[0], "203.0.113.9"]
    said = "".join(warned(*fleet))
    assert "192.0.2.60 on lo is an address of 'windows' of the cluster" in said
    assert "203.0.113.2 on lo is an address of 'n2'" in said


def test_the_number_of_reported_addresses_is_bounded() -> None:
    many = having(node(1), **{f"eth{n}": [f"10.{n}.{m}.1/24" for m in range(90)] for n in (1, 2)})
    assert len(placed(many, node(2))) == 101
    (line,) = warned(many, node(2))
    assert "the host has 180 further addresses, and the first 100 are used" in line


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"further_ips": ["10.1.0.9"]}, {"further_ips": ["10.1.0.9"]}, "10.1.0.9 is an address of 'n2' as well"),
        ({"further_ips": ["10.244.2.9"]}, {}, "10.244.2.9 is inside 10.244.2.0/24, pods of 'n2'; remove it here"),
    ],
)
def test_the_inventory_gives_an_address_to_one_node(
    first: dict[str, Any], second: dict[str, Any], expected: str
) -> None:
    (address,) = first["further_ips"]
    fleet = [having(node(number, own), lo=[f"{address}/32"]) for number, own in ((1, first), (2, second))]
    assert f"host 'n1': {P}further_ips: {expected}" in "\n".join(problems(*fleet))


def test_a_node_that_reports_the_further_address_of_another_or_a_virtual_one_as_its_own_is_refused_alone() -> None:
    detected: dict[str, Any] = {"node_ip": [], "node_ip_detection": "interface=eth9"}
    for common, own in (({}, {"further_ips": ["10.1.0.9"]}), ({"virtual_ips": ["10.1.0.9"]}, {})):
        fleet = (
            having(node(1, {**common, **own}), lo=["10.1.0.9/32"]),
            node(2, common),
            having(node(3, {**common, **detected}), eth9=["10.1.0.9/24"]),
        )
        outcome = plan_node_encryption(fleet, now=NOW)
        assert outcome.plan is not None, outcome.problems
        assert list(outcome.plan.refused) == ["n3"] and "10.1.0.9" in outcome.plan.refused["n3"]
        host = outcome.plan.hosts["n1"].node
        assert host is not None and ("10.1.0.9" in [one.bare for one in host.addresses]) == bool(own)
