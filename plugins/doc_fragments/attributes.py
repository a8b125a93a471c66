# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that all modules of the collection have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes section."""

    DOCUMENTATION = r"""
options: {}
attributes:
  platform:
    description: The operating systems on which the module works.
    platforms: linux
    support: full
  action_group:
    description: Use C(group/wirewright.overlay.all) in C(module_defaults) to set options for all modules at once.
    membership:
      - wirewright.overlay.all
    support: full
"""

    CHANGES = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return the changed status prediction without modifying the host.
  diff_mode:
    support: full
    description: Returns details on what has changed, or in check mode would change, when run with C(--diff).
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
"""

    READS = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode). Never changes anything.
  diff_mode:
    support: none
    description: Returns no diff, because nothing changes.
  idempotent:
    support: full
    description: Changes nothing.
"""
