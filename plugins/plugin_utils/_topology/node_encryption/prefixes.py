# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks behind a node among those of other nodes.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ....module_utils._ip.prefix import Prefix


def without_networks_inside(behind: Sequence[Prefix], others: Iterable[Prefix]) -> list[Prefix]:
    """Return the networks behind a node whose plaintext the node accepts and sends, as it stays behind this node.

    A network that contains one of another node is left out: to exempt it would exempt the other node's. others: the networks
    of the other nodes.
    """
    if not behind:
        return []
    around = {own for other in others for own in behind if own.contains(other)}
    return [own for own in behind if own not in around]
