# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode predicts the real run on every host of a fleet: planner, documents and plans against modelled hosts.

The only difference is the name of a key in place of the key that the real run generates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.headers import with_headers
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.changes import changes
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.peer_names import peer_names
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.prepare import PreparedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    clamp,
    decode_predicted_key,
    decode_public_key,
    encode_key,
    public_key,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    HUB,
    SPOKE,
    HostInput,
    PlanResult,
)
from ansible_collections.wirewright.overlay.tests.unit.plugins.module_utils._interface.predicted import after
from ansible_collections.wirewright.overlay.tests.unit.plugins.module_utils.samples import key
from hypothesis import given, settings
from hypothesis import strategies as st

MASTER = "a-master-of-good-length"
NETWORK = ["10.42.0.0/24", "fd42::/64"]
# By topology, its planner, and the interfaces of a host.
TOPOLOGIES: dict[str, tuple[Callable[..., PlanResult], Callable[[str], tuple[str, ...]]]] = {
    "mesh": (plan_mesh, lambda _name: ("wg0",)),
    "hub_spoke": (plan_hub_spoke, lambda name: ("wg0",) if name == "h1" else ("wg0", "wgdirect")),
}


@dataclass(frozen=True)
class Host:
    """A host between two runs: its variables, its private keys and the state of its interfaces."""

    number: int
    variables: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, bytes] = field(default_factory=dict)
    devices: Mapping[str, Current] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"h{self.number}"

    def fact(self, interfaces: tuple[str, ...]) -> dict[str, Any]:
        """Return what overlay_prepare returns: in check mode for an interface without a key, that it gets one."""
        found = {}
        for interface in interfaces:
            stored = self.devices.get(interface, Current()).recorded
            own = self.keys.get(interface)
            found[interface] = {
                "public_key": None if own is None else encode_key(public_key(own)),
                "addresses": list(stored.addresses),
                "peers": peer_lines(stored.peers),
                "revoked": dict(stored.revoked),
                **({"notes": dict(stored.notes)} if stored.notes else {}),
                **({"new_key": True} if own is None else {}),
            }
        underlay = {"address": f"198.51.100.{self.number}", "interface": "eth0", "mtu": 1500}
        return {"underlay": {"ipv4": underlay, "ipv6": None}, "persistence": "wg_quick", "interfaces": found}


@dataclass(frozen=True)
class Fleet:
    topology: str
    hosts: Mapping[str, Host] = field(default_factory=dict)
    epoch: int = 0
    master: str = ""
    made: int = 0  # keys generated so far

    def run(self, *, check_mode: bool) -> tuple[Fleet, dict[str, Any]]:
        """Return the fleet after a run, and what the run says that it changes, by host that changes."""
        planner, interfaces_of = TOPOLOGIES[self.topology]
        before = self if check_mode else self._with_keys(interfaces_of)
        parts = {name: (HUB if name == "h1" else SPOKE,) for name in self.hosts} if self.topology == "hub_spoke" else {}
        outcome = planner(
            HostInput(
                name,
                {
                    "network": NETWORK,
                    "allow_mass_removal": True,
                    **({"direct": True} if parts and name != "h1" else {}),
                    **host.variables,
                },
                "",
                host.fact(interfaces_of(name)),
                parts=parts.get(name, ()),
            )
            for name, host in before.hosts.items()
        )
        assert outcome.plan is not None, outcome.problems
        secrets = Secrets(self.master, self.epoch)
        hosts, said = {}, {}
        for name, host in before.hosts.items():
            document = host_document(outcome.plan, name, secrets)
            decode = decode_predicted_key if check_mode else decode_public_key
            found = []
            devices = dict(host.devices)
            for wanted in parse_document(document["interfaces"], document.get("preshared_keys", {}), decode):  # type: ignore[arg-type]
                current = devices.get(wanted.name, Current())
                private = host.keys.get(wanted.name, wanted.new_key) if wanted.present else None
                made = plan(current, wanted, private, systemd=True)
                prepared = PreparedInterface(wanted, made, current, private)
                if made:
                    shown = sorted(list(change) for change in changes(made, peer_names(wanted, current.recorded)))
                    found.append([with_headers(prepared.diff()), shown])
                devices[wanted.name] = after(current, made)
            if found:
                said[name] = found
            hosts[name] = replace(host, devices=devices)
        return replace(before, hosts=hosts), said

    def _with_keys(self, interfaces_of: Callable[[str], tuple[str, ...]]) -> Fleet:
        hosts, made = {}, self.made
        for name, host in self.hosts.items():
            keys = dict(host.keys)
            for interface in interfaces_of(name):
                if interface not in keys:
                    made += 1
                    keys[interface] = clamp(key(5000 + made))
            hosts[name] = replace(host, keys=keys)
        return replace(self, hosts=hosts, made=made)

    def names_of_new_keys(self, later: Fleet) -> dict[str, str]:
        """Return the names of the keys that a later fleet has in addition, with these keys."""
        return {
            f"the new key of {name if interface == 'wg0' else f'{name} on {interface}'}": encode_key(public_key(own))
            for name, host in later.hosts.items()
            for interface, own in host.keys.items()
            if self.hosts[name].keys.get(interface) != own
        }

    def changed(self, step: str, number: int) -> Fleet:
        """Return the fleet after a change of the inventory, or of a host."""
        if step == "master":
            return replace(self, master="" if self.master else MASTER)
        if step == "epoch":
            return replace(self, master=MASTER, epoch=self.epoch + 1)
        hosts = dict(self.hosts)
        name = f"h{number}"
        if step == "join":
            hosts.setdefault(name, Host(number))
        elif step == "join with a key":
            hosts.setdefault(name, Host(number, keys={"wg0": clamp(key(number))}))
        elif name in hosts and step == "leave" and name != "h1":
            del hosts[name]
        elif name in hosts and step == "lose the key":
            hosts[name] = replace(hosts[name], keys={})
        elif name in hosts and step in VARIABLES:
            hosts[name] = replace(hosts[name], variables={**hosts[name].variables, **VARIABLES[step](number)})
        return replace(self, hosts=hosts)


VARIABLES: dict[str, Callable[[int], dict[str, Any]]] = {
    "port": lambda number: {"port": 40000 + number},
    "address": lambda number: {"addresses": [f"10.42.0.{200 + number}", f"fd42::{200 + number}"]},
    "site": lambda number: {"networks": [f"10.{100 + number}.0.0/24"]},
    "no site": lambda _number: {"networks": []},
    "keepalive": lambda number: {"persistent_keepalive": 20 + number},
    "mtu": lambda number: {"mtu": 1380 + number},
}
ALL_STEPS = ["join", "join with a key", "leave", "lose the key", "master", "epoch", *VARIABLES]
steps = st.lists(st.tuples(st.sampled_from(ALL_STEPS), st.integers(1, 5)), min_size=1, max_size=4)


@settings(max_examples=settings.default.max_examples // 4)
@pytest.mark.parametrize("topology", TOPOLOGIES)
@given(st.data())
def test_check_mode_predicts_the_real_run(topology: str, data: st.DataObject) -> None:
    fleet = Fleet(topology, {f"h{number}": Host(number) for number in (1, 2, 3)})
    for run in range(3):
        for step, number in data.draw(steps) if run else ():
            fleet = fleet.changed(step, number)
        _fleet, predicted = fleet.run(check_mode=True)
        later, real = fleet.run(check_mode=False)
        text = json.dumps(predicted, sort_keys=True)
        for name, new in sorted(fleet.names_of_new_keys(later).items(), reverse=True):
            text = text.replace(json.dumps(name)[1:-1], new)
        assert json.loads(text) == json.loads(json.dumps(real)), [*predicted, *real]
        assert later.run(check_mode=True)[1] == {}, "a second run changes nothing"
        fleet = later


def test_a_host_that_joins_is_predicted_on_all_others() -> None:
    fleet, _said = Fleet("mesh", {f"h{number}": Host(number) for number in (1, 2, 3)}).run(check_mode=False)
    _fleet, said = fleet.changed("join", 4).run(check_mode=True)
    assert set(said) == {"h1", "h2", "h3", "h4"}
    for name in ("h1", "h2", "h3"):
        ((shown, listed),) = said[name]
        assert listed == [["file", "update", "/etc/wireguard/wg0.conf", ()], ["peer", "create", "h4", ()]]
        assert shown[0]["after"]["peers"]["h4"]["public_key"] == "the new key of h4"
        assert "PublicKey = the new key of h4" in shown[1]["after"]
    ((_shown, listed),) = said["h4"]
    assert ["interface", "create", "wg0", ()] in listed and listed.count(["peer", "create", "", ()]) == 3
