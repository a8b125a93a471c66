# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The public key of a host: from its own facts, the inventory, or the cached state of other members.

What a host reports of others only fills gaps. It counts if all who report the same host agree, and if it does not contradict
what a host reports of itself, or the inventory. Otherwise other hosts keep their state of that host.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from ....module_utils._wireguard.keys import NEW_KEY_OF, decode_key, encode_key, key_identity, public_key
from ..._problems import Problem, host_list, possessive
from ..plan_model.fleet import HostInput
from .observation import CachedPeer, Observation, is_public_key
from .settings import Settings


def new_key_of(name: str) -> str:
    """Return the text that stands for the key of a host until it is generated; only plans of check mode have it."""
    return NEW_KEY_OF + name


def replace_key(where: str, *paths: str) -> str:
    """Return the words for a user to replace private keys.

    Removing the file is not enough: where the interface runs, the next run writes its key to the file.
    """
    return f"replace the key {where} (module wg_key, path={' and path='.join(paths)}, regenerate=true)"


class Credible(NamedTuple):
    """What members have cached of each other and may be true. refused: the members whose key is disputed, with the reason."""

    cached: dict[str, tuple[CachedPeer, ...]]
    refused: dict[str, str]
    warnings: list[Problem]


def credible(
    cached: Mapping[str, Sequence[CachedPeer]],
    settings: Mapping[str, Settings],
    observations: Mapping[str, Observation],
    prefix: str,
) -> Credible:
    """Return what members have cached of each other, without what contradicts the inventory or a host's report of itself.

    If others have cached a key for an absent member that another one reports as its own, or that is cached for a further
    absent member, neither can be verified: one is a clone, or a report is false. Then both are refused.
    """
    given = {key_identity(own.public_key): name for name, own in settings.items() if own.public_key}
    reported: dict[bytes, list[str]] = {}
    for name, seen in observations.items():
        if is_public_key(seen.public_key):
            reported.setdefault(key_identity(seen.public_key), []).append(name)
    # A clone does not make the report of the original void: both report the key, which a rule refuses.
    reporting = {name for names in reported.values() for name in names}
    known = {*given.values(), *reporting, *(name for name, seen in observations.items() if seen.new_key)}
    absent: dict[bytes, set[str]] = {}
    for name in cached.keys() - known:
        for peer in cached[name]:
            absent.setdefault(key_identity(peer.public_key), set()).add(name)
    kept: dict[str, tuple[CachedPeer, ...]] = {}
    false: dict[tuple[str, str], set[str]] = {}
    disputed: dict[tuple[str, str], set[str]] = {}
    for name, peers in cached.items():
        credited = []
        for peer in peers:
            identity = key_identity(peer.public_key)
            having = reported.get(identity, [name])
            owner = given.get(identity, name if name in having else having[-1])
            if owner != name and (name in known or identity in given):
                false.setdefault((name, owner), set()).add(peer.reporter)
                continue
            credited.append(peer)
            others = {owner} if owner != name else absent.get(identity, set()) if name not in known else set()
            for other in others - {name}:
                disputed.setdefault((name, other), set()).add(peer.reporter)
        kept[name] = tuple(credited)
    warnings = []
    for (name, other), by in sorted(false.items()):
        text = f"{host_list(by)} has stored {possessive(other)} key as that of this host, so this is ignored"
        warnings.append(Problem(name, prefix + "public_key", text))
    refused: dict[str, str] = {}
    for (name, other), by in sorted(disputed.items()):
        text = (
            f"{host_list(by)} has stored {possessive(other)} key as that of {name!r}, which does not report one; so other "
            f"hosts keep their state of this host; set {prefix}public_key for {name!r}, or run it together with the others"
        )
        refused.setdefault(name, text)
        refused.setdefault(other, text)
    warnings += [Problem(name, prefix + "public_key", text) for name, text in refused.items()]
    return Credible(kept, refused, warnings)


def identify(
    name: str,
    settings: Settings,
    observation: Observation | None,
    cached: Iterable[CachedPeer],
    revoked: Set[str],
) -> str | None:
    """Return the public key of a host, None if it is unknown or the sources disagree.

    name: of the host, and of its interface if it has several keys, for a key that is not generated yet.
    """
    if observation is not None and observation.new_key:
        return new_key_of(name)
    own = observation.public_key if observation else ""
    if own:
        return own if is_public_key(own) else None
    if settings.public_key:
        return settings.public_key
    recorded = {peer.public_key for peer in cached} - revoked
    return recorded.pop() if len(recorded) == 1 else None


def key_problems(
    name: str,
    settings: Settings,
    observation: Observation | None,
    prefix: str,
) -> Iterator[Problem]:
    """Yield contradictions between a host's own key and the inventory."""
    own = observation.public_key if observation else ""
    variable = prefix + "public_key"
    if observation is not None and observation.new_key:
        if settings.public_key:
            text = "the inventory has a key, but the host has none, so this run would generate another one"
            yield Problem(
                name, variable, f"{text}; remove the variable, or copy the key to {settings.private_key_file}"
            )
    elif own and not is_public_key(own):
        text = f"the host reports an invalid key; {replace_key('there', settings.private_key_file)}, and run again"
        yield Problem(name, prefix + "private_key_file", text)
    elif own and settings.public_key and own != settings.public_key:
        if _is_private_key_of(settings.public_key, own):
            text = "this is the private key of the host, which must not be in the inventory; remove the variable, "
            yield Problem(name, variable, text + replace_key("there", settings.private_key_file))
        else:
            # Without the value: it may be a private key.
            text = f"the inventory has another key than the host, whose key is {own}"
            yield Problem(name, variable, f"{text}; correct or remove the variable")


def _is_private_key_of(text: str, own: str) -> bool:
    return encode_key(public_key(decode_key(text))) == own


def key_warnings(
    host: HostInput,
    settings: Settings,
    cached: Sequence[CachedPeer],
    revoked: Set[str],
    in_run: Set[str],
    prefix: str,
) -> Iterator[Problem]:
    """Yield whose word was taken for the key of a host without facts, or that those who have stored one disagree.

    What a host says of others only fills a gap, so it is said where a host of this run gets this peer from others.
    in_run: the hosts that this run changes.
    """
    if host.fact is not None or settings.public_key:
        return
    said: dict[str, list[str]] = {}
    for peer in cached:
        if peer.public_key not in revoked:
            said.setdefault(peer.public_key, []).append(peer.reporter)
    where = host.absence.words
    variable = prefix + "public_key"
    if len(said) > 1:
        words = "; ".join(f"{key} by {host_list(said[key])}" for key in sorted(said))
        text = f"the host {where}, and others have stored different keys of it: {words}; so none of them counts"
        yield Problem(host.name, variable, f"{text}; {host.absence.remedy()}, or set {variable} for it")
    for reporters in said.values() if len(said) == 1 else ():
        if not in_run <= {*reporters, host.name}:
            text = f"the host {where}; its key is taken on the word of {host_list(reporters)}"
            yield Problem(host.name, variable, text)
