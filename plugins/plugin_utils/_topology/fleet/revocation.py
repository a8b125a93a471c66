# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Revoked keys. The inventory revokes for all hosts; what a host has stored as revoked, it refuses for itself alone.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ....module_utils._wireguard import state_file
from ....module_utils._wireguard.keys import key_identity
from ..._problems import Problem, host_list
from ..plan_model.direct import DISCOVERY, discovery_name
from .identity import replace_key
from .member import Member
from .observation import Observation, cached_peers, is_public_key, names_of_key
from .settings import Settings


@dataclass
class Revocation:
    """names: revoked inventory names. keys: public keys revoked for all, each with its former name ("" if unknown).

    said_by: for each key, the source of its revocation, for messages. stored: by host, the keys that it has stored under a
    revoked name; it refuses these for itself.
    """

    names: frozenset[str] = frozenset()
    keys: dict[str, str] = field(default_factory=dict)
    said_by: dict[str, str] = field(default_factory=dict)
    stored: dict[str, dict[str, str]] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)


def revoke(settings: Mapping[str, Settings], devices: Sequence[Mapping[str, Observation]], prefix: str) -> Revocation:
    """Return what the inventory of any member revokes.

    devices: the observations of each network of interfaces, by host.
    The keys of a revoked name are that of the inventory, the one that the host reports, and those that other hosts have
    stored under the name. Hosts that have stored a key under the name refuse it in any case. The others get it as revoked too,
    unless anybody attributes it to another member, or a member does not report its key: else one host could revoke the key of
    another.
    """
    listed = {entry: name for name in sorted(settings) for entry in settings[name].revoked}
    keys = {entry for entry in listed if is_public_key(entry)}
    names = frozenset(listed) - keys
    found = Revocation(names)
    for key in sorted(keys):
        _add(found, key, "", f"listed in {prefix}revoked")
    trusted = [{name: seen for name, seen in on_device.items() if name not in names} for on_device in devices]
    labels = {label for name in names for label in (name, discovery_name(name))}
    cached = [cached_peers(on_device, labels) for on_device in trusted]
    claims = _Claims(settings, trusted, names)
    for name in sorted(names):
        reason = f"{name!r} is listed in {prefix}revoked"
        if name in settings and settings[name].public_key:
            _add(found, settings[name].public_key, name, reason)
        said: dict[str, list[str]] = {}
        for on_device in devices:
            if name in on_device and is_public_key(on_device[name].public_key):
                said.setdefault(on_device[name].public_key, []).append(name)
        for peer in (peer for by_label in cached for label in (name, discovery_name(name)) for peer in by_label[label]):
            said.setdefault(peer.public_key, []).append(peer.reporter)
            found.stored.setdefault(peer.reporter, {})[peer.public_key] = name
        for key, reporters in sorted(said.items()):
            others = claims.of(key)
            if not others and not claims.unknown:
                _add(found, key, name, reason)
            elif others and key not in found.keys:
                text = (
                    f"{key} is the key of {name!r}, which is revoked, according to {host_list(reporters)}, and that of "
                    f"{others}; only hosts that have stored it under the name {name!r} refuse it; list the key itself to "
                    "revoke it everywhere"
                )
                found.warnings.append(Problem(listed[name], prefix + "revoked", text))
        if name not in found.keys.values() and not said:
            text = f"no key of {name!r} is known, so none is revoked; list the key itself if you have it"
            found.warnings.append(Problem(listed[name], prefix + "revoked", text))
    return found


def refusals(
    members: Iterable[Member],
    observations: Mapping[str, Observation],
    revocation: Revocation,
    prefix: str,
    in_run: Collection[str],
    renamed: Collection[str] = (),
) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """Return by host the keys that it alone refuses, with their names, and warnings about members that it lacks then.

    in_run: the hosts that this run changes. renamed: those with a new interface, which inherits all stored keys.
    """
    by_name = {member.name: member for member in members}
    owners = {member.public_key: member.name for member in by_name.values() if member.public_key}
    found: dict[str, dict[str, str]] = {}
    warnings = []
    continuing = frozenset(renamed)
    for name, seen in observations.items():
        stored = {**seen.revoked, **revocation.stored.get(name, {})}
        if not stored or name not in by_name:
            continue
        peers = ChainMap(owners, {peer.public_key: peer.name for peer in by_name[name].settings.static_peers})
        known = (key for key in stored if key in peers and key not in revocation.keys)
        refused = {key: peers[key] for key in known if peers[key] != name}
        if refused and name in in_run:
            warnings.append(Problem(name, prefix + "revoked", _refused_text(refused, by_name, by_name[name])))
        refused.update(stored if name in continuing else revocation.stored.get(name, {}))
        if refused:
            found[name] = dict(sorted(refused.items()))
    return found, warnings


def _refused_text(refused: Mapping[str, str], members: Mapping[str, Member], own: Member) -> str:
    labels = sorted({label or key for key, label in refused.items()})
    paths = sorted({members[label].settings.private_key_file for label in labels if label in members})
    remedy = f"{replace_key('there', *paths[:2])}, or, " if paths else ""
    path = state_file.path_of(own.settings.interface)
    return (
        f"this host has stored keys of {host_list(labels)} as revoked, so it has no tunnels to them; {remedy}"
        f'if that is wrong, remove the keys from "revoked" in {path} on this host'
    )


class _Claims:
    """Who attributes a key to a member that is not revoked: that member itself, the inventory, or others.

    unknown: the members that do not report their key. They may have any: others who report it may all be wrong.
    """

    def __init__(
        self,
        settings: Mapping[str, Settings],
        devices: Sequence[Mapping[str, Observation]],
        revoked: Collection[str],
    ) -> None:
        self._observations = [(name, seen) for on_device in devices for name, seen in on_device.items()]
        self._members = settings.keys() - set(revoked)
        self._owners: dict[bytes, tuple[str, str]] = {}
        for name in sorted(self._members) if revoked else ():
            if settings[name].public_key:
                self._owners.setdefault(key_identity(settings[name].public_key), (name, "the inventory"))
        new: set[str] = set()
        for name, seen in self._observations if revoked else ():
            if name in self._members and is_public_key(seen.public_key):
                self._owners.setdefault(key_identity(seen.public_key), (name, "itself"))
            if seen.new_key:
                new.add(name)
        self.unknown = self._members - new - {name for name, _by in self._owners.values()}

    def of(self, key: str) -> str:
        """Return the members with a key and who says so, "" if there is none."""
        return "; ".join(self._of(key))

    def _of(self, key: str) -> Iterator[str]:
        owner = self._owners.get(key_identity(key))
        if owner is not None:
            yield f"{owner[0]!r} according to {owner[1]}"
            return
        said: dict[str, set[str]] = {}
        for reporter, seen in self._observations:
            for label in names_of_key(seen, key):
                name = label.partition(DISCOVERY)[0]
                if name in self._members:
                    said.setdefault(name, set()).add(reporter)
        for name, reporters in sorted(said.items()):
            yield f"{name!r} according to {host_list(reporters)}"


def _add(found: Revocation, key: str, name: str, reason: str) -> None:
    found.keys[key] = name or found.keys.get(key, "")
    found.said_by[key] = reason
