# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of overlay_apply for the confirmation of a change."""

from __future__ import annotations


class ModuleDocFragment:
    """The options."""

    DOCUMENTATION = r"""
options:
  confirm_timeout:
    description:
      - Seconds within which the controller must confirm a change over a new connection. Without the confirmation the host
        reverts the change by itself, and the task fails. V(0), the default, changes the host without a guard.
      - The time starts when the kernel has the change. Files for the next boot are written with the confirmation, so a host
        that reboots before it starts with its old configuration.
      - The action plugin confirms. A run without changes of the kernel needs no confirmation.
      - Refused with O(xfrm_states) and O(xfrm_boot), because a deleted state is not restored.
    type: int
    default: 0
  confirm_required:
    description:
      - Whether a host is not changed where it cannot have a guard, for example because C(/run) is not in memory. With V(false)
        it is changed without one, with a warning.
    type: bool
    default: true
  confirm_token:
    description: Token of the confirmation. The action plugin generates one for each call.
    type: str
"""
