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
    and beside them rules, routes of other tables, and IPsec states and policies,
    and makes the host equal to them in one call. Only what differs is changed.
  - Everything is checked and planned before anything is touched. What was written is read back;
    a difference that remains is an error that names it.
  - What is new is made in this order - packet filter, interfaces, routes, rules, states, policies - and what goes is
    removed in the reverse order, so that no rule points at a table that is not there yet, and no policy waits for a state.
    States go last of all.
  - Where something is refused in the middle, or the run is ended by C(SIGTERM) or C(SIGHUP), what was changed by then is
    taken back, in all kinds and files. The message says so, or that nothing was changed; and where something could not be
    taken back, it names each object that is left. A state that was deleted or made anew does not come back, because its key
    must not count from one again.
  - Interfaces, rules, routes and packet filter come back at boot where C(persistence) of an interface or O(boot_name)
    says so. States and policies are made in the kernel only. To have them again after a reboot, run this again.
  - One call at a time changes a host. Another one, and the programs of the roles hub_spoke and endpoint_refresh, wait for
    its end; after a minute the call fails, names the process, and has changed nothing. The programs look again later.
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
      - C(listen_port), C(fwmark), C(mtu), C(threaded_napi), C(addresses), C(up) and C(userspace) are as in
        M(wirewright.overlay.wg_interface).
      - C(peers) is a list as in M(wirewright.overlay.wg_peer), without C(state) and C(preshared_key), and with
        C(addresses), the overlay addresses of the peer, to be remembered, and C(routed), whether C(routes) leads to it. With
        C(exit) it may have C(0.0.0.0/0) and C(::/0), for which routes are up to O(ip_routes).
        A peer without a key in O(preshared_keys) has none.
      - C(purge) removes peers that are not listed. While C(unknown_peers) names inventory hosts whose key nobody
        knows, peers that may be theirs stay. Losing more than 30 percent of the peers, and at least three, at once is
        refused unless C(allow_mass_removal) is true.
      - C(revoked) maps public keys that must go, and stay away, to names. They are remembered.
      - C(routes), by default true, adds a route for each allowed IP that lies outside the networks of C(addresses),
        with protocol 87 and the metric C(route_metric), by default the kernel's choice.
      - C(sysctls) maps kernel parameters to values.
      - C(persistence) is V(wg_quick), V(networkd) or V(none), the default. Files of another method are removed.
      - C(adopt) takes over an interface that exists and was made by somebody else.
      - C(inventory_name) is this host's name in the inventory, to be remembered, and so are C(notes), texts by name,
        which M(wirewright.overlay.overlay_facts) returns.
    type: list
    elements: dict
    default: []
  preshared_keys:
    description:
      - Preshared keys in base64, by interface name and public key of the peer.
    type: dict
    default: {}
  ip_routes:
    description:
      - Routes, each entry with the options of M(wirewright.overlay.ip_route) for one table.
        They may lead through interfaces of O(interfaces) that are made by the same call.
    type: list
    elements: dict
    default: []
  ip_rules:
    description:
      - Rules, as the options of M(wirewright.overlay.ip_rule_fwmark).
    type: dict
  boot_name:
    description:
      - What the files are called from which O(ip_rules) and O(ip_routes) come back at boot, like V(ipsec).
      - By default it is the name of the first of O(interfaces) whose C(persistence) is not V(none); where there is none
        either, they live in the kernel only.
      - The files hold what the call lists, and C(/etc/wirewright.overlay/fib) has them. Routes through a device come back
        with that device where it is one of O(interfaces), and with O(boot_name) alone when the network is there; a warning
        names those that do not come back.
    type: str
  nftables:
    description:
      - What is forwarded, dropped, masqueraded and clamped, by interface, in an nftables table of our own,
        C(inet wirewright_overlay), and for C(mark_arp) in C(arp wirewright_overlay). An interface that is not named is
        left alone, an empty mapping removes what there is of it; that of an interface that is removed goes with it.
      - C(forward) is a list of pairs C(iif) and C(oif) between which packets are accepted. That opens no other firewall.
      - C(isolate) drops what goes from the interface to itself, but for the networks in C(isolate_except).
      - C(masquerade) is a list of networks (C(source)) that get the address of this host where they leave it by another
        interface, or by the one in C(oif).
      - C(clamp_mss) lowers the MSS of TCP connections through the interface to what its route allows.
      - C(set_mark) is a list of marks for packets that come in. C(mark) is a value or C(value/mask); C(iif), C(not_iif)
        (a list), C(saddr), C(daddr) (lists), C(l4proto), C(udp_dport) and C(ct_mark) say for which. With C(connection) the
        mark is that of the connection.
      - C(mark_arp) gives ARP packets of the addresses in C(saddr) the mark C(mark), so that a host with C(rp_filter) and
        C(src_valid_mark) answers those whose packets it would send by another interface.
      - C(closed) drops what should go through the interface and does not. C(ways) is V(in), V(out) or both;
        C(networks) are those of the pods, C(except) lets some of them pass; C(interfaces) are those of this host's own
        pods. C(hosts) are other hosts, with which only the tunnel's own packets (C(ports), C(mark)), ESP (C(ipsec)) and
        C(tcp_ports) are left. With C(pods), networks, only what these send to C(hosts) is dropped.
      - C(keep) is a list of purposes that stay as they are, for example V(closed_in).
      - Where C(persistence) of the interface is not V(none), it comes back at boot.
    type: dict
  open_firewall:
    description:
      - Whether firewalld and ufw are told to let in the ports of O(interfaces), and to forward what O(nftables) forwards.
        Otherwise, with O(nftables), a warning says what they, Docker or others drop, and the command that opens it.
    type: bool
    default: false
  temporary_sysctls:
    description:
      - Kernel parameters that are set until a call gives this option without them, for example an empty one. Then they
        get the value back that they had, unless somebody else has changed them since, or the host was rebooted.
      - They are set before everything else is done, and given back last.
    type: dict
  xfrm_states:
    description:
      - IPsec states, as the options of M(wirewright.overlay.xfrm_state). Where an algorithm has C(key_name) in place
        of C(key), its key stands in O(xfrm_keys) under that name. Keys that are written here nevertheless are moved
        there on the controller.
    type: dict
  xfrm_policies:
    description:
      - IPsec policies, as the options of M(wirewright.overlay.xfrm_policy).
    type: dict
  xfrm_keys:
    description:
      - Keys of IPsec states, by name.
    type: dict
    default: {}
  xfrm_boot:
    description:
      - What is kept in C(/etc/wirewright.overlay/ipsec), for root only, so that a boot brings back O(xfrm_states) and
        O(xfrm_policies) with other keys to send by, and without anybody's help. The role node_encryption installs the
        program that does so.
      - C(epoch) is the number of the epoch whose keys O(xfrm_states) send by; it is refused where the host has used
        those of a later one. C(ahead) has by number of a later epoch the states to send by then, with the options of
        M(wirewright.overlay.xfrm_state) and C(key_name) in place of C(key).
      - States that are C(receive_only) come back as they are.
      - C(index), C(roster) and C(slots) are remembered, and told by M(wirewright.overlay.overlay_facts).
      - With C(state) V(absent) the files are removed.
    type: dict
  allow_management_change:
    description:
      - Whether the connection by which this host is managed may be sent another way, put into IPsec or cut.
        Without it a call is refused after which answers to the controller would leave by another interface or gateway.
      - C(allow_management_change) in one of O(ip_routes) or in O(ip_rules) allows the same.
    type: bool
    default: false
  plan_from:
    description:
      - Name of the variable in which the result of M(wirewright.overlay.overlay_plan) was registered.
        The action plugin takes this host's interfaces from it.
    type: str
  phase:
    description:
      - How far to go with a plan of the topology V(node_encryption), which is applied in phases so that no packet is lost.
        All nodes have to be done with one before the next; V(close) is all of it.
    type: str
    choices: [receive, flip, leave, close]
    default: close
  earlier_phases:
    description:
      - Whether what the phases before O(phase) did is asked for as well, so that the files for the next boot have all of
        it. For the last phase of a run that ends before V(close), when all nodes are done with those before; in check mode
        it says what such a run would do.
    type: bool
    default: false
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
  ipsec_master:
    description:
      - Master secret from which the keys of IPsec between Kubernetes nodes are derived. It is used on the controller only
        and never sent to a host.
    type: str
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

- name: Send what is marked into a tunnel by a table of its own
  wirewright.overlay.overlay_apply:
    interfaces:
      - name: wg0
        fwmark: 0x8888
        addresses: [10.42.0.1/32]
        routes: false
        peers:
          - public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
            endpoint: 192.0.2.2:51820
            allowed_ips: [0.0.0.0/0]
    ip_routes:
      - table: 8888
        purge: true
        routes:
          - {destination: default, dev: wg0}
    ip_rules:
      priorities: 8880-8889
      purge: true
      rules:
        - {priority: 8880, fwmark: 0x100/0x100, table: 8888}

- name: Let peers reach each other through this host, and the network behind it with its address
  wirewright.overlay.overlay_apply:
    interfaces:
      - name: wg0
        persistence: wg_quick
        addresses: [10.42.0.1/24]
        sysctls: {net.ipv4.ip_forward: 1}
    nftables:
      wg0:
        forward:
          - {iif: wg0, oif: wg0}
        masquerade:
          - {source: 10.42.0.0/24, oif: eth0}
        clamp_mss: true

- name: Make both directions of an IPsec tunnel
  wirewright.overlay.overlay_apply:
    xfrm_states:
      purge: true
      states:
        - src: 192.0.2.1
          dst: 192.0.2.2
          spi: 0x1001
          aead: {algorithm: rfc4106(gcm(aes)), key_name: out, icv_bits: 128}
          key_survives_reboot: false
        - src: 192.0.2.2
          dst: 192.0.2.1
          spi: 0x1002
          aead: {algorithm: rfc4106(gcm(aes)), key_name: in, icv_bits: 128}
          key_survives_reboot: false
    xfrm_keys:
      out: "{{ key_of_this_boot_out }}"
      in: "{{ key_of_this_boot_in }}"
    xfrm_policies:
      purge: true
      policies:
        - {dir: out, src: 10.1.0.0/16, dst: 10.2.0.0/16, templates: [{src: 192.0.2.1, dst: 192.0.2.2}]}
        - {dir: in, src: 10.2.0.0/16, dst: 10.1.0.0/16, templates: [{src: 192.0.2.2, dst: 192.0.2.1}]}
        - {dir: fwd, src: 10.2.0.0/16, dst: 10.1.0.0/16, templates: [{src: 192.0.2.2, dst: 192.0.2.1}]}

- name: Remove the interface, its files and its key
  wirewright.overlay.overlay_apply:
    interfaces:
      - name: wg0
        state: absent
        remove_private_key: true
"""

RETURN = r"""
differs:
  description: Whether the host differed from what is wanted when the call began. No C(changed_when) alters it.
  returned: success
  type: bool
  sample: false
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
ip_routes:
  description: By table, how many routes were created, updated and deleted, and how many requests that took.
  returned: when O(ip_routes) is given
  type: dict
  sample:
    "8888": {created: 1, deleted: 0, requests: 1, updated: 0}
ip_rules:
  description: How many rules were created and deleted, and how many requests that took.
  returned: when O(ip_rules) is given
  type: dict
  sample: {created: 1, deleted: 0, requests: 1, updated: 0}
fib_files:
  description: How many files for the next boot were created, updated and deleted for rules and routes.
  returned: when O(ip_rules) or O(ip_routes) is given and comes back at boot
  type: dict
  sample: {created: 4, deleted: 0, requests: 0, updated: 0}
nftables:
  description: How many sections of our table were created, updated and deleted, and how many transactions that took.
  returned: when O(nftables) is given
  type: dict
  sample: {created: 2, deleted: 0, requests: 1, updated: 0}
nftables_files:
  description: How many files for the next boot were created, updated and deleted for it.
  returned: when O(nftables) is given
  type: dict
  sample: {created: 3, deleted: 0, requests: 0, updated: 0}
temporary_sysctls:
  description: How many parameters were set or given back.
  returned: when O(temporary_sysctls) is given
  type: dict
  sample: {created: 0, deleted: 0, requests: 1, updated: 1}
open_firewall:
  description: How many openings were made in other firewalls.
  returned: when O(nftables) is given, or O(open_firewall)
  type: dict
  sample: {created: 0, deleted: 0, requests: 0, updated: 0}
xfrm_states:
  description: How many states were created, updated in place, replaced and deleted, and how many messages that took.
  returned: when O(xfrm_states) is given
  type: dict
  sample: {created: 2, deleted: 0, replaced: 0, requests: 2, updated: 0}
xfrm_policies:
  description: How many policies were created, updated and deleted, and how many messages that took.
  returned: when O(xfrm_policies) is given
  type: dict
  sample: {created: 3, deleted: 0, requests: 3, updated: 0}
xfrm_boot:
  description: How many files for the next boot of states and policies were created, updated and deleted.
  returned: when O(xfrm_boot) is given
  type: dict
  sample: {created: 8, deleted: 0, requests: 0, updated: 0}
errors:
  description: What is wrong with the options, one text for each reason.
  returned: when something was refused before anything was changed
  type: list
  elements: str
  sample: ["interfaces[0] (wg0).listen_port: 70000 is not a number from 0 to 65535"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.host_apply import converge_host
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.module_run import (
    exit_with,
    interface_result,
    run,
    section_results,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "dict", "default": []},
            "preshared_keys": {"type": "dict", "default": {}, "no_log": True},
            "ip_routes": {"type": "list", "elements": "dict", "default": []},
            "ip_rules": {"type": "dict"},
            "boot_name": {"type": "str"},
            "nftables": {"type": "dict"},
            "open_firewall": {"type": "bool", "default": False},
            "temporary_sysctls": {"type": "dict"},
            "xfrm_states": {"type": "dict"},
            "xfrm_policies": {"type": "dict"},
            "xfrm_keys": {"type": "dict", "default": {}, "no_log": True},
            "xfrm_boot": {"type": "dict"},
            "allow_management_change": {"type": "bool", "default": False},
            "plan_from": {"type": "str"},
            "phase": {"type": "str", "choices": ["receive", "flip", "leave", "close"], "default": "close"},
            "earlier_phases": {"type": "bool", "default": False},
            "psk_master": {"type": "str", "no_log": True},
            "psk_epoch": {"type": "int", "default": 0, "no_log": False},
            "static_preshared_keys": {"type": "dict", "no_log": True},
            "ipsec_master": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    done = run(module, lambda: converge_host(params, check_mode=module.check_mode))
    interfaces = {outcome.plan.name: interface_result(outcome) for outcome in done.interfaces}
    exit_with(module, done, interfaces=interfaces, **section_results(done))


if __name__ == "__main__":
    main()
