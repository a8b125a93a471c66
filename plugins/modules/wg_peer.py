#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wg_peer
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage peers of a WireGuard interface
description:
  - Adds, changes and removes one peer or any number of them, in as few messages to the kernel as hold them.
  - Only what differs is sent. The sessions of peers that do not change are not touched.
  - Nothing is written for the next boot. M(wirewright.overlay.overlay_apply) does that.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  interface:
    description:
      - The WireGuard interface; it must exist.
    type: str
    required: true
  peers:
    description:
      - The peers. An option of a peer that is left out is left alone; an empty one clears.
    type: list
    elements: dict
    required: true
    suboptions:
      public_key:
        description:
          - Public key of the peer in base64, which says which peer it is.
        type: str
        required: true
      state:
        description:
          - Whether the peer exists.
        type: str
        choices: [present, absent]
        default: present
      name:
        description:
          - A name for people, kept in the host's memory of the interface and shown by M(wirewright.overlay.wg_info).
        type: str
      preshared_key:
        description:
          - Preshared key in base64. An empty text takes it off.
        type: str
      endpoint:
        description:
          - Where the peer is reached, as C(address:port), C([IPv6 address]:port) or C(name:port).
          - It is set when it differs from what was asked for last. An endpoint that the peer has moved to since then
            is kept. It cannot be taken off.
          - A name is resolved on the managed host. One that does not resolve within three seconds gives a warning.
        type: str
      persistent_keepalive:
        description:
          - Seconds between keepalive packets. V(0) switches them off.
        type: int
      allowed_ips:
        description:
          - All networks whose packets go to and may come from the peer. An empty list takes all away.
          - An allowed IP belongs to one peer; given to this one it leaves the one that has it.
        type: list
        elements: str
  purge:
    description:
      - Whether to remove all other peers of the interface.
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether the connection by which the module runs may be sent another way, or cut.
        Without it a call is refused after which the peer that it goes through would get its packets no more.
    type: bool
    default: false
requirements:
  - pyroute2 >= 0.7.2
seealso:
  - module: wirewright.overlay.wg_interface
  - module: wirewright.overlay.overlay_apply
"""

EXAMPLES = r"""
- name: Have two peers and no other
  wirewright.overlay.wg_peer:
    interface: wg0
    purge: true
    peers:
      - name: alpha
        public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
        endpoint: 192.0.2.1:51820
        allowed_ips: [10.42.0.1/32]
      - name: beta
        public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
        endpoint: "[2001:db8::2]:51820"
        allowed_ips: [10.42.0.2/32, 10.77.0.0/16]
        persistent_keepalive: 25

- name: Take the preshared key and the keepalive off one peer
  wirewright.overlay.wg_peer:
    interface: wg0
    peers:
      - public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
        preshared_key: ""
        persistent_keepalive: 0

- name: Remove a peer
  wirewright.overlay.wg_peer:
    interface: wg0
    peers:
      - public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
        state: absent
"""

RETURN = r"""
peers:
  description: How many peers were created, updated and deleted.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
requests:
  description: How many set requests that took; none where nothing changed.
  returned: success
  type: int
  sample: 1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.apply import converge
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import parse_module_peers
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.module_run import (
    exit_with,
    interface_result,
    run,
)
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.outcome import HostOutcome


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "required": True},
            "peers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "public_key": {"type": "str", "required": True, "no_log": False},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "name": {"type": "str"},
                    "preshared_key": {"type": "str", "no_log": True},
                    "endpoint": {"type": "str"},
                    "persistent_keepalive": {"type": "int", "no_log": False},
                    "allowed_ips": {"type": "list", "elements": "str"},
                },
            },
            "purge": {"type": "bool", "default": False},
            "allow_management_change": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    outcomes = run(
        module,
        lambda: converge(
            [parse_module_peers(params["interface"], params["peers"], params["purge"])],
            check_mode=module.check_mode,
            allow_management_change=params["allow_management_change"],
        ),
    )
    result = interface_result(outcomes[0])
    exit_with(module, HostOutcome(outcomes), peers=result["peers"], requests=result["requests"])


if __name__ == "__main__":
    main()
