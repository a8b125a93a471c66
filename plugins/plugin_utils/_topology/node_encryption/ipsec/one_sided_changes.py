# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that both nodes of a pair share: they change only where a run reaches both.

The kernel drops what was decrypted and has no policy, so one node alone must not start or stop to encrypt a kind of packets. A
state with another key or address is refused by `overlay_apply`, which knows the current one; see `outside` of a plan.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...._problems import Problem, agree, host_list
from ...fleet.absence import why_absent
from ...plan_model.fleet import HostInput
from ...plan_model.ipsec import IpsecSettings, Nodes, Phase
from . import records
from .policies import covers_hosts


def one_sided(
    inputs: Mapping[str, HostInput],
    nodes: Nodes,
    settings: IpsecSettings,
    facts: records.Facts,
    outside: Collection[str],
    prefix: str,
) -> Iterator[Problem]:
    """Yield the changes of nodes of this run that nodes outside of it would have to make at the same time."""
    if not outside:
        return
    reports = records.stored_indexes(facts)
    for name, node in nodes.items():
        if name in reports and node.index not in reports[name]:
            others = sorted(set(outside) - {name}) or sorted(outside)
            was = " or ".join(map(str, sorted(reports[name])))
            text = f"{node.index} replaces {was}, which is part of the numbers of its states"
            yield Problem(name, prefix + "ipsec_index", f"{text}; {_remedy(others, inputs, prefix)}")
        fact = facts[name]
        recorded, ports = (fact or {}).get("hosts"), (fact or {}).get("ports")
        if name in outside or recorded is None:
            continue
        having = {other for other, phase in records.phases(fact).items() if phase > Phase.ABSENT}
        known = sorted(having.intersection(outside))
        changed = [other for other in known if covers_hosts(node, nodes[other], settings) != (other in recorded)]
        if changed:
            text = f"host encryption with {host_list(changed)} would change on this node only"
            yield Problem(name, prefix + "host_encryption", f"{text}; {_remedy(changed, inputs, prefix)}")
        covered = sorted(set(recorded).intersection(known) - set(changed))
        if covered and settings.closes_ingress and ports is not None and sorted(settings.exempt_ports) != sorted(ports):
            text = f"the exempt ports would change on this node only, and {host_list(covered)} would drop packets"
            yield Problem(name, prefix + "exempt_ports", f"{text}; {_remedy(covered, inputs, prefix)}")


def _remedy(names: Collection[str], inputs: Mapping[str, HostInput], prefix: str) -> str:
    them = agree(list(names), "it", "them")
    run = f"run all nodes together, or set {prefix}enabled to false for {them}"
    return f"{why_absent(names, inputs)}; {run}"
