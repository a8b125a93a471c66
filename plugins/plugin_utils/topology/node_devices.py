# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of its two devices a cluster uses, and which one goes: keys are changed by changing over to the other device.

The new device with the new key is there, and has a session with every node, before anything is sent through it, and the
old one takes packets until nobody sends any more. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import ALL
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_settings import NodeSettings
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings


@dataclass(frozen=True)
class Devices:
    """The device that shall carry the traffic, and the one that shall go, empty where there is none, with its port.

    alternate: whether the first is the second of the two in the inventory.
    """

    wanted: str
    retiring: str = ""
    retiring_port: int = 0
    alternate: bool = False


def choose(
    inputs: Mapping[str, HostInput],
    settings: Mapping[str, Settings],
    extras: Mapping[str, NodeSettings],
) -> Devices:
    """Return the devices of a cluster: that which its nodes use, or with `rotate` the other one.

    While some nodes use the one and some the other, because a run was cut short, most of them decide, and no new
    rotation is begun.
    """
    first = next(iter(settings), "")
    if not first:
        return Devices("kwg0")
    primary, alternate = settings[first].interface, extras[first].alternate_interface
    used: Counter[str] = Counter()
    there: set[str] = set()
    for name, host in inputs.items():
        used.update(way for way in _ways(host.fact, extras[name].table) if way in (primary, alternate))
        there.update(device for device in (primary, alternate) if has_device(host.fact, device))
    ranked = [device for device, _count in used.most_common()]
    current = ranked[0] if ranked else primary
    rotates = bool(ranked) and len(ranked) == 1 and is_due(inputs, extras, current)
    wanted = (alternate if current == primary else primary) if rotates else current
    other, port = (primary, settings[first].port) if wanted == alternate else (alternate, extras[first].alternate_port)
    return Devices(wanted, other if other in there else "", port, wanted == alternate)


def is_due(inputs: Mapping[str, HostInput], extras: Mapping[str, NodeSettings], device: str) -> bool:
    """Return whether the key of a device shall be changed: that is asked for, or the key of a node is too old.

    A run that ends before its last phase begins nothing that another one would have to bring to an end.
    """
    if any(extra.rotate for extra in extras.values()):
        return True
    if any(extra.phase != ALL for extra in extras.values()):
        return False
    enabled = [name for name in inputs if extras[name].enabled]
    reached = all(inputs[name].fact is not None and inputs[name].reached for name in enabled)
    return reached and any(0 < extras[name].max_key_age_days <= _key_age(inputs[name].fact, device) for name in enabled)


def on_device(settings: Settings, extra: NodeSettings, devices: Devices) -> Settings:
    """Return a node's settings for the device that it shall use."""
    if not devices.alternate:
        return settings
    path = f"/etc/wireguard/{devices.wanted}.key"
    return replace(settings, interface=devices.wanted, port=extra.alternate_port, private_key_file=path)


def violations(
    inputs: Mapping[str, HostInput],
    settings: Mapping[str, Settings],
    extras: Mapping[str, NodeSettings],
    revoked: Collection[str],
    prefix: str,
) -> Iterator[Problem]:
    """Yield why keys cannot be changed."""
    for name in settings:
        extra = extras[name]
        if extra.alternate_interface == settings[name].interface or extra.alternate_port == settings[name].port:
            text = f"{extra.alternate_interface} and port {extra.alternate_port} are in use; write others"
            yield Problem(name, prefix + "alternate_interface", text)
        if extra.rotate and settings[name].private_key_file != f"/etc/wireguard/{settings[name].interface}.key":
            text = "a key in a place of its own cannot be changed by a rotation; leave the variable out"
            yield Problem(name, prefix + "private_key_file", text)
    if any(extras[name].rotate for name in settings):
        silent = [
            name
            for name in settings
            if extras[name].enabled and name not in revoked and not (inputs[name].reached and inputs[name].fact)
        ]
        if silent:
            text = f"keys are changed on all nodes at once, and this run does not speak to {host_list(silent)}"
            cure = f"run without --limit when they can be reached, or set {prefix}enabled to false for them"
            yield from (Problem(name, prefix + "rotate", f"{text}; {cure}") for name in settings if extras[name].rotate)


def _ways(fact: Mapping[str, Any] | None, table: int) -> Iterator[str]:
    """Yield the interfaces that routes of a table lead through, once for each route."""
    tables = (fact or {}).get("tables")
    text = tables.get(str(table)) if isinstance(tables, Mapping) else None
    for line in text.split("\n") if isinstance(text, str) else ():
        yield "".join(line.split("\t")[1:2])


def has_device(fact: Mapping[str, Any] | None, device: str) -> bool:
    """Return whether a host remembers to have made a device."""
    interfaces = (fact or {}).get("interfaces")
    known = interfaces.get(device) if isinstance(interfaces, Mapping) else None
    return isinstance(known, Mapping) and bool(known.get("addresses"))


def _key_age(fact: Mapping[str, Any] | None, device: str) -> int:
    """Return the age of a device's key in days, 0 where it is not known."""
    interfaces = (fact or {}).get("interfaces")
    known = interfaces.get(device) if isinstance(interfaces, Mapping) else None
    age = known.get("key_age_days") if isinstance(known, Mapping) else None
    return age if isinstance(age, int) else 0
