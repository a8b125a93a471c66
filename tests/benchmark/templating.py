# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU time on the controller of our plan, and of a template over `hostvars`: `templating.py [hosts]`, by default 1000.

A template with one loop over the group is how most roles write a host's configuration. It is evaluated for a few hosts
only, as it takes long, and both are given per host. Same process, same inventory, same facts; nothing is contacted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from ansible.template import trust_as_template
from ansible.vars.hostvars import HostVars
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan
from plan import Controller, fact_of, fleet_memory, read_all

TEMPLATED_HOSTS = 3
TEMPLATE = """
{% for host in groups['vpn'] if host != inventory_hostname %}
[Peer]
PublicKey = {{ hostvars[host].ansible_facts.wirewright_overlay.interfaces.wg0.public_key }}
AllowedIPs = {{ hostvars[host].ansible_facts.wirewright_overlay.interfaces.wg0.addresses[0] }}/32
Endpoint = {{ hostvars[host].ansible_facts.wirewright_overlay.underlay.ipv4.address }}:{{ hostvars[host].mesh_port }}
PersistentKeepalive = {{ hostvars[host].mesh_persistent_keepalive }}
{% endfor %}
"""


def main() -> None:
    hosts = int(sys.argv[1]) if sys.argv[1:] else 1000
    with tempfile.TemporaryDirectory() as root:
        controller = Controller(Path(root), hosts)
        peers = fleet_memory(hosts)
        for number in range(hosts):
            controller.cache_fact(f"h{number}", fact_of(number, peers, set()))
        ours = planned(controller, hosts)
        theirs = templated(controller)
    print(f"{hosts} hosts, CPU time on the controller for each of them")
    print(f"  planned for the whole fleet, expanded for the host {ours * 1000:12.2f} ms")
    print(f"  a template that loops over hostvars                {theirs * 1000:12.2f} ms    ratio {theirs / ours:.0f}")
    print(f"  all hosts together                                 {ours * hosts:12.1f} s against {theirs * hosts:.0f} s")


def planned(controller: Controller, hosts: int) -> float:
    """Return the seconds per host of planning for all of them, and of expanding each one's document."""
    started = time.process_time()
    outcome = plan_mesh(read_all(controller))
    if outcome.plan is None:
        raise SystemExit("\n".join(outcome.problems))
    data = outcome.plan.to_dict()
    whole = time.process_time() - started
    started = time.process_time()
    for number in range(TEMPLATED_HOSTS):
        host_document(FleetPlan.from_dict(data, device_of=f"h{number}"), f"h{number}")
    return whole / hosts + (time.process_time() - started) / TEMPLATED_HOSTS


def templated(controller: Controller) -> float:
    """Return the seconds that one host's template takes."""
    template = trust_as_template(TEMPLATE)
    HostVars(controller.inventory, controller.variables, controller.loader)  # makes itself known to the manager
    controller.variables.get_vars(play=controller.play)  # what Ansible caches once is not the template's fault
    started = time.process_time()
    for number in range(TEMPLATED_HOSTS):
        host = controller.inventory.get_host(f"h{number}")
        controller.templar.available_variables = controller.variables.get_vars(play=controller.play, host=host)
        text = controller.templar.template(template)
        if text.count("[Peer]") != len(controller.inventory.get_hosts()) - 1:
            raise SystemExit("the template did not see the whole fleet")
    return (time.process_time() - started) / TEMPLATED_HOSTS


if __name__ == "__main__":
    main()
