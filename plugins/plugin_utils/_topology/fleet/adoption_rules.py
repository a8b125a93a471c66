# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on interfaces that others made: they are adopted with all they have, or the loss is a problem of the plan.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ....module_utils._interface import losses
from ....module_utils._interface.losses import Loss
from ....module_utils._interface.options import WantedInterface, parse_document
from ....module_utils._ip.prefix import Prefix
from ....module_utils._wireguard.keys import decode_predicted_key
from ..._problems import Problem
from ..plan_model.fleet import Device, FleetPlan, HostPlan
from .interface_document import InterfaceDocument
from .observation import Observation
from .settings import Settings

Special = Callable[[Loss, FleetPlan, Collection[Prefix]], str]
Expand = Callable[[FleetPlan, str, HostPlan, Device], Iterable[InterfaceDocument]]

# By kind of loss: the variable, and what to write. {peer} is the name of a member.
_REMEDIES = {
    losses.KEY: ("private_key_file", "remove that file on the host, and the key of the interface is kept"),
    losses.PORT: ("port", "set {prefix}port to {value}"),
    losses.FWMARK: ("fwmark", "set {prefix}fwmark to {value}"),
    losses.MTU: ("mtu", "set {prefix}mtu to {value}"),
    losses.ADDRESS: ("addresses", "correct {prefix}network, or list it in {prefix}addresses"),
    losses.ROUTES: ("routes", "set {prefix}routes to false"),
    losses.PERSISTENCE: ("persistence", "set {prefix}persistence to {value}"),
    losses.FILE: ("adopt", ""),
    losses.PEER: (
        "static_peers",
        "describe it in {prefix}static_peers, list its key in {prefix}revoked to remove it, or set {prefix}purge to false",
    ),
    losses.ALLOWED_IPS: ("networks", "add them to {prefix}networks of {peer}"),
    losses.ENDPOINT: ("endpoint", "set {prefix}endpoint of {peer} to {value}, or {prefix}peer_overrides of this host"),
    losses.KEEPALIVE: ("persistent_keepalive", "set {prefix}persistent_keepalive to {value}"),
}
_OF_STATIC_PEER = {
    losses.ALLOWED_IPS: ("static_peers", "add them to its allowed_ips"),
    losses.ENDPOINT: ("static_peers", "set its endpoint to {value}"),
    losses.KEEPALIVE: ("static_peers", "set its persistent_keepalive to {value}"),
}
_OF_A_HUB = (
    "this is a hub with clients: import with overlay_import_role=hub_spoke, or {allow}, because in a mesh each host has its "
    "own address"
)
_OF_CLIENTS = (
    "they are in the overlay's own network, so they are clients of {peer}: import with overlay_import_role=hub_spoke; or make "
    "{prefix}network a smaller one without them, and add them to {prefix}networks of {peer}; or {allow}"
)


def of_a_mesh(loss: Loss, _plan: FleetPlan, networks: Collection[Prefix]) -> str:
    """Return what to write where a member has allowed IPs that {prefix}networks refuses, "" for others."""
    if any(lost.contains(network) for lost in loss.prefixes for network in networks):
        return _OF_A_HUB
    inside = any(network.contains(lost) for lost in loss.prefixes for network in networks)
    return _OF_CLIENTS if inside else ""


def awaits_adoption(seen: Observation | None, own: Settings) -> bool:
    """Return whether a host is refused because it has an interface that others made, which may not be adopted yet."""
    if seen is None or seen.existing is None:
        return False
    return seen.existing.unread or _lacks_key(seen) if own.adopt else True


def _lacks_key(seen: Observation) -> bool:
    """Return whether neither an interface that others made nor its files nor the key file has a private key."""
    made = seen.existing
    return made is not None and not made.unread and not any(made.public_key) and not seen.has_key


def unmanaged_interfaces(
    observations: Mapping[str, Observation], settings: Mapping[str, Settings], prefix: str
) -> Iterator[Problem]:
    """Yield the hosts with an interface that others made, unless they adopt it and it was read for that."""
    for name, seen in observations.items():
        if seen.existing is None:
            continue
        if settings[name].adopt and seen.existing.table:
            yield Problem(name, prefix + "adopt", losses.full_tunnel_text(seen.existing))
        if settings[name].adopt and seen.existing.profile:
            yield Problem(name, prefix + "adopt", losses.profile_text(seen.existing))
        if not awaits_adoption(seen, settings[name]):
            continue
        if settings[name].adopt and _lacks_key(seen):
            has = "neither the interface nor a file of it has" if seen.existing.runs else "no file of it has"
            text = (
                f"{seen.existing.name} is to be adopted, and {has} a private key, so a new one would be made that no peer knows: "
                f"write its key to {settings[name].private_key_file} on the host (mode 0600); or remove the interface and its "
                "files, and a new key is made"
            )
            yield Problem(name, prefix + "private_key_file", text)
        elif settings[name].adopt:
            text = (
                f"{seen.existing.name} is to be adopted, but its facts were gathered without adoption; set keys_adopt to true "
                "in the play that runs the role keys"
            )
            yield Problem(name, prefix + "adopt", text)
        else:
            how = "exists" if seen.existing.runs else "does not run, but is in files on this host"
            text = (
                f"{seen.existing.name} {how} and is not managed by this collection: set {prefix}adopt to true to take it "
                f"over with its key, port, addresses and peers, or set {prefix}interface to another name"
            )
            yield Problem(name, prefix + "interface", text)


def lost_without_a_plan(
    observations: Mapping[str, Observation],
    settings: Mapping[str, Settings],
    prefix: str,
    problems: Collection[Problem],
    *,
    ports: bool,
) -> list[Problem]:
    """Return what hosts lose that adopt an interface, as far as it is known while other problems prevent a plan.

    problems: those; the variables that they name are not compared. ports: whether the port of the settings is that of the device.
    """
    named = {(problem.host, problem.variable) for problem in problems}
    found = []
    for name, seen in observations.items():
        own = settings[name]
        if seen.existing is None or not own.adopt or own.adopt_allow_loss:
            continue
        wanted = WantedInterface(
            seen.existing.name,
            listen_port=own.port if ports else None,
            fwmark=own.fwmark,
            mtu=own.mtu or None,
            persistence=own.persistence,
        )
        for loss in losses.losses(seen.existing, wanted, None):
            if (name, prefix + _REMEDIES[loss.kind][0]) not in named or loss.kind == losses.FILE:
                found.append(_problem(name, loss, (), prefix, "", explained=True))
    return found


def lost_by_adoption(
    plan: FleetPlan,
    observations: Mapping[str, Observation],
    settings: Mapping[str, Settings],
    prefix: str,
    expand: Expand,
    special: Special,
) -> tuple[list[Problem], list[Problem]]:
    """Return what hosts lose that adopt an interface: the problems, and the losses that are allowed.

    expand: returns the interfaces of a host. Only documents of hosts that adopt one are expanded. special: returns what to
    write where a member loses allowed IPs, if the topology has another remedy then than networks behind it.
    """
    problems: list[Problem] = []
    allowed: list[Problem] = []
    for name, seen in observations.items():
        host = plan.hosts.get(name)
        if seen.existing is None or host is None or host.device is None or not settings[name].adopt:
            continue
        for document in expand(plan, name, host, host.device):
            if document.name != seen.existing.name:
                continue
            (wanted,) = parse_document([document.fields], {}, decode_predicted_key)
            own = decode_predicted_key(document.own_key) if document.own_key else None
            networks = {*settings[name].network, *(address.network for address in wanted.addresses or ())}
            for loss in losses.losses(seen.existing, wanted, own, secrets_known=False):
                found = allowed if settings[name].adopt_allow_loss else problems
                other = special(loss, plan, networks) if loss.peer in plan.hosts else ""
                found.append(_problem(name, loss, plan.hosts, prefix, other, explained=found is problems))
    return problems, allowed


def _problem(name: str, loss: Loss, members: Collection[str], prefix: str, special: str, *, explained: bool) -> Problem:
    remedies = _REMEDIES if loss.peer in members else {**_REMEDIES, **_OF_STATIC_PEER}
    variable, remedy = remedies[loss.kind]
    if not explained:
        return Problem(name, prefix + variable, f"lost by adoption: {loss.text}")
    allow = f"{prefix}adopt_allow_loss: true"
    if special:
        return Problem(
            name, prefix + variable, f"{loss.text}; {special.format(allow=allow, prefix=prefix, peer=loss.peer)}"
        )
    allow += " accepts the loss"
    said = [remedy.format(prefix=prefix, value=loss.value, peer=loss.peer)] if remedy else []
    return Problem(name, prefix + variable, "; ".join([loss.text, *said, allow]))
