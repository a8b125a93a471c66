# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The files that load our tables at boot: one of nft(8) for each interface, and one unit for all. Pure.

The unit runs before the network is set up and before a kubelet starts, and again whenever nftables.service starts or is
reloaded, because distributions begin that with `flush ruleset`, which removes all tables.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .._host.files import HEADER, BootFile
from .._host.systemd import KUBELETS
from .table import RulesetPart, load_script

DIRECTORY = "/etc/wirewright.overlay/nftables"
UNIT = "wirewright-overlay-nftables.service"

_UNIT_PATH = f"/etc/systemd/system/{UNIT}"
_WANTED_BY = f"/etc/systemd/system/sysinit.target.wants/{UNIT}"
# Loads all files in one transaction; no file is no error, since the pattern may match nothing. If nft refuses that, each
# file is loaded alone, so that one bad file does not disable the others. The unit then fails, and nft names the bad file
# (in the transaction it may name another one, if a file is truncated). systemd parses these quotes as a shell does.
LOAD = (
    f'/bin/sh -c "/usr/sbin/nft \'include \\"{DIRECTORY}/*.nft\\"\' 2>/dev/null'
    f' || ls {DIRECTORY}/*.nft | xargs -n 1 /usr/sbin/nft -f"'
)

_UNIT_TEXT = f"""{HEADER}
[Unit]
Description=Packet rules of wirewright.overlay
Documentation=man:nft(8)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target {KUBELETS} shutdown.target
Conflicts=shutdown.target
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={LOAD}
ExecReload={LOAD}

[Install]
WantedBy=sysinit.target
"""


def rules_path(interface: str) -> str:
    """Return the path of the boot file of an interface."""
    return f"{DIRECTORY}/{interface}.nft"


def paths(interface: str) -> tuple[str, ...]:
    """Return the paths that `files` may write: the interface's own, then the unit and its link."""
    return rules_path(interface), _UNIT_PATH, _WANTED_BY


def files(interface: str, parts: Sequence[RulesetPart], others: Collection[str], *, systemd: bool) -> list[BootFile]:
    """Return the files for the next boot; one of `paths` that is not among them is to be removed.

    ``others`` are the paths in DIRECTORY of other interfaces: the unit stays while there are any. Without systemd only
    the interface's own file is written, and the host has to load it.
    """
    own = [part for part in parts if part.interface == interface]
    wanted = [BootFile(rules_path(interface), f"{HEADER}\n{load_script(own)}")] if own else []
    if systemd and (own or any(path != rules_path(interface) for path in others)):
        wanted += [BootFile(_UNIT_PATH, _UNIT_TEXT), BootFile(_WANTED_BY, mode=0o777, target=_UNIT_PATH)]
    return wanted
