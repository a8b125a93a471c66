# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that both ends of a tunnel share: they change only on hosts that a run changes together.

A port that others have stored is put off. A key that replaces one in use is refused while others that use it are not in the
run. Preshared keys are put off by `overlay_apply`, which knows the current ones; see `absent` of a plan. An address changes, with
a warning: nobody but the administrator changes one.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import NamedTuple

from ....module_utils._ip.prefix import Address
from ....module_utils._wireguard.endpoint import Endpoint
from ..._problems import Problem, agree, host_list
from ..plan_model.fleet import Absence, HostInput
from .absence import by_absence, why_absent
from .observation import CachedPeer, Observation, cached_names, cached_peers
from .settings import AUTO, Settings

_TOGETHER = "run all of them at once, without --limit and serial"


class Findings(NamedTuple):
    """Problems and warnings."""

    problems: list[Problem]
    warnings: list[Problem]


def absent_hosts(inputs: Mapping[str, HostInput], revoked: Collection[str]) -> frozenset[str]:
    """Return the members that are not changed together with the hosts of this run."""
    return frozenset(
        name for name, host in inputs.items() if name not in revoked and not (host.reached and host.fact is not None)
    )


def keys_in_use(
    observations: Mapping[str, Observation], absent: Collection[str], revoked: Collection[str]
) -> dict[str, Observation]:
    """Return observations in which absent hosts have the key that they use, where a new one has not been applied yet."""
    return {
        name: replace(seen, public_key=seen.replaced_key, new_key=False)
        if name in absent and seen.replaced_key and seen.replaced_key not in revoked
        else seen
        for name, seen in observations.items()
    }


def replaced_keys(
    inputs: Mapping[str, HostInput],
    observations: Mapping[str, Observation],
    absent: Collection[str],
    revoked: Collection[str],
    prefix: str,
) -> Findings:
    """Return the problems and warnings of hosts whose new key would break tunnels to hosts that are not in this run.

    A revoked key is replaced in any case. Hosts that cannot be reached do not prevent it: else no key could be replaced
    while one host is down.
    """
    findings = Findings([], [])
    for name, seen in observations.items():
        if name in absent or not seen.replaced_key or seen.replaced_key in revoked:
            continue
        waiting = _with_tunnels(seen, absent)
        later = [other for other in waiting if not _is_lost(inputs[other])]
        lost = [other for other in waiting if _is_lost(inputs[other])]
        variable = prefix + "private_key_file"
        text = f"the key file has another key than the interface ({seen.replaced_key})"
        if later:
            using = agree(later, "still uses, and it is", "still use, and they are")
            failed = [other for other in later if inputs[other].lost]
            why = f" ({why_absent(failed, inputs)})" if failed else ""
            text += f", which {host_list(later)} {using} not changed together with this host{why}"
            findings.problems.append(Problem(name, variable, f"{text}; {_TOGETHER}"))
        elif lost:
            those, run = agree(lost, "it", "them"), agree(lost, "it is", "they are")
            text += f"; {why_absent(lost, inputs)}, so the tunnels to {those} are down until {run} run"
            findings.warnings.append(Problem(name, variable, text))
    return findings


def with_stored_ports(
    inputs: Mapping[str, HostInput],
    settings: Mapping[str, Settings],
    observations: Mapping[str, Observation],
    cached: Mapping[str, Sequence[CachedPeer]],
    absent: Collection[str],
    unresolved: Collection[str],
    prefix: str,
) -> tuple[dict[str, Settings], list[Problem]]:
    """Return settings in which a port stays that hosts outside of this run use or have stored, and the warnings."""
    found: dict[str, Settings] = dict(settings)
    warnings: list[Problem] = []
    for name, own in settings.items() if absent else ():
        if name in unresolved:
            continue
        seen = observations.get(name)
        stored = seen.port if seen is not None else _cached_port(name, cached.get(name, ()), settings)
        if not stored or not own.port or stored == own.port or not _is_stored_by_others(own):
            continue
        if name in absent:
            missing, text = [name], "the host"
        elif missing := _with_tunnels(seen, absent):
            text = f"{host_list(missing)} {agree(missing, 'has', 'have')} the old one stored and"
        else:
            continue
        text = f"port {own.port} is put off, {stored} stays: {text} {_why_not_changed(missing, inputs)}"
        warnings.append(Problem(name, prefix + "port", text))
        endpoint = own.endpoint._replace(port=stored) if isinstance(own.endpoint, Endpoint) else own.endpoint
        found[name] = replace(own, port=stored, endpoint=endpoint)
    return found, warnings


def replaced_addresses(
    planned: Mapping[str, Sequence[Address]],
    observations: Mapping[str, Observation],
    cached: Mapping[str, Sequence[CachedPeer]],
    absent: Collection[str],
    inputs: Mapping[str, HostInput],
    prefix: str,
) -> Iterator[Problem]:
    """Yield a warning for each host with another address than the hosts outside of this run, or it itself, go on using.

    planned: the addresses of each member. observations, cached: what hosts report of themselves, and have stored of others.
    """
    for name, addresses in planned.items() if absent else ():
        seen = observations.get(name)
        used = seen.addresses if seen is not None else _agreed_addresses(cached.get(name, ()))
        new = {address.host for address in addresses}
        gone = [address.bare for address in used if address.host not in new]
        if not gone or not new.difference(address.host for address in used):
            continue
        if name in absent:
            missing, text = [name], "the host itself"
        elif missing := _with_tunnels(seen, absent):
            text = f"{host_list(missing)} {agree(missing, 'accepts', 'accept')} packets of the old one only and"
        else:
            continue
        text = f"{', '.join(gone)} is replaced by another address, and {text} {_why_not_changed(missing, inputs)}"
        yield Problem(name, prefix + "addresses", text)


def revoked_elsewhere(
    revoked: Set[str],
    observations: Mapping[str, Observation],
    absent: Collection[str],
    inputs: Mapping[str, HostInput],
    prefix: str,
) -> Iterator[Problem]:
    """Yield a warning for each revoked host that hosts outside of this run go on accepting.

    That is, while a host with facts has it as a peer. A host without facts may have it, too.
    """
    for name, peers in cached_peers(observations, revoked).items() if revoked and absent else ():
        having = {peer.reporter for peer in peers}
        if not (here := sorted(having.difference(absent)) or sorted(having)):
            continue
        waiting = sorted(other for other in absent if other in having or other not in observations)
        if waiting:
            text = f"{name!r} may remain a peer of {host_list(waiting)}: {agree(waiting, 'it', 'they')} "
            yield Problem(here[0], prefix + "revoked", text + _why_not_changed(waiting, inputs))


def _agreed_addresses(cached: Sequence[CachedPeer]) -> tuple[Address, ...]:
    stored = {peer.addresses for peer in cached}
    return stored.pop() if len(stored) == 1 else ()


def _is_lost(host: HostInput) -> bool:
    """Return whether an absent host is in this run without facts, so that a run of all might not change it."""
    return not host.outside and host.fact is None


def _why_not_changed(missing: Sequence[str], inputs: Mapping[str, HostInput]) -> str:
    """Return the end of a sentence about hosts: why this run does not change them, and what to do."""
    lost = [name for name in missing if inputs[name].lost or _is_lost(inputs[name])]
    reasons = by_absence(lost, inputs)
    if len(lost) == len(missing) and len(reasons) == 1:
        absence = next(iter(reasons))
        them = agree(lost, "it", "them")
        otherwise = f", or revoke {them} (overlay_revoked), or take {them} out of the group"
        return f"{absence.of(lost)}; {absence.remedy(lost)}{otherwise if absence in (Absence.UNREACHABLE, Absence.LOST) else ''}"
    why = f" ({why_absent(lost, inputs)})" if lost else ""
    then = " when this is corrected" if lost else ""
    where = "in this batch" if all(inputs[name].absence is Absence.LATER for name in missing) else "by this run"
    return f"{agree(missing, 'is', 'are')} not changed {where}{why}; {_TOGETHER}{then}"


def _with_tunnels(seen: Observation | None, absent: Collection[str]) -> list[str]:
    """Return the absent hosts that a host has as peers, so that they have it as a peer too."""
    return sorted(name for name in cached_names(seen) if name in absent)


def _is_stored_by_others(own: Settings) -> bool:
    """Return whether the endpoint that others store has the port of the interface, not that of a port forward."""
    return own.endpoint == AUTO or (isinstance(own.endpoint, Endpoint) and own.endpoint.port == own.port)


def _cached_port(name: str, cached: Sequence[CachedPeer], settings: Mapping[str, Settings]) -> int:
    """Return the port that all others have stored, except in overrides; 0 where they have none or different ones."""
    ports = {
        peer.endpoint.port
        for peer in cached
        if peer.endpoint is not None and name not in settings[peer.reporter].peer_overrides
    }
    return ports.pop() if len(ports) == 1 else 0
