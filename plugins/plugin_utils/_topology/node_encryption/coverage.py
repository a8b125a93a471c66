# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which nodes of a cluster encrypt: hosts of the group, hosts that opt out, and nodes of the cluster that are no hosts.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ....module_utils._ip.prefix import Prefix
from ..._kubernetes.nodes import Node
from ..._problems import Problem, host_list
from ..plan_model.nodes import ENCRYPTED, EXEMPT, NOT_COVERED, Coverage
from .discovery import Discovered
from .settings import NodeSettings

_NAMED = 6


def unlisted_nodes(
    discovered: Discovered, node_settings: Mapping[str, NodeSettings], prefix: str
) -> tuple[list[Problem], list[Problem]]:
    """Return problems and warnings about nodes of the cluster that are not in the inventory.

    Strict encryption cuts such a node off, so it is refused unless the pods of the node are excluded. If a host matches no
    node, its node may be the one that seems to be missing, so this is a warning. So is a node whose pods are not known.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for settings, names in _by_exclusions(node_settings):
        missing = [node for node in discovered.unlisted if not _is_excluded(node, settings.exclude_cidrs)]
        known = [node for node in missing if node.pod_cidrs]
        for nodes, refused in (
            (known, bool(settings.strict) and discovered.all_match),
            ([node for node in missing if not node.pod_cidrs], False),
        ):
            if nodes:
                text = _text(nodes, bool(settings.strict), prefix)
                found = problems if refused else warnings
                found.extend(Problem(name, prefix + "exclude_cidrs", text) for name in names)
    return problems, warnings


def _by_exclusions(node_settings: Mapping[str, NodeSettings]) -> Iterator[tuple[NodeSettings, list[str]]]:
    """Yield the enabled nodes with the same exclusions, and the settings of one of them."""
    groups: dict[object, list[str]] = {}
    for name, settings in node_settings.items():
        if settings.enabled:
            groups.setdefault((settings.exclude_cidrs, settings.strict), []).append(name)
    for names in groups.values():
        yield node_settings[names[0]], names


def _is_excluded(node: Node, excluded: Collection[Prefix]) -> bool:
    return bool(node.pod_cidrs) and all(any(one.contains(cidr) for one in excluded) for cidr in node.pod_cidrs)


def _text(nodes: Sequence[Node], strict: bool, prefix: str) -> str:
    cidrs = [str(cidr) for node in nodes for cidr in node.pod_cidrs]
    more = f" and {len(cidrs) - _NAMED} more" if len(cidrs) > _NAMED else ""
    one = len(nodes) == 1
    networks = f"{', '.join(cidrs[:_NAMED])}{more}" if cidrs else "the networks of its pods"
    effect = "strict encryption drops traffic with its pods" if strict else "traffic with it is unencrypted"
    if not one:
        effect, networks = (
            effect.replace("its", "their").replace("with it ", "with them "),
            networks.replace("its", "their"),
        )
    return (
        f"{host_list(node.name for node in nodes)} of the cluster {'is no host' if one else 'are no hosts'} of "
        f"{prefix}group, so {effect}; add {'it' if one else 'them'} to the group, or, to leave "
        f"{'it' if one else 'them'} unencrypted, add {networks} to this variable"
    )


def coverage(
    discovered: Discovered,
    node_settings: Mapping[str, NodeSettings],
    prefix: str,
    *,
    exempt: Collection[str] = (),
    keyless: Collection[str] = (),
    revoked: Collection[str] = (),
) -> tuple[Coverage, ...]:
    """Return of every host and of every node that is no host whether it encrypts, and why not.

    exempt: hosts that are exempt from host encryption. keyless: hosts without a known key.
    """
    found = []
    for name, settings in sorted(node_settings.items()):
        if name in revoked:
            found.append(Coverage(name, EXEMPT, f"its key is revoked ({prefix}revoked)"))
        elif name in discovered.labels:
            reason = f"its node has the label {discovered.labels[name]} ({prefix}opt_out_labels)"
            found.append(Coverage(name, EXEMPT, reason))
        elif not settings.enabled:
            reason = f"{prefix}state is absent" if settings.absent else f"{prefix}enabled is false"
            found.append(Coverage(name, EXEMPT, reason))
        elif name in keyless:
            found.append(Coverage(name, NOT_COVERED, "its public key is not known; run the role on it"))
        else:
            hosts = settings.host_encryption and name in exempt
            found.append(Coverage(name, ENCRYPTED, f"its pods only ({prefix}exempt_hosts)" if hosts else ""))
    excluded = [settings for settings, _names in _by_exclusions(node_settings)]
    for node in discovered.unlisted:
        if excluded and all(_is_excluded(node, settings.exclude_cidrs) for settings in excluded):
            found.append(
                Coverage(node.name, EXEMPT, f"its pods are in {prefix}exclude_cidrs, and it is no host of the group")
            )
        else:
            found.append(Coverage(node.name, NOT_COVERED, f"the node is no host of {prefix}group"))
    return tuple(found)
