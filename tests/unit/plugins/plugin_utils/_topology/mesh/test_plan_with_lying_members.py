# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of a fleet in which one member, or a third of them, lies in its facts and state files over several runs.

No honest host holds an address of another honest one under a wrong key, or loses a peer that the inventory wants, and without
the liars in the group one run makes the mesh complete.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import NotInPlan, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.addressing import host_address, slots
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.observation import LEFT_NOTE
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from hypothesis import given
from hypothesis import strategies as st
from planned_fleet import NETWORK, address_of, fact_of, key_of

NAMES = [f"h{number}" for number in range(1, 8)]
NEW = "h8"  # joins during the runs
# The address that the new host gets by its name, and others.
OF_NEW = host_address(parse_prefix(NETWORK["network"]), next(slots(NEW, parse_prefix(NETWORK["network"])))).bare
SOME_ADDRESSES = [OF_NEW, "10.42.0.9", "10.42.0.255", "203.0.113.5"]


@dataclass
class Host:
    """What a host has: its own addresses, and by public key its peers. Honest hosts report just this."""

    name: str
    addresses: list[str] = field(default_factory=list)
    peers: dict[str, KnownPeer] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def fact(self) -> dict[str, Any]:
        state = {
            "addresses": self.addresses,
            "peers": peer_lines(self.peers),
            "revoked": self.revoked,
            "notes": self.notes,
        }
        return fact_of(self.name, address_of(self.name), **state)

    def apply(self, interface: dict[str, Any]) -> None:
        """Do what the module does with the document of a mesh: purge, and keep what may be an unknown peer."""
        unknown, revoked = interface["unknown_peers"], interface["revoked"]
        wanted = {peer["public_key"]: peer for peer in interface["peers"]}
        kept = {
            key: peer
            for key, peer in self.peers.items()
            if key not in wanted and key not in revoked and unknown and (not peer.name or peer.name in unknown)
        }
        taken = {address for peer in wanted.values() for address in peer["addresses"]}
        self.peers = {
            **{
                key: KnownPeer(peer.name, tuple(a for a in peer.addresses if a not in taken))
                for key, peer in kept.items()
            },
            **{
                key: KnownPeer(peer["name"], tuple(peer["addresses"]), peer["endpoint"] or "")
                for key, peer in wanted.items()
            },
        }
        self.addresses = list(interface["addresses"])
        self.revoked |= revoked
        self.notes = dict(interface.get("notes", {}))

    @property
    def bare(self) -> set[str]:
        return {address.partition("/")[0] for address in self.addresses}


def spellings(key: str) -> list[str]:
    """Return texts that stand for the same point of Curve25519, or look like it."""
    raw = bytearray(base64.b64decode(key))
    raw[31] ^= 128
    return [key, key + "\n", f" {key}", base64.b64encode(raw).decode()]


def known_keys(fleet: dict[str, Host]) -> st.SearchStrategy[str]:
    """Return keys to lie with. Nobody knows that of a host which has not joined: it is made when the host joins."""
    names = [*NAMES, "evil", *(name for name in [NEW] if name in fleet and fleet[name].addresses)]
    return st.sampled_from([key for name in names for key in spellings(key_of(name))] + ["", "x" * 44])


NOTES = ["1", "mesh", "51821", f"h1\t{OF_NEW}", "h2\t10.42.0.9,10.42.0.17\nh1\tx"]
PLACES = st.sampled_from([f"10.42.0.{number}" for number in range(1, 255)][::16] + SOME_ADDRESSES)


@st.composite
def garbage(draw: st.DrawFn, fleet: dict[str, Host], name: str) -> dict[str, Any]:
    """Return the facts of an interface that have little to do with the host."""
    keys = known_keys(fleet)
    addresses = st.one_of(st.sampled_from(sorted({a for host in fleet.values() for a in host.bare})), PLACES)
    endpoints = st.sampled_from(["", "198.51.100.1:51820", "203.0.113.5:1", "evil.example:9", "[2001:db8::1]:5"])
    lines = draw(
        st.lists(
            st.tuples(keys, st.sampled_from([*NAMES, NEW, "nobody"]), st.lists(addresses, max_size=3), endpoints),
            max_size=8,
        )
    )
    device: dict[str, Any] = {
        "public_key": draw(st.one_of(st.just(key_of(name)), keys, st.none())),
        "addresses": [f"{address}/24" for address in draw(st.lists(addresses, max_size=3))],
        "peers": "\n".join("\t".join([key, who, ",".join(where), end]) for key, who, where, end in lines),
        "revoked": dict.fromkeys(draw(st.lists(keys, max_size=8)), draw(st.sampled_from([*NAMES, ""]))),
        "notes": draw(st.dictionaries(st.sampled_from(["port", "overlay", LEFT_NOTE]), st.sampled_from(NOTES))),
    }
    if draw(st.booleans()):
        device["replaced_key"] = draw(keys)
    return device


@st.composite
def lies(draw: st.DrawFn, fleet: dict[str, Host], name: str) -> dict[str, Any]:
    """Return a fact of garbage, or a true one in which a few things about other hosts are false."""
    if draw(st.integers(0, 3)) == 0:
        return fact_of(name, draw(st.sampled_from([address_of(name), "203.0.113.5"])), **draw(garbage(fleet, name)))
    device = dict(fleet[name].fact()["interfaces"]["wg0"])
    lines = [line.split("\t") for line in device["peers"].split("\n") if line]
    others = st.sampled_from(sorted(fleet.keys() - {name}))
    for _number in range(draw(st.integers(1, 4))):
        victim, other = draw(others), draw(others)
        known = key_of(victim if fleet[victim].addresses else "evil")
        address = next(iter(fleet[victim].bare), OF_NEW)
        lie = draw(
            st.sampled_from(
                ["key", "address", "store key", "store address", "add", "revoke", "forget", "replace", "note"]
            )
        )
        if lie == "key":
            device["public_key"] = draw(st.sampled_from(spellings(known)))
        elif lie == "address":
            device["addresses"] = [f"{address}/24"]
        elif lie == "store key":
            wrong = draw(st.sampled_from([key_of("evil"), key_of(name), *spellings(known)]))
            lines = [[wrong, *rest] if rest[0] == victim else [key, *rest] for key, *rest in lines]
        elif lie == "store address":
            lines = [[key, who, address if who == other else where, end] for key, who, where, end in lines]
        elif lie == "add":
            lines.append([known, other, address, ""])
        elif lie == "revoke":
            device["revoked"] = {**device["revoked"], known: victim}
        elif lie == "forget":
            lines = [line for line in lines if line[1] != victim]
        elif lie == "note":
            device["notes"] = {**device["notes"], LEFT_NOTE: f"{other}\t{address}"}
        else:
            device["replaced_key"] = known
    return fact_of(name, address_of(name), **{**device, "peers": "\n".join(map("\t".join, lines))})


class Model:
    """The fleet, and a run on a part of it."""

    def __init__(self, liars: Sequence[str]) -> None:
        self.hosts = {name: Host(name) for name in NAMES}
        self.liars = frozenset(liars)
        self.run({}, down=(), limit=NAMES)
        assert all(len(host.peers) == len(NAMES) - 1 for host in self.hosts.values())

    @property
    def honest(self) -> dict[str, Host]:
        return {name: host for name, host in self.hosts.items() if name not in self.liars}

    def run(
        self,
        false_facts: dict[str, dict[str, Any]],
        down: Sequence[str],
        limit: Sequence[str],
        revoked: Sequence[str] = (),
    ) -> bool:
        """Plan, and apply the plan to the hosts of the run. Hosts outside of it are asked, as the action plugin does."""
        inputs = [
            HostInput(
                name,
                {**NETWORK, "revoked": list(revoked)},
                "",
                None if name in down else false_facts.get(name, host.fact()),
                reached=name in limit and name not in down,
                outside=name not in limit,
            )
            for name, host in self.hosts.items()
        ]
        plan = plan_mesh(inputs).plan
        if plan is None:
            return False
        for name in limit:
            if name in down:
                continue
            try:
                document = host_document(plan, name)
            except NotInPlan:
                continue
            self.hosts[name].apply(document["interfaces"][0])  # type: ignore[arg-type]
        return True

    def check(self) -> None:
        for holder in self.honest.values():
            if not holder.addresses:
                continue  # has not joined yet
            for other in self.honest.values():
                held = {key for key, peer in holder.peers.items() if other.bare & set(peer.addresses)}
                assert held <= {key_of(other.name)}, (holder.name, other.name)
                if other is not holder and NEW not in (holder.name, other.name):
                    assert key_of(other.name) in holder.peers, (holder.name, other.name)


def play(data: st.DataObject, liars: Sequence[str]) -> None:
    model = Model(liars)
    if data.draw(st.booleans()):
        model.hosts[NEW] = Host(NEW)
    names = sorted(model.hosts)
    witness = data.draw(st.sampled_from(sorted(set(NAMES) - model.liars)), label="an honest host that is never down")
    for _number in range(data.draw(st.integers(1, 3))):
        false_facts = {name: data.draw(lies(model.hosts, name), label=name) for name in liars}
        down = data.draw(
            st.lists(st.sampled_from([n for n in names if n != witness]), unique=True, max_size=3), label="down"
        )
        limit = data.draw(
            st.one_of(st.just(names), st.lists(st.sampled_from(names), unique=True, min_size=1)), label="limit"
        )
        revoked = data.draw(st.sampled_from([[], [], list(liars[:1])]), label="revoked")
        model.run(false_facts, down, limit, revoked)
        model.check()
    for name in liars:
        del model.hosts[name]
    rest = sorted(model.hosts)
    assert model.run({}, down=(), limit=rest)
    for host in model.hosts.values():
        assert set(host.peers) == {key_of(name) for name in rest if name != host.name}
    model.check()


@given(st.data())
def test_one_member_lies(data: st.DataObject) -> None:
    play(data, [data.draw(st.sampled_from(NAMES))])


@given(st.data())
def test_a_third_of_the_members_lies(data: st.DataObject) -> None:
    play(data, data.draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=2, max_size=len(NAMES) // 3)))


def with_a_revoked_liar_and_a_member_down(*false_lines: str) -> Model:
    """Return a fleet after a run that revokes the liar h1 while h3 is down, and in which the new host joins.

    false_lines: what the liar h2 has stored besides.
    """
    model = Model(["h1", "h2"])
    model.hosts[NEW] = Host(NEW)
    false = model.hosts["h2"].fact()
    device = false["interfaces"]["wg0"]
    device["peers"] = "\n".join([device["peers"], *false_lines])
    assert model.run({"h2": false}, down=["h3"], limit=sorted(model.hosts), revoked=["h1"])
    return model


def test_a_new_host_gets_no_address_of_a_revoked_one_on_the_word_of_another() -> None:
    """h3, which is down, still has this address under the revoked key."""
    address = next(iter(Model([]).hosts["h1"].bare))
    model = with_a_revoked_liar_and_a_member_down(f"{key_of('evil')}\t{NEW}\t{address}\t")
    assert model.hosts[NEW].bare
    assert address in {a for peer in model.hosts["h3"].peers.values() for a in peer.addresses}
    model.check()


def test_a_new_host_gets_no_address_that_a_revoked_one_chose_for_it() -> None:
    """The liar takes the address that the new host would get by its name, and is revoked before that joins."""
    model = Model(["h1"])
    taken = model.hosts["h1"].fact()
    taken["interfaces"]["wg0"]["addresses"] = [f"{OF_NEW}/24"]
    assert model.run({"h1": taken}, down=(), limit=NAMES)
    assert model.hosts["h1"].bare == {OF_NEW}
    assert model.run({}, down=["h3"], limit=NAMES, revoked=["h1"])
    model.hosts[NEW] = Host(NEW)
    # Nobody who is asked has the liar as a peer any more.
    assert model.run({}, down=["h3"], limit=[NEW, "h4"], revoked=["h1"])
    assert model.hosts[NEW].bare
    model.check()


def test_an_address_of_a_revoked_host_is_given_when_the_inventory_no_longer_revokes_it() -> None:
    model = Model(["h1"])
    taken = model.hosts["h1"].fact()
    taken["interfaces"]["wg0"]["addresses"] = [f"{OF_NEW}/24"]
    assert model.run({"h1": taken}, down=(), limit=NAMES)
    assert model.run({}, down=(), limit=NAMES, revoked=["h1"])
    del model.hosts["h1"]
    model.hosts[NEW] = Host(NEW)
    assert model.run({}, down=(), limit=sorted(model.hosts))
    assert model.hosts[NEW].bare == {OF_NEW}
    assert all(LEFT_NOTE not in host.notes for host in model.hosts.values())


def test_a_key_that_hosts_had_stored_of_a_revoked_one_is_refused_whoever_reports_it() -> None:
    """A liar that knows the key of a host before it joins can make this key unusable, and no other."""
    model = Model(["h1"])
    false = model.hosts["h1"].fact()
    false["interfaces"]["wg0"]["public_key"] = key_of(NEW)
    assert model.run({"h1": false}, down=(), limit=NAMES)
    model.hosts[NEW] = Host(NEW)
    names = [name for name in sorted(model.hosts) if name != "h1"]
    assert model.run({}, down=(), limit=names, revoked=["h1"])
    assert all(key_of(NEW) not in model.hosts[name].peers for name in names)
    renewed = model.hosts[NEW].fact()
    renewed["interfaces"]["wg0"]["public_key"] = key_of("another")
    assert model.run({NEW: renewed}, down=(), limit=names, revoked=["h1"])
    assert all(key_of("another") in model.hosts[name].peers for name in names if name != NEW)
