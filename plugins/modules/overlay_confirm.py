#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_confirm
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Confirm a change of a host that would be reverted otherwise
description:
  - Confirms the change that M(wirewright.overlay.overlay_apply) made under a guard (C(confirm_timeout)).
    Writes the files for the next boot, and ends the guard that would revert the change.
  - The action plugin of M(wirewright.overlay.overlay_apply) calls this module over a new connection. Playbooks need not call it.
  - Fails if no change is pending, if another change is pending, or if the change was reverted already.
extends_documentation_fragment:
  - wirewright.overlay.attributes
attributes:
  check_mode:
    support: none
    description: A change in check mode needs no confirmation.
  diff_mode:
    support: none
    description: The diff of M(wirewright.overlay.overlay_apply) includes the files.
  idempotent:
    support: none
    description:
      - A token confirms one change. It confirms that again, with the same result, until the next run of
        M(wirewright.overlay.overlay_apply), for a controller that did not get the first answer.
options:
  token:
    description: The token that M(wirewright.overlay.overlay_apply) was called with.
    type: str
    required: true
seealso:
  - module: wirewright.overlay.overlay_apply
"""

EXAMPLES = r"""
- name: Confirm a change
  wirewright.overlay.overlay_confirm:
    token: "{{ token_of_the_change }}"
"""

RETURN = r"""
facts:
  description: Facts of the interfaces after the change, for the action plugin of M(wirewright.overlay.overlay_apply).
  returned: success
  type: dict
reverted:
  description: Whether the change was reverted.
  returned: failure
  type: bool
"""

from ..module_utils._engine.module_run import Module, run
from ..module_utils._overlay.confirm import confirm
from ..module_utils._overlay.guard import Reverted
from ..module_utils._wireguard.facts import facts_after_run


def main() -> None:
    module = Module(argument_spec={"token": {"type": "str", "required": True, "no_log": True}})
    try:
        done = run(module, lambda: confirm(module.params["token"]), "nothing was confirmed")
    except Reverted as exc:
        module.fail_json(msg=str(exc), reverted=True)
    kept = [{"name": name, "state": "present" if is_kept else "absent"} for name, is_kept in done.interfaces.items()]
    module.exit_json(changed=True, facts=facts_after_run(kept))


if __name__ == "__main__":
    main()
