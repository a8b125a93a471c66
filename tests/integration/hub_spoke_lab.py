# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hubs on a public segment, and spokes with and without NAT.

hub1 and hub2 have public addresses, and hub1 a network behind it. s1, s2 and s5 are behind separate gateways, nat1, nat2
and nat5; s3 is public. Behind s2 and s3 are networks, each with one machine: s2-site, s3-site.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from lab_hosts import FORWARD_NOTHING, PROGRAM, Lab, Play
from mesh_lab import assert_ok, peers, ping

NETWORK = "10.43.0.0/24"
ADDRESSES = {
    f"{kind}{number}": f"10.43.0.{base + number}" for kind, base in (("hub", 0), ("s", 10)) for number in range(1, 6)
}
SITE_OF = {"hub1": "10.60.1.0/24", "s2": "10.50.2.0/24", "s3": "10.50.3.0/24"}
MACHINE = {name: f"{site.rpartition('.')[0]}.2" for name, site in SITE_OF.items()}

HOSTS: dict[str, dict[str, Any]] = {
    "hub1": {"addresses": ["192.0.2.11/24"], "site": SITE_OF["hub1"]},
    "hub2": {"addresses": ["192.0.2.12/24"]},
    "s1": {"addresses": ["192.168.1.2/24"], "behind": "nat1"},
    "s2": {"addresses": ["192.168.2.2/24"], "behind": "nat2", "site": SITE_OF["s2"]},
    "s3": {"addresses": ["192.0.2.23/24"], "site": SITE_OF["s3"]},
    "s4": {"addresses": ["192.0.2.24/24"]},
    "s5": {"addresses": ["192.168.5.2/24"], "behind": "nat5"},
}
GATEWAYS = {f"nat{n}": {"addresses": [f"192.0.2.10{n}/24"], "network": f"192.168.{n}.0/24"} for n in (1, 2, 5)}
OF_HUB = {"hub1": {}, "hub2": {"hub_spoke_interface": "wg1", "hub_spoke_priority": 200}}
ONE_HUB = ("hub1", "s1", "s2", "s3")
TWO_HUBS = ("hub1", "hub2", "s1", "s2", "s3")

PLAY = """
- hosts: hubs:spokes
  gather_facts: false
  roles:
    - role: wirewright.overlay.hub_spoke
"""
STATE = """
wg show all allowed-ips; wg show all listen-port; wg show all preshared-keys
ip -brief link; ip -4 route show proto 87; grep . /proc/sys/net/ipv4/conf/*/rp_filter
nft -s list table inet wirewright_overlay 2>/dev/null || :
"""


def build(lab: Lab, names: Iterable[str]) -> None:
    """Add hosts to a lab, with the gateways they are behind."""
    build_hosts(lab, {name: HOSTS[name] for name in names})


def build_hosts(lab: Lab, wanted: Mapping[str, dict[str, Any]]) -> None:
    """Add hosts to a lab, described as in HOSTS, with the gateways they are behind."""
    behind = {spec.get("behind") for spec in wanted.values()}
    gateways = {name: spec for name, spec in GATEWAYS.items() if name in behind}
    document = {"lab": lab.name, "hosts": wanted, "gateways": gateways}
    argv = [sys.executable, str(PROGRAM), "up"]
    done = subprocess.run(argv, input=json.dumps(document), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    for name in json.loads(done.stdout)["created"]:
        if name not in GATEWAYS:
            lab.run(name, ["sh", "-c", FORWARD_NOTHING])
    lab.hosts.update(wanted)


def converge(
    lab: Lab,
    *args: str,
    per_host: Mapping[str, Mapping[str, Any]] | None = None,
    play: str = PLAY,
    hubs: Collection[str] | None = None,
    **variables: Any,
) -> Play:
    """Write the inventory of the lab's hosts, run the role, and return the result. hubs: by default those named so."""
    groups: dict[str, dict[str, Any]] = {"hubs": {}, "spokes": {}}
    for name, spec in lab.hosts.items():
        is_hub = name.startswith("hub") if hubs is None else name in hubs
        groups["hubs" if is_hub else "spokes"][name] = {
            "ansible_connection": "wirewright.overlay.exec",
            "ansible_exec_prefix": lab.enter(name),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_host": spec["addresses"][0].partition("/")[0],
            "hub_spoke_addresses": [ADDRESSES[name]],
            "hub_spoke_networks": [SITE_OF[name]] if name in SITE_OF else [],
            **OF_HUB.get(name, {}),
            **(per_host or {}).get(name, {}),
        }
    common = {"overlay_userspace": True, "hub_spoke_network": NETWORK, "hub_spoke_verify_seconds": 0, **variables}
    children = {group: {"hosts": hosts} for group, hosts in groups.items()}
    (lab.path / "inventory.yml").write_text(json.dumps({"all": {"children": children, "vars": common}}))
    return lab.playbook(play, *args)


@contextlib.contextmanager
def fleet(*names: str, **variables: Any) -> Iterator[Lab]:
    """A lab of these hosts, with the role applied."""
    with Lab() as lab:
        build(lab, names)
        assert_ok(converge(lab, **variables))
        yield lab


def fleet_state(lab: Lab) -> dict[str, list[str]]:
    """Return the state of all hosts after a run, sorted, because wireguard-go lists it in any order."""
    return {name: sorted(lab.run(name, ["sh", "-c", STATE]).stdout.split()) for name in lab.hosts}


def reaches(lab: Lab, source: str, target: str) -> bool:
    """Return whether a host or machine reaches another one's overlay address, or the machine behind one."""
    return ping(lab, source, _address(target))


def is_cut_off(lab: Lab, source: str, target: str) -> bool:
    """Return whether there is no reply for two seconds."""
    argv = ["ping", "-n", "-c", "4", "-i", "0.5", "-w", "2", _address(target)]
    return lab.run(source, argv, check=False).returncode != 0


def _address(target: str) -> str:
    return MACHINE[target[: -len("-site")]] if target.endswith("-site") else ADDRESSES[target]


def public_key(lab: Lab, host: str, interface: str = "wg0") -> str:
    """Return the public key of a host's device."""
    return lab.run(host, ["wg", "show", interface, "public-key"]).stdout.strip()


def session(lab: Lab, host: str, other: str, interface: str = "wg0") -> Any:
    """Return a host's peer on their common device, as `wg` shows it."""
    return peers(lab, host, interface)[public_key(lab, other, interface)]


def routes(lab: Lab, host: str) -> set[tuple[str, str, int]]:
    """Return the managed routes of a host: destination, device, metric."""
    shown = json.loads(lab.run(host, ["ip", "-4", "-j", "route", "show", "proto", "87"]).stdout)
    return {(entry["dst"], entry["dev"], entry.get("metric", 0)) for entry in shown}
