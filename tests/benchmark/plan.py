# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU time of planning a mesh on the controller: `plan.py [hosts ...]`, by default 100 and 1000.

Measured inside one process with Ansible's own inventory, variable manager and templating. Every host has a role's
defaults and a few group variables, one of them a template: Ansible compiles a template anew for every host, so each
further one costs as much again. Nothing is contacted.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".cache" / "collections"))

from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.plugins.loader import init_plugin_loader
from ansible.release import __version__ as ansible_version
from ansible.template import Templar
from ansible.vars.manager import VariableManager

# Ansible's loader needs the paths of collections before the first import from ours.
context.CLIARGS = ImmutableDict()
init_plugin_loader()

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils._fleet_variables import (
    FleetVariables,
    HostReader,
    collector_paused,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput

T = TypeVar("T")

DEFAULTS = """
mesh_interface: wg0
mesh_network: 10.42.0.0/16
mesh_port: 51820
mesh_endpoint: auto
mesh_addresses: []
mesh_mtu: 0
mesh_networks: []
mesh_static_peers: []
mesh_peer_overrides: {}
mesh_revoked:
mesh_persistence:
mesh_userspace:
mesh_routes: true
mesh_purge: true
mesh_private_key_file: ""
"""
GROUP = {
    "ansible_connection": "local",
    "mesh_persistent_keepalive": 25,
    "mesh_persistence": "wg_quick",
    "mesh_port": "{{ 51820 + (mesh_shard | default(0)) }}",
    "mesh_fwmark": 0,
}


def key_of(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def fact_of(number: int, peers: dict[str, KnownPeer], cached_keys: set[str]) -> dict[str, Any]:
    address = f"198.{18 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    key = key_of(f"h{number}")
    own = {other: peers[other] for other in peers if other in cached_keys and other != key}
    fact = {
        "boot_id": "b",
        "underlay": {"ipv4": {"address": address, "interface": "eth0", "mtu": 1500}, "ipv6": None},
        "persistence": "wg_quick",
        "interfaces": {
            "wg0": {"public_key": key, "addresses": peers[key].addresses, "peers": peer_lines(own), "revoked": {}},
        },
    }
    # Separate objects for every host, as from real hosts.
    result: dict[str, Any] = json.loads(json.dumps(fact))
    return result


def fleet_memory(hosts: int) -> dict[str, KnownPeer]:
    """Return all members as cached by a host with all peers."""
    return {
        key_of(f"h{n}"): KnownPeer(f"h{n}", (f"10.42.{n // 250}.{n % 250 + 1}",), "192.0.2.1:51820")
        for n in range(hosts)
    }


def read_all(controller: Controller) -> list[HostInput]:
    """Return the input of the planner for all hosts."""
    fleet, reader = FleetVariables(controller.task, ""), HostReader(controller.templar, "mesh_")
    return [reader.read(name, host) for name, host in fleet.by_host()]


def timed(label: str, work: Callable[[], T], hosts: int = 0) -> T:
    started = time.process_time()
    result = work()
    spent = time.process_time() - started
    each = f"   {spent / hosts * 1e6:8.0f} us each" if hosts else ""
    print(f"  {label:58s} {spent * 1000:9.1f} ms{each}")
    return result


class Controller:
    """Ansible's objects for one play over a generated inventory."""

    def __init__(self, root: Path, hosts: int) -> None:
        (root / "roles" / "mesh" / "defaults").mkdir(parents=True)
        (root / "roles" / "mesh" / "tasks").mkdir()
        (root / "roles" / "mesh" / "defaults" / "main.yml").write_text(DEFAULTS)
        (root / "roles" / "mesh" / "tasks" / "main.yml").write_text("- ansible.builtin.debug:\n")
        group = {"hosts": {f"h{number}": {} for number in range(hosts)}, "vars": GROUP}
        (root / "hosts.yml").write_text(json.dumps({"all": {"children": {"vpn": group}}}))
        self.loader = DataLoader()
        self.loader.set_basedir(str(root))
        self.inventory = InventoryManager(loader=self.loader, sources=[str(root / "hosts.yml")])
        self.variables = VariableManager(loader=self.loader, inventory=self.inventory)
        data = {"hosts": "vpn", "gather_facts": False, "roles": [{"role": "mesh"}]}
        self.play = Play().load(data, variable_manager=self.variables, loader=self.loader)
        self.templar = Templar(loader=self.loader)
        self.play.post_validate(self.templar._engine)
        blocks = self.play.compile()
        self.task = next(task for block in blocks for task in block.block if task.action == "ansible.builtin.debug")

    def cache_fact(self, name: str, fact: dict[str, Any]) -> None:
        self.variables.set_host_facts(name, {"wirewright_overlay": fact})


def measure(hosts: int) -> None:
    print(f"\n{hosts} hosts, ansible-core {ansible_version}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as root:
        controller = Controller(Path(root), hosts)
        names = [f"h{number}" for number in range(hosts)]
        peers = fleet_memory(hosts)
        for number, name in enumerate(names):
            controller.cache_fact(name, fact_of(number, peers, set()))
        print(" no host has cached its peers, as in a first run")
        measure_planning(controller, hosts)
        for number, name in enumerate(names):
            controller.cache_fact(name, fact_of(number, peers, set(peers)))
        print(" every host has cached all its peers, as in every later run")
        plan = measure_planning(controller, hosts)
        data = timed("plan to plain data", plan.to_dict, hosts)
        print(f"  {'size of the plan, as JSON':58s} {len(json.dumps(data)) / 1000:9.1f} kB")
        print(f"  {'size of the plan, pickled':58s} {len(pickle.dumps(data)) / 1000:9.1f} kB")
    print(" one host's document, of which there are as many as hosts")
    read = timed("plan from plain data", lambda: FleetPlan.from_dict(data, device_of="h0"))
    document = timed("expanded", lambda: host_document(read, "h0"))
    timed("expanded, with preshared keys", lambda: host_document(read, "h0", Secrets("a-master-of-good-length")))
    print(f"  {'size of the document, as JSON':58s} {len(json.dumps(document)) / 1000:9.1f} kB")


def measure_planning(controller: Controller, hosts: int) -> FleetPlan:
    fleet = FleetVariables(controller.task, "")
    with collector_paused():
        timed("variables of all hosts, untemplated (ansible-core)", lambda: sum(1 for _host in fleet.by_host()), hosts)
        inputs = timed("the same, and templated", lambda: read_all(controller), hosts)
        outcome = timed("planned", lambda: plan_mesh(inputs), hosts)
        one_down = [inputs[0]._replace(fact=None), *inputs[1:]]
        timed("planned, with one unreachable host", lambda: plan_mesh(one_down), hosts)
    if outcome.plan is None:
        raise SystemExit("\n".join(outcome.problems))
    return outcome.plan


def main() -> None:
    for hosts in [int(argument) for argument in sys.argv[1:]] or [100, 1000]:
        measure(hosts)


if __name__ == "__main__":
    main()
