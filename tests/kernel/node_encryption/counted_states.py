# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of a node as `ip xfrm` shows them, and one of them as if it had carried packets for years."""

from __future__ import annotations

import re

from node_cluster import Node


def states(node: Node) -> list[str]:
    """Return the output of `ip xfrm state`, state by state."""
    return [f"src {one}" for one in re.split(r"^src ", node.run("ip", "xfrm", "state"), flags=re.MULTILINE)[1:]]


def advance(node: Node, spi: int, destination: str, counted: str, number: int, *, esn: bool = True) -> None:
    """Recreate a state with a sequence number; our modules have no option for that."""
    (shown,) = [one for one in states(node) if f"dst {destination}" in one and f"{spi:#010x}" in one]
    source = shown.split()[1]
    (aead,) = re.findall(r"aead (\S+) (\S+) (\d+)", shown)
    where = ["dst", destination, "proto", "esp", "spi", f"{spi:#x}"]
    node.run("ip", "xfrm", "state", "delete", *where)
    window = ["replay-window", "1024", "flag", "esn"] if esn else ["replay-window", "32"]
    options = ["reqid", "7100", "mode", "tunnel", *window, counted, f"{number:#x}"]
    node.run("ip", "xfrm", "state", "add", "src", source, *where, *options, "aead", *aead)
