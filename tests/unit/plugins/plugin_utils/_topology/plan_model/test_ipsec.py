# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPsec of a cluster: whoever has which document at any moment, packets arrive, and in clear only where it may be."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.document import (
    host_document,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.key_rotation import (
    Step,
    rotation_due,
    slots_of,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import (
    BOTH,
    INGRESS,
    OFF,
    IpsecNode,
    IpsecSettings,
    Phase,
    Slots,
    parts_of,
    spi_of,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._xfrm_keys import XfrmKeys
from hypothesis import given
from hypothesis import strategies as st

from ..node_encryption.ipsec.ipsec_model import CLEAR, Kernel, Packet, delivered

KEYS = XfrmKeys("correct horse battery staple")


def prefixes(*texts: str) -> tuple[Prefix, ...]:
    return tuple(map(parse_prefix, texts))


CLUSTER = prefixes("10.244.0.0/16", "fd00:244::/32")
OPEN = IpsecSettings(cluster_cidrs=CLUSTER)
STRICT = IpsecSettings(cluster_cidrs=CLUSTER, strict=BOTH, host_encryption=True)
ALL_SETTINGS = [
    replace(OPEN, strict=strict, host_encryption=hosts, exempt_hosts=exempt)
    for strict in (OFF, BOTH, INGRESS)
    for hosts in (False, True)
    for exempt in (frozenset(), frozenset(("n3",)))
]
UP = [Phase.ABSENT, Phase.RECEIVE, Phase.SEND, Phase.STRICT]


def node(number: int, **values: Any) -> IpsecNode:
    addresses = prefixes(f"10.0.0.{number}", f"fd00::{number}")
    networks = prefixes(f"10.244.{number}.0/24", f"fd00:244:0:{number}::/64")
    return IpsecNode(f"n{number}", number, addresses, networks, **values)


def cluster(**phases: Phase) -> dict[str, IpsecNode]:
    nodes = [node(number) for number in (1, 2, 3)]
    return {one.name: replace(one, phase=phases.get(one.name, Phase.STRICT)) for one in nodes}


def kernels(nodes: dict[str, IpsecNode], settings: IpsecSettings, **slots: Slots) -> dict[str, Kernel]:
    """Return the tables of all nodes when each has its document."""
    found = {}
    for name, one in nodes.items():
        gateways = (f"10.244.{one.index}.1", f"fd00:244:0:{one.index}::1")
        document = host_document(nodes, name, settings, KEYS, slots.get(name))
        found[name] = Kernel.of((*(address.bare for address in one.addresses), *gateways), document)
    return found


def places(number: int) -> list[tuple[str, str]]:
    """Return addresses on a node, IPv4 and IPv6: its own, that of its pods' bridge, and a pod's."""
    return [
        (f"10.0.0.{number}", f"fd00::{number}"),
        (f"10.244.{number}.1", f"fd00:244:0:{number}::1"),
        (f"10.244.{number}.10", f"fd00:244:0:{number}::a"),
    ]


def packets(source: int, destination: int) -> Iterator[Packet]:
    """Yield packets of all kinds from a node to another."""
    for here, there in itertools.product(places(source), places(destination)):
        for family in (0, 1):
            yield Packet(here[family], there[family], "icmpv6" if family else "icmp", 128 if family else 8)
            for sport, dport in ((40000, 80), (40000, 22), (22, 40000)):
                yield Packet(here[family], there[family], "tcp", sport, dport)
    for kind in (135, 136):
        yield Packet(f"fd00::{source}", f"fd00::{destination}", "icmpv6", kind)


def lost(before: dict[str, Kernel], after: dict[str, Kernel]) -> list[Any]:
    """Return the packets that do not arrive while some nodes have their old document and some the new one."""
    return [
        (packet, sender, receiver)
        for a, b in itertools.permutations((1, 2, 3), 2)
        for packet in packets(a, b)
        for sender, one in (("old", before), ("new", after))
        for receiver, other in (("old", before), ("new", after))
        if not delivered(one[f"n{a}"], other[f"n{b}"], packet)
    ]


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_each_step_of_roll_out_and_teardown_loses_nothing(settings: IpsecSettings) -> None:
    """A roll-out goes up, a teardown down, a step at a time on all nodes."""
    stages = [kernels(cluster(n1=phase, n2=phase, n3=phase), settings) for phase in UP]
    for before, after in itertools.pairwise(stages):
        assert lost(before, after) == []
        assert lost(after, before) == []  # pylint: disable=arguments-out-of-order  # both ways


@pytest.mark.parametrize("settings", [OPEN, STRICT])
def test_nothing_is_lost_when_one_node_joins_or_leaves(settings: IpsecSettings) -> None:
    settings = replace(settings, exempt_hosts=frozenset(("n3",)))
    stages = [kernels(cluster(n3=phase), settings) for phase in UP]
    for before, after in itertools.pairwise(stages):
        assert lost(before, after) == []
        assert lost(after, before) == []  # pylint: disable=arguments-out-of-order  # both ways


def test_skipping_a_step_loses_packets() -> None:
    """What the steps are for; and the model can tell."""
    stages = [kernels(cluster(n1=phase, n2=phase, n3=phase), STRICT) for phase in UP]
    assert lost(stages[0], stages[2]) and lost(stages[1], stages[3])


@pytest.mark.parametrize("settings", [OPEN, STRICT])
def test_what_is_encrypted(settings: IpsecSettings) -> None:
    tables = kernels(cluster(), settings)
    for packet in packets(1, 2):
        between_nodes = packet.source in ("10.0.0.1", "fd00::1") and packet.destination in ("10.0.0.2", "fd00::2")
        exempt = between_nodes and (22 in (packet.sport, packet.dport) or packet.sport in (135, 136))
        clear = between_nodes and (exempt or not settings.host_encryption)
        sent = tables["n1"].send(packet)
        assert sent is not None and (sent == CLEAR) == clear, packet
        assert tables["n2"].take(packet, CLEAR) == (clear or settings.strict == OFF), packet
    # Pods of one node, and whoever is outside, have nothing to do with it.
    for address in ("10.244.1.11", "192.0.2.1", "10.0.0.100", "10.0.0.1"):
        assert tables["n1"].send(Packet("10.244.1.10", address)) == CLEAR
        assert tables["n1"].take(Packet(address, "10.244.1.10"), CLEAR)


def test_strict_closes_what_no_node_has() -> None:
    unknown = [Packet("10.244.1.10", "10.244.9.10"), Packet("fd00::1", "fd00:244:0:9::a", "icmpv6", 128)]
    blocking = replace(STRICT, block_unknown=True)
    for packet in unknown:
        assert kernels(cluster(), blocking)["n1"].send(packet) is None
        for settings in (OPEN, STRICT, replace(blocking, strict=INGRESS)):
            assert kernels(cluster(), settings)["n1"].send(packet) == CLEAR, "left to the packet filter"
        exempt = replace(blocking, exempt_cidrs=prefixes("10.244.9.0/24", "fd00:244:0:9::/64"))
        assert kernels(cluster(), exempt)["n1"].send(packet) == CLEAR


def test_duplicate_networks_are_ignored() -> None:
    """Cluster networks that are those of the nodes, and exempt ones that are encrypted or are a node's."""
    networks = tuple(cidr for one in cluster().values() for cidr in one.pod_cidrs)
    settings = replace(STRICT, cluster_cidrs=networks, exempt_cidrs=prefixes("10.244.2.0/24", "10.0.0.2/32"))
    sends = kernels(cluster(), settings)["n1"].send
    assert sends(Packet("10.244.1.10", "10.244.2.10")) != CLEAR
    assert sends(Packet("10.0.0.1", "10.244.1.10")) == CLEAR


def test_what_comes_from_outside_goes_on_and_is_encrypted_behind_the_address_of_the_node() -> None:
    tables = kernels(cluster(), STRICT)
    assert tables["n1"].send(Packet("10.0.0.100", "10.244.2.10")) == CLEAR, "before masquerading"
    assert tables["n1"].send(Packet("10.0.0.1", "10.244.2.10")) not in (CLEAR, None), "behind it"


def test_node_that_is_not_enabled_is_left_in_clear_only_where_it_is_exempt() -> None:
    nodes = cluster()
    nodes["n3"] = replace(nodes["n3"], enabled=False)
    packet = Packet("10.244.1.10", "10.244.3.10")
    blocking = replace(STRICT, block_unknown=True)
    for settings, sent in (
        (OPEN, CLEAR),
        (blocking, None),
        (replace(blocking, exempt_hosts=frozenset(("n3",))), CLEAR),
    ):
        tables = kernels(nodes, settings)
        assert tables["n1"].send(packet) == sent
        assert tables["n3"].sections.policies is not None and not tables["n3"].sections.policies.policies


@pytest.mark.parametrize("exempt", [{"exempt_hosts": frozenset(("n2",))}, {"exempt_cidrs": prefixes("10.0.0.2/32")}])
def test_exempt_nodes_speak_in_clear_and_their_pods_do_not(exempt: dict[str, Any]) -> None:
    tables = kernels(cluster(), replace(STRICT, **exempt))
    for a, b in (("n1", "n2"), ("n2", "n1")):
        ends = tuple(f"10.0.0.{name[1]}" for name in (a, b))
        assert tables[a].send(Packet(*ends)) == CLEAR and tables[b].take(Packet(*ends), CLEAR)
    assert tables["n1"].send(Packet("10.244.1.10", "10.244.2.10")) != CLEAR
    assert tables["n1"].send(Packet("10.0.0.1", "10.0.0.3")) != CLEAR


def test_every_policy_is_known_as_ours() -> None:
    for phase in UP:
        for policy in host_document(cluster(n1=phase), "n1", STRICT, KEYS)["xfrm_policies"]["policies"]:
            assert [template["reqid"] for template in policy["templates"]] == [7100]


def test_states_and_epochs() -> None:
    nodes = cluster()
    nodes["n2"] = replace(nodes["n2"], epoch=300)
    document = host_document(nodes, "n1", OPEN, KEYS)
    states = document["xfrm_states"]["states"]
    inbound = [state for state in states if state["src"] == "10.0.0.2"]
    assert [parts_of(int(state["spi"], 16)) for state in inbound] == [(2, epoch % 256, 0) for epoch in range(300, 305)]
    assert all(state["receive_only"] for state in inbound)
    outbound = [state for state in states if state["dst"] == "10.0.0.2"]
    assert [(parts_of(int(state["spi"], 16)), "receive_only" in state) for state in outbound] == [((1, 0, 0), False)]
    assert {state["replay_window"] for state in states} == {1024} and all(state["esn"] for state in states)
    # What it sends by after each of its next boots, the others receive by already.
    theirs = host_document(nodes, "n2", OPEN, KEYS)
    for epoch, ahead in document["xfrm_boot"]["ahead"].items():
        for state in ahead:
            if state["dst"] == "10.0.0.2":
                name = state["aead"]["key_name"]
                assert document["xfrm_keys"][name] == theirs["xfrm_keys"][name]
                assert int(state["spi"], 16) == spi_of(1, int(epoch), 0)
    assert list(document["xfrm_boot"]["ahead"]) == ["1", "2", "3", "4"]


def test_no_two_states_share_a_key_and_both_ends_have_the_same() -> None:
    documents = [host_document(cluster(), name, OPEN, KEYS) for name in cluster()]
    by_name: dict[str, str] = {}
    for document in documents:
        for name, key in document["xfrm_keys"].items():
            assert by_name.setdefault(name, key) == key
    assert len(set(by_name.values())) == len(by_name)
    public = [{name: part for name, part in document.items() if name != "xfrm_keys"} for document in documents]
    assert not any(key[2:] in json.dumps(public) for key in by_name.values())


def test_new_epoch_or_address_means_new_keys() -> None:
    def keys(**values: Any) -> set[str]:
        nodes = cluster()
        nodes["n1"] = replace(nodes["n1"], **values)
        states = host_document(nodes, "n1", OPEN, KEYS)
        sending = [state for state in states["xfrm_states"]["states"] if "receive_only" not in state]
        return {states["xfrm_keys"][state["aead"]["key_name"]] for state in sending}

    variants = [keys(), keys(epoch=1), keys(epoch=256), keys(addresses=prefixes("10.0.0.99", "fd00::99"))]
    assert sum(len(found) for found in variants) == len(set().union(*variants))


@given(st.integers(1, 4095), st.integers(0, 2**32), st.integers(0, 100))
def test_spi_encodes_index_epoch_and_slot(index: int, epoch: int, slot: int) -> None:
    assert parts_of(spi_of(index, epoch, slot)) == (index, epoch % 256, slot % 16)
    assert parts_of(spi_of(index, epoch, slot) ^ 0x01000000) is None


def rotated(held: dict[str, Slots], step: Step, slot: int) -> dict[str, Kernel]:
    slots = {name: slots_of(step, held, name, slot) for name in ("n1", "n2", "n3")}
    return kernels(cluster(), replace(STRICT, slot=slot), **slots)


@pytest.mark.parametrize(
    "held",
    [
        {name: Slots((0,), (0,)) for name in ("n1", "n2", "n3")},
        # Runs that ended in the second, and in the third step.
        {"n1": Slots((0, 1), (0, 1)), "n2": Slots((0, 1), (0,)), "n3": Slots((0, 1), (0,))},
        {"n1": Slots((1,), (1,)), "n2": Slots((0, 1), (0, 1)), "n3": Slots((0, 1), (0, 1))},
        {"n1": Slots((0,), (0,)), "n2": Slots((0,), (0,))},
    ],
)
def test_nothing_is_lost_while_keys_are_rotated(held: dict[str, Slots]) -> None:
    assert rotation_due(held, 1)
    standing = kernels(cluster(), STRICT, **held)
    steps = [rotated(held, step, 1) for step in Step]
    for before, after in itertools.pairwise([standing, *steps] if len(held) == 3 else steps):
        assert lost(before, after) == []
    done = {name: slots_of(Step.DROP_OLD, held, name, 1) for name in ("n1", "n2", "n3")}
    assert not rotation_due(done, 1)
    for step in Step:
        assert all(slots_of(step, done, name, 1) == slots for name, slots in done.items()), "a second run does nothing"


def test_sending_first_would_lose_packets() -> None:
    held = {name: Slots((0,), (0,)) for name in ("n1", "n2", "n3")}
    assert lost(kernels(cluster(), STRICT, **held), rotated(held, Step.SEND_NEW, 1))


def test_two_hundred_nodes() -> None:
    nodes = {
        f"n{number}": IpsecNode(f"n{number}", number, prefixes(f"10.0.0.{number}"), prefixes(f"10.244.{number}.0/24"))
        for number in range(1, 201)
    }
    started = time.process_time()
    documents = [host_document(nodes, name, STRICT, KEYS) for name in list(nodes)[:10]]
    assert time.process_time() - started < 2, "some 20 ms for each node, and a busy machine"
    sections = parse_sections(
        {name: documents[0][name] for name in ("xfrm_states", "xfrm_policies", "xfrm_keys")}, lambda name: 1
    )
    assert sections.states is not None and len(sections.states.states) == 199 * 6
    assert len(sections.states.receive_only) == 199 * 5
