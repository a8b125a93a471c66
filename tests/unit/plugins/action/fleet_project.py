# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project in a temporary directory, run with a real ansible-playbook over local connections.

Its collection is this one, except that two modules are replaced: `overlay_prepare` returns the variable `fake_fact`
of the host, and `overlay_apply` writes the arguments it was given to a file.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from playbook_runs import run_playbook

PLUGINS = Path(__file__).parents[4] / "plugins"
CALLBACKS = Path(__file__).parents[3] / "integration/callback_plugins"

FAKE_FACTS = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
import json, os
options = {
    "fact": {"type": "dict"},
    "path": {"type": "str"},
    "host": {"type": "str"},
    "asked": {"type": "path"},
    "create_key": {"type": "bool", "default": True, "no_log": False},
    "makes_key": {"type": "bool", "default": False, "no_log": False},
    "controller_time": {"type": "float", "default": 0},
}
module = AnsibleModule(options, supports_check_mode=True)
fact = module.params["fact"]
if module.params["asked"]:
    with open(module.params["asked"], "a") as file:
        mode = "check" if module.check_mode else "run"
        file.write(f"{module.params['host']} {mode} {module.params['create_key']}\\n")
if module.params["path"]:
    with open(module.params["path"]) as file:
        fact = json.load(file)[module.params["host"]]
if os.environ.get("WARNED"):
    module.warn(os.environ["WARNED"])
key = {"before_header": "/etc/wireguard/wg0.key", "after_header": "/etc/wireguard/wg0.key", "before": "", "after": "key\\n"}
changed = bool(os.environ.get("WARNED"))
made = {"key_files": ["/etc/wireguard/wg0.key"]} if module.params["makes_key"] else {}
made["diff"] = [key] if changed and module._diff else []
module.exit_json(changed=changed, ansible_facts={"wirewright_overlay": fact}, **made)
"""

FAKE_APPLY = """#!/usr/bin/python
import json, os
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(
    {
        "interfaces": {"type": "list", "elements": "dict"},
        "preshared_keys": {"type": "dict", "no_log": True},
        "nftables": {"type": "dict"},
        "forwards": {"type": "dict"},
        "open_firewall": {"type": "bool"},
        "allow_management_change": {"type": "bool"},
        "variables": {"type": "dict"},
    },
    supports_check_mode=True,
)
name = module.params["interfaces"][0]["inventory_name"]
with open(os.path.join(os.environ["DOCUMENTS"], name + ".json"), "w") as file:
    json.dump(module.params, file)
names = [peer["name"] for peer in module.params["interfaces"][0].get("peers", [])]
changes = [{"kind": "peer", "action": "create", "count": len(names), "names": names}] if names else []
shown = {"before_header": "wg0", "after_header": "wg0", "before": "", "after": "peers\\n"}
if os.environ.get("WARNED"):
    module.warn(os.environ["WARNED"])
module.exit_json(changed=True, changes=changes, diff=[shown])
"""

# What the role does, in its three tasks.
TASKS: list[dict[str, Any]] = [
    {"name": "Facts", "wirewright.overlay.overlay_prepare": {"fact": "{{ fake_fact }}"}},
    {"name": "Plan", "wirewright.overlay.overlay_plan": {}, "run_once": True, "register": "__mesh_plan"},
    {
        "name": "Apply",
        "wirewright.overlay.overlay_apply": {
            "plan_from": "__mesh_plan",
        },
    },
]
DEFAULTS = {
    "mesh_interface": "wg0",
    "mesh_network": [],
    "mesh_port": 51820,
    "mesh_private_key_file": "/etc/wireguard/{{ mesh_interface }}.key",
    "mesh_psk_epoch": 0,
    "mesh_psk_master": "",
    "mesh_static_peers": [],
}


# Variables of a host without an SSH server.
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


def key_of(name: str) -> str:
    """Return a public key for a name."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def fact_of(name: str, number: int, cached: Mapping[str, str] | None = None, **device: Any) -> dict[str, Any]:
    """Return what a host would report; `cached` maps names of peers to addresses."""
    peers = peer_lines({key_of(peer): KnownPeer(peer, (address,)) for peer, address in (cached or {}).items()})
    state = {"public_key": key_of(name), "addresses": [], "peers": peers, "revoked": {}, **device}
    underlay = {"ipv4": {"address": f"198.51.100.{number}", "interface": "eth0", "mtu": 1500}, "ipv6": None}
    return {"underlay": underlay, "persistence": "wg_quick", "interfaces": {"wg0": state}}


@dataclass(frozen=True)
class Run:
    """The result of one ansible-playbook: exit code, output, and the document of each host."""

    code: int
    output: str
    documents: Mapping[str, Any]

    def interface(self, host: str) -> dict[str, Any]:
        """Return the one interface of a host's document."""
        found: dict[str, Any] = self.documents[host]["interfaces"][0]
        return found

    def peers(self, host: str) -> dict[str, dict[str, Any]]:
        """Return the peers in a host's document, by name."""
        return {peer["name"]: peer for peer in self.interface(host)["peers"]}


def make_collections(root: Path) -> Path:
    """Write the collection with the replaced modules below a directory, for all projects; return its parent."""
    overlay = root / "collections/ansible_collections/wirewright/overlay"
    (overlay / "plugins" / "modules").mkdir(parents=True)
    for room in ("action", "doc_fragments", "lookup", "module_utils", "plugin_utils"):
        (overlay / "plugins" / room).symlink_to(PLUGINS / room)
    (overlay / "roles").symlink_to(PLUGINS.parent / "roles")
    for name in ("overlay_plan.py", "overlay_summary.py"):
        (overlay / "plugins" / "modules" / name).symlink_to(PLUGINS / "modules" / name)
    (overlay / "plugins" / "modules" / "overlay_prepare.py").write_text(FAKE_FACTS)
    (overlay / "plugins" / "modules" / "overlay_apply.py").write_text(FAKE_APPLY)
    return root


class Project:
    """Files to write, and ansible-playbook to run with the collection in `collections`."""

    def __init__(self, root: Path, collections: Path) -> None:
        self.root = root
        self._collections = collections
        self.earlier: list[dict[str, Any]] = []  # plays before this one
        self.play: dict[str, Any] = {"hosts": "vpn", "gather_facts": False, "roles": [{"role": "mesh"}]}
        self.write("roles/mesh/tasks/main.yml", TASKS)
        self.write("roles/mesh/defaults/main.yml", DEFAULTS)

    def write(self, path: str, data: Any) -> None:
        """Write a YAML file."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(data, sort_keys=False))

    def tasks(self) -> list[dict[str, Any]]:
        """Return the role's tasks, to change and write."""
        return copy.deepcopy(TASKS)

    def tasks_with_facts_from(self, reports: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the role's tasks, with facts that the hosts report themselves, as JSON by host name."""
        reported = self.root / "reported.json"
        reported.write_text("{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in reports.items()) + "}")
        tasks = self.tasks()
        tasks[0]["wirewright.overlay.overlay_prepare"] = {"path": str(reported), "host": "{{ inventory_hostname }}"}
        return tasks

    def tasks_that_count(self) -> list[dict[str, Any]]:
        """Return the role's tasks; each run of the first one is noted, see `asked`."""
        tasks = self.tasks()
        tasks[0]["wirewright.overlay.overlay_prepare"].update(
            {"asked": str(self.root / "asked"), "host": "{{ inventory_hostname }}"}
        )
        return tasks

    def asked(self) -> list[str]:
        """Return a line for each run of `overlay_prepare`, sorted: host, check or run, whether it may create a key."""
        return sorted((self.root / "asked").read_text().splitlines())

    def hosts(self, hosts: Mapping[str, Mapping[str, Any]] | Iterable[str], **group_variables: Any) -> None:
        """Write the inventory: a group `vpn` of hosts with their variables."""
        variables = hosts if isinstance(hosts, Mapping) else {name: {} for name in hosts}
        entries = {
            name: {"fake_fact": fact_of(name, number), **own} for number, (name, own) in enumerate(variables.items(), 1)
        }
        common = {"ansible_connection": "local", "mesh_network": "10.42.0.0/24", **group_variables}
        self.write("hosts.yml", {"all": {"children": {"vpn": {"hosts": entries, "vars": common}}}})

    def run(self, *arguments: str, **environment: str) -> Run:
        """Run the play."""
        self.write("site.yml", [*self.earlier, self.play])
        documents = self.root / "documents"
        documents.mkdir(exist_ok=True)
        for old in documents.iterdir():
            old.unlink()
        output = self.root / "output"
        env = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections / "collections"),
            "ANSIBLE_HOME": str(self._collections / "home"),
            "ANSIBLE_LOCAL_TEMP": str(self._collections / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self._collections / "tmp"),
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "kept_archives",
            "WIREWRIGHT_ARCHIVES": str(self._collections / "archives"),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",  # YAML doubles the quotes in problems
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "DOCUMENTS": str(documents),
            "COLUMNS": "4000",
            **environment,
        }
        arguments = ("-i", "hosts.yml", "site.yml", *arguments)
        code = run_playbook(arguments, env, (output, output), 300, cwd=self.root)
        found = {file.stem: json.loads(file.read_text()) for file in documents.iterdir()}
        return Run(code, output.read_text(), found)
