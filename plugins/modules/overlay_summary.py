#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_summary
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Summarize the changes of a run on all hosts
description:
  - Prints one line for each group of hosts with the same change, as in C(h1-h3, +1 peer h4). In check mode these are the
    predicted changes.
  - Is skipped if no host has a change.
  - Use it once per play, with C(run_once), after M(wirewright.overlay.overlay_apply). In the C(always) part of a block it also
    runs if all hosts have failed.
extends_documentation_fragment:
  - wirewright.overlay.attributes
attributes:
  action:
    description: Runs on the controller.
    support: full
  check_mode:
    description: Changes nothing, so check mode makes no difference.
    support: full
  diff_mode:
    description: Returns no diff, because it changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
options:
  results:
    description:
      - Names of the variables with the registered results of M(wirewright.overlay.overlay_apply), in the order of the calls.
        An object that one of them creates and another deletes is not counted.
    type: list
    elements: str
    required: true
  plan_from:
    description:
      - Name of the variable with the registered result of M(wirewright.overlay.overlay_plan). With it the summary names the
        members that this run does not change, and that therefore get a new host as a peer later; it includes hosts that
        have failed or become unreachable after they were changed, and omits results of earlier plans.
    type: str
    default: ""
seealso:
  - module: wirewright.overlay.overlay_apply
"""

EXAMPLES = r"""
- name: Summarize the changes
  wirewright.overlay.overlay_summary:
    results: [mesh_result]
    plan_from: mesh_plan
  run_once: true
"""

RETURN = r"""
msg:
  description:
    - One line for each group of hosts. C(+), C(~) and C(-) precede the number of objects that are created, updated and deleted.
      A new interface includes its addresses and routes. For a changed interface, the changed settings are in brackets. Files
      are only listed if nothing else changes. A recorded name is that of a peer or of the host itself in the state file, which
      changes with the inventory; a record is the rest of that file, and only listed if nothing else changes.
  returned: success
  type: list
  elements: str
  sample:
    - "h4: +1 interface wg0, +3 peers"
    - h1-h3 get the new peer h4 with their next run; until then there is no tunnel between them
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "results": {"type": "list", "elements": "str", "required": True},
            "plan_from": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="overlay_summary runs on the controller, as an action; it cannot run on a host")


if __name__ == "__main__":
    main()
