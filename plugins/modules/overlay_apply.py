#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_apply
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Make everything on a host that its overlay needs
description:
  - Takes whole interfaces, with peers, addresses, routes, kernel parameters and the files for the next boot,
    and makes the host equal to them in one call. Only what differs is changed.
  - All interfaces are checked and planned before the first is touched. What was written is read back;
    a difference that remains is an error that names it.
  - In a role, an action plugin of the same name takes this host's part of the fleet's plan
    (O(plan_from)) and calls the module with it.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  interfaces:
    description:
      - The interfaces. Each is a mapping. What a mapping leaves out is left alone, unless said otherwise below.
      - C(name) is required.
      - C(state) is V(present) or V(absent). An absent interface goes with its files;
        with C(remove_private_key) also the key in C(private_key_file).
      - C(private_key_file), by default C(/etc/wireguard/NAME.key), must exist.
      - C(listen_port), C(fwmark), C(mtu), C(addresses), C(up) and C(userspace) are as in
        M(wirewright.overlay.wg_interface).
      - C(peers) is a list as in M(wirewright.overlay.wg_peer), without C(state) and C(preshared_key), and with
        C(addresses), the overlay addresses of the peer, to be remembered.
        A peer without a key in O(preshared_keys) has none.
      - C(purge) removes peers that are not listed. While C(unknown_peers) names inventory hosts whose key nobody
        knows, peers that may be theirs stay. Losing more than 30 percent of the peers, and at least three, at once is
        refused unless C(allow_mass_removal) is true.
      - C(revoked) maps public keys that must go, and stay away, to names. They are remembered.
      - C(routes), by default true, adds a route for each allowed IP that lies outside the networks of C(addresses),
        with protocol 87.
      - C(sysctls) maps kernel parameters to values.
      - C(persistence) is V(wg_quick), V(networkd) or V(none), the default. Files of another method are removed.
      - C(adopt) takes over an interface that exists and was made by somebody else.
      - C(inventory_name) is this host's name in the inventory, to be remembered.
    type: list
    elements: dict
    default: []
  preshared_keys:
    description:
      - Preshared keys in base64, by interface name and public key of the peer.
    type: dict
    default: {}
  plan_from:
    description:
      - Name of the variable in which the result of M(wirewright.overlay.overlay_plan) was registered.
        The action plugin takes this host's interfaces from it.
    type: str
  psk_master:
    description:
      - Master secret, at least 16 characters, from which the preshared key of each pair of hosts is derived.
        It is used on the controller only and never sent to a host.
    type: str
  psk_epoch:
    description:
      - Number that changes all derived preshared keys when it is raised.
    type: int
    default: 0
  static_preshared_keys:
    description:
      - Preshared keys in base64 of peers outside the inventory, by public key.
    type: dict
requirements:
  - pyroute2 >= 0.7.2
seealso:
  - module: wirewright.overlay.overlay_plan
  - module: wirewright.overlay.overlay_facts
"""

EXAMPLES = r"""
- name: Make a tunnel with one peer, now and at boot
  wirewright.overlay.overlay_apply:
    interfaces:
      - name: wg0
        listen_port: 51820
        mtu: 1420
        addresses: [10.42.0.1/24]
        persistence: wg_quick
        purge: true
        peers:
          - name: beta
            public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
            endpoint: 192.0.2.2:51820
            allowed_ips: [10.42.0.2/32, 10.77.0.0/16]
    preshared_keys:
      wg0:
        gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=: "{{ vault_beta_preshared_key }}"

- name: Apply this host's part of a plan
  wirewright.overlay.overlay_apply:
    plan_from: mesh_plan
    psk_master: "{{ vault_overlay_master }}"

- name: Remove the interface, its files and its key
  wirewright.overlay.overlay_apply:
    interfaces:
      - name: wg0
        state: absent
        remove_private_key: true
"""

RETURN = r"""
interfaces:
  description:
    - By interface, its public key, the number of set requests, and how many peers, addresses, routes and files were
      created, updated and deleted.
  returned: success
  type: dict
  sample:
    wg0:
      addresses: {created: 1, deleted: 0, updated: 0}
      files: {created: 2, deleted: 0, updated: 0}
      peers: {created: 1, deleted: 0, updated: 0}
      public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
      requests: 1
      routes: {created: 1, deleted: 0, updated: 0}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.module_run import (
    exit_with,
    interface_result,
    run,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "dict", "default": []},
            "preshared_keys": {"type": "dict", "default": {}, "no_log": True},
            "plan_from": {"type": "str"},
            "psk_master": {"type": "str", "no_log": True},
            "psk_epoch": {"type": "int", "default": 0, "no_log": False},
            "static_preshared_keys": {"type": "dict", "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    outcomes = run(module, lambda: parse_document(params["interfaces"], params["preshared_keys"]))
    exit_with(module, outcomes, interfaces={outcome.plan.name: interface_result(outcome) for outcome in outcomes})


if __name__ == "__main__":
    main()
