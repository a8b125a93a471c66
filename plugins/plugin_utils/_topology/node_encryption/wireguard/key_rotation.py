# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key rotation: a cluster has two interfaces with a key each, and a rotation changes from one to the other.

The new interface has a session with every node before a packet is sent through it. The old one accepts packets until no node
uses it any more. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...._problems import Problem, agree
from ...._untrusted import mapping_of
from ...fleet.absence import why_absent
from ...fleet.settings import Settings
from ...plan_model.fleet import HostInput
from ...plan_model.nodes import ALL
from ..inputs import is_reached
from ..node_fact import devices_in_use
from ..settings import NodeSettings


@dataclass(frozen=True)
class Devices:
    """wanted: the desired device. retiring: the one that is removed, empty if there is none, with its port.

    alternate: whether the desired device is the alternate one of the inventory.
    """

    wanted: str
    retiring: str = ""
    retiring_port: int = 0
    alternate: bool = False


def choose_devices(
    inputs: Mapping[str, HostInput],
    settings: Mapping[str, Settings],
    node_settings: Mapping[str, NodeSettings],
) -> Devices:
    """Return the devices of a cluster: the one that its nodes use or, if a rotation is due, the other one.

    If an interrupted run left some nodes on each, the majority decides and no new rotation starts. Facts of nodes outside of the
    run may be older than the last rotation, so they count only if no node of the run uses a device.
    """
    first = next(iter(settings), "")
    if not first:
        return Devices("kwg0")
    primary, alternate = settings[first].interface, node_settings[first].alternate_interface
    reached = [name for name, host in inputs.items() if is_reached(host)]
    used: Counter[str] = Counter()
    there: set[str] = set()
    for names in (reached, list(inputs)):
        for name in names if not used else ():
            fact = inputs[name].fact
            in_use = devices_in_use(fact or {}, node_settings[name].table)
            used.update(device for device in in_use if device in (primary, alternate))
            there.update(device for device in (primary, alternate) if has_device(fact, device))
    ranked = [device for device, _count in used.most_common()]
    # Keys are kept when the encryption is disabled, those of the alternate device after a rotation.
    keys = Counter(
        device
        for name in reached
        for device in (primary, alternate)
        if _known(inputs[name].fact, device).get("public_key")
    )
    current = ranked[0] if ranked else alternate if keys[alternate] > keys[primary] else primary
    rotates = bool(ranked) and len(ranked) == 1 and rotation_due(inputs, node_settings, current)
    wanted = (alternate if current == primary else primary) if rotates else current
    other, port = (
        (primary, settings[first].port) if wanted == alternate else (alternate, node_settings[first].alternate_port)
    )
    return Devices(wanted, other if other in there else "", port, wanted == alternate)


def rotation_due(inputs: Mapping[str, HostInput], node_settings: Mapping[str, NodeSettings], device: str) -> bool:
    """Return whether a rotation is due: it is requested, or the key of a node is too old.

    A run that ends before the last phase starts no rotation because of a key's age.
    """
    if any(settings.rotate for settings in node_settings.values()):
        return True
    if any(settings.phase != ALL for settings in node_settings.values()):
        return False
    enabled = [name for name in inputs if node_settings[name].enabled]
    reached = all(is_reached(inputs[name]) for name in enabled)
    return reached and any(
        0 < node_settings[name].max_key_age_days <= _key_age(inputs[name].fact, device) for name in enabled
    )


def on_device(settings: Settings, node_settings: NodeSettings, devices: Devices) -> Settings:
    """Return a node's settings for the device of the plan."""
    if not devices.alternate:
        return settings
    path = f"/etc/wireguard/{devices.wanted}.key"
    return replace(settings, interface=devices.wanted, port=node_settings.alternate_port, private_key_file=path)


def violations(
    inputs: Mapping[str, HostInput],
    settings: Mapping[str, Settings],
    node_settings: Mapping[str, NodeSettings],
    revoked: Collection[str],
    prefix: str,
    devices: Devices,
) -> Iterator[Problem]:
    """Yield why keys cannot be rotated, and nodes without a key for the device to which they were rotated."""
    for name in settings:
        own = node_settings[name]
        if own.alternate_interface == settings[name].interface or own.alternate_port == settings[name].port:
            text = f"{own.alternate_interface} and port {own.alternate_port} are in use; choose others"
            yield Problem(name, prefix + "alternate_interface", text)
        if own.rotate and settings[name].private_key_file != f"/etc/wireguard/{settings[name].interface}.key":
            text = "a key file with its own path cannot be rotated; unset this variable"
            yield Problem(name, prefix + "private_key_file", text)
    if not devices.retiring:  # a rotation generates the missing keys
        yield from _keyless(inputs, settings, node_settings, prefix, devices.wanted)
    wanted = [name for name in settings if node_settings[name].rotate]
    if devices.retiring or wanted:
        silent = [
            name
            for name in settings
            if node_settings[name].enabled and name not in revoked and not is_reached(inputs[name])
        ]
        if silent:
            start = "" if wanted else "the rotation of an earlier run is not complete; "
            text = f"{start}keys are rotated on all nodes at once, and {why_absent(silent, inputs)}"
            them = agree(silent, "it", "them")
            remedy = f"run all of them together, or set {prefix}enabled to false for {them}"
            yield from (
                Problem(name, prefix + "rotate", f"{text}; {remedy}")
                for name in wanted or [name for name in settings if is_reached(inputs[name])]
            )


def _keyless(
    inputs: Mapping[str, HostInput],
    settings: Mapping[str, Settings],
    node_settings: Mapping[str, NodeSettings],
    prefix: str,
    wanted: str,
) -> Iterator[Problem]:
    """Yield new nodes, which have a key for the first device only, while the others use the one after a rotation."""
    for name in settings:
        own, fact = node_settings[name], inputs[name].fact
        others = {settings[name].interface, own.alternate_interface} - {wanted}
        has_other = any(_known(fact, other).get("public_key") for other in others)
        if own.enabled and is_reached(inputs[name]) and has_other and not _known(fact, wanted).get("public_key"):
            text = (
                f"this host has no key for {wanted}, which the other nodes use since a key rotation; to add it, rotate the keys "
                f"of all nodes together with this one: run once with {prefix}rotate"
            )
            yield Problem(name, prefix + "rotate", text)


def has_device(fact: Mapping[str, Any] | None, device: str) -> bool:
    """Return whether a host has recorded that it created a device."""
    return bool(_known(fact, device).get("addresses"))


def _key_age(fact: Mapping[str, Any] | None, device: str) -> int:
    """Return the age of a device's key in days, 0 if it is not known."""
    age = _known(fact, device).get("key_age_days")
    return age if isinstance(age, int) else 0


def _known(fact: Mapping[str, Any] | None, device: str) -> Mapping[str, Any]:
    return mapping_of(mapping_of(mapping_of(fact).get("interfaces")).get(device))
