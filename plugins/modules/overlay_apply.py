#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_apply
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Apply the overlay configuration of a host in one transaction
description:
  - Applies interfaces with peers, addresses, routes, kernel parameters and boot files, together with rules, routes of other
    tables, the packet filter, and IPsec states and policies, in one call. Only differences are changed.
  - All options are checked and all changes planned before the first change. Everything written is read back; a remaining
    difference is an error that names it.
  - Creates objects in this order - packet filter, interfaces, routes, rules, states, policies - and removes them in the
    reverse order, states last, so that no rule refers to a missing table and no policy lacks its state.
  - If a change is refused, or C(SIGTERM) or C(SIGHUP) ends the run, all changes are rolled back, those of files included.
    The message names each object that could not be restored. A state that was deleted or replaced is not restored,
    because its key must not be used for a second sequence of nonces.
  - Interfaces, rules, routes and packet filter persist across reboots with C(persistence) of an interface or
    O(boot_name). States and policies live in the kernel only, unless O(xfrm_boot) is given.
  - One call at a time changes a host. Another call, and the programs of the roles hub_spoke and endpoint_refresh, wait for
    it. After a minute a waiting call fails without a change and names the process; the programs try again later.
  - In a role, an action plugin of the same name calls the module with this host's part of the fleet plan (O(plan_from)).
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
  - wirewright.overlay.confirmation
options:
  interfaces:
    description:
      - The interfaces. Each is a mapping with C(name); other keys that are left out are not changed, unless noted below.
      - C(state) is V(present) or V(absent). With an absent interface its files are removed, and with
        C(remove_private_key) also the key in C(private_key_file).
      - C(private_key_file), by default C(/etc/wireguard/NAME.key), must exist. In check mode C(new_key) is the text that
        stands for its key until it is generated, such as V(the new key of h4). Such a text can be the C(public_key) of a
        peer, too. Without check mode both are refused.
      - C(listen_port), C(fwmark), C(mtu), C(threaded_napi), C(addresses), C(up) and C(userspace) are as in
        M(wirewright.overlay.wg_interface).
      - C(peers) is a list as in M(wirewright.overlay.wg_peer), without C(state) and C(preshared_key), and with
        C(addresses), the overlay addresses of the peer, which are stored, and C(routed), whether C(routes) includes it. With
        C(exit) it may have C(0.0.0.0/0) and C(::/0), which need routes in O(ip_routes). A peer without a key in
        O(preshared_keys) has none; with C(keep_preshared_key), a peer that exists keeps the one it has.
      - C(purge) removes peers that are not listed. While C(unknown_peers) names inventory hosts with an unknown key, peers
        that may be theirs are kept. Removing more than 30 percent of the peers, and at least three, in one run is refused
        unless C(allow_mass_removal) is true.
      - C(revoked) maps public keys to names. They are removed, refused from then on, and stored.
      - C(routes), by default true, adds a route for each allowed IP outside the networks of C(addresses), with protocol 87
        and the metric C(route_metric), by default the kernel's choice. Allowed IPs inside the networks in C(routes_except)
        get none.
      - C(persistence) is V(wg_quick), V(networkd) or V(none), the default. Files of another method are removed.
      - C(sysctls) maps kernel parameters to values; those that no overlay needs require O(allow_management_change). Changed ones
        return to their previous value when no interface needs them any more, and nothing else may.
      - C(adopt) takes over an unmanaged interface, with its key and its files (copied to C(FILE.before-wirewright)). What it
        would lose is refused by name, unless C(adopt_allow_loss) is true.
      - C(inventory_name), this host's name in the inventory, and C(notes) are stored for M(wirewright.overlay.overlay_prepare).
    type: list
    elements: dict
    default: []
  preshared_keys:
    description: Preshared keys in base64, by interface name and public key of the peer.
    type: dict
    default: {}
  ip_routes:
    description: Routes, each entry with the options of M(wirewright.overlay.ip_route) for one table.
    type: list
    elements: dict
    default: []
  ip_rules:
    description: Rules, as the options of M(wirewright.overlay.ip_rule_fwmark).
    type: dict
  boot_name:
    description:
      - Name, like V(ipsec), of the files in C(/etc/wirewright.overlay/fib) that load O(ip_rules) and O(ip_routes) at boot.
      - The default is the name of the first of O(interfaces) whose C(persistence) is not V(none). Without one, rules and
        routes live in the kernel only.
      - Routes through one of O(interfaces) are loaded with that interface, routes through others, with O(boot_name) alone,
        when the network is online. A warning names routes that do not persist.
    type: str
  nftables:
    description:
      - Packet filter by interface, in the nftables table C(inet wirewright_overlay), and for C(mark_arp) in
        C(arp wirewright_overlay). The rules of an interface that is not named are not changed. An empty mapping removes
        them, and so does removing the interface.
      - C(forward) is a list of pairs C(iif) and C(oif) between which packets are accepted. Other firewalls still apply.
      - C(isolate) drops packets from the interface to itself, except for the networks in C(isolate_except).
      - C(masquerade) is a list of networks (C(source)) whose packets get the address of this host when they leave it through
        another interface, or through the one in C(oif).
      - C(clamp_mss) lowers the MSS of TCP connections through the interface to what its route allows.
      - C(set_mark) is a list of marks for received packets. C(mark) is a value or C(value/mask); C(iif), C(not_iif)
        (a list), C(saddr), C(daddr) (lists), C(l4proto), C(udp_dport), C(ct_mark) and C(ct_saddr) (the sources of
        their connections) select the packets. With C(connection) the mark is set on the connection.
      - C(mark_arp) sets C(mark) on ARP packets from the addresses in C(saddr), so that a host with C(rp_filter) and
        C(src_valid_mark) answers them although its route to the sender uses another interface.
      - C(drop_plaintext) drops packets that bypass the interface. C(directions) is V(in), V(out) or both;
        C(networks) are those of the pods, except C(except), and except packets to and from C(own), addresses of this host;
        packets from C(except_in), networks or hosts, are accepted; C(interfaces) are those of this host's own pods. To and
        from the other hosts in C(hosts), only the tunnel's own packets (C(ports), C(mark)), ESP (C(ipsec)) and
        C(tcp_ports) pass. To the hosts in C(pod_hosts), only packets from C(pods), a list of networks, are dropped.
      - C(keep) is a list of purposes whose rules are not changed, for example V(drop_ingress).
      - The rules persist across reboots where C(persistence) of the interface is not V(none).
    type: dict
  forwards:
    description:
      - By name of an interface, a list of networks from and to which the host forwards its packets; an empty list for all.
        Other firewalls are checked for them (O(open_firewall)), and O(nftables) gets no rules.
    type: dict
  open_firewall:
    description:
      - Whether to add openings to firewalld and ufw for the ports of O(interfaces) and for packets that the host forwards.
        If false, a warning names the packets of O(nftables) and O(forwards) that any other firewall drops, and the command
        that allows them.
    type: bool
    default: false
  keep_masqueraded:
    description:
      - Whether masqueraded TCP and UDP connections survive that O(ip_routes) change the interface of their packets. The kernel
        would drop them. Each one is replaced by a connection with the same addresses and ports and an explicit translation.
      - It concerns connections to the destinations of routes that change. Without C(nft), a warning says how many may be reset.
    type: bool
    default: false
  temporary_sysctls:
    description:
      - Kernel parameters that are set, before all other changes, until this option is given without them. That call
        restores the previous value last, unless the parameter was changed since or the host was rebooted. Those that no
        overlay needs require O(allow_management_change).
    type: dict
  xfrm_states:
    description:
      - IPsec states, as the options of M(wirewright.overlay.xfrm_state). An algorithm with C(key_name) in place of C(key)
        takes its key from O(xfrm_keys). The controller moves a C(key) that is written here to O(xfrm_keys).
    type: dict
  xfrm_policies:
    description: IPsec policies, as the options of M(wirewright.overlay.xfrm_policy).
    type: dict
  xfrm_keys:
    description: Keys of IPsec states, by name.
    type: dict
    default: {}
  xfrm_boot:
    description:
      - Files in C(/etc/wirewright.overlay/ipsec), for root only, from which a boot restores O(xfrm_states) and
        O(xfrm_policies), with new keys for sending. The role node_encryption installs the program that loads them.
      - C(epoch) is the number of the epoch of the sending keys in O(xfrm_states); it is refused if the host has used keys
        of a later epoch. C(ahead) maps numbers of later epochs to the states for sending, with the options of
        M(wirewright.overlay.xfrm_state) and C(key_name) in place of C(key).
      - C(receive_only) states are restored unchanged.
      - C(hosts), C(index), C(nodes), C(ports) and C(slots) are stored, and returned by M(wirewright.overlay.overlay_prepare).
      - C(state) V(absent) removes the files. No state with an address in C(outside) (names by address) is replaced.
    type: dict
  node_names:
    description: Names of the other nodes by address, for the diff of O(xfrm_states) and O(xfrm_policies).
    type: dict
    default: {}
  allow_management_change:
    description:
      - Whether a change may reroute the management connection, put it into IPsec, or cut it. By default a call is refused
        after which replies to the controller would leave through another interface or gateway.
      - C(allow_management_change) in one of O(ip_routes) or in O(ip_rules) allows the same.
    type: bool
    default: false
  plan_from:
    description: The variable with the registered result of M(wirewright.overlay.overlay_plan), of which the action takes a part.
    type: str
  phase:
    description:
      - The phase of a plan of the topology V(node_encryption), which is applied in phases so that no packet is lost. All
        nodes have to complete a phase before the next one; V(enforce) is the desired state.
    type: str
    choices: [receive, send, stop, enforce]
    default: enforce
  earlier_phases:
    description:
      - Whether to include the configuration of the phases before O(phase), so that the boot files are complete. For the last
        phase of a run that ends before V(enforce), when all nodes have completed the earlier ones. In check mode it
        predicts the changes of such a run.
    type: bool
    default: false
  variables:
    description: By option, the variable that sets it. Messages name it in place of the option. A plan has them.
    type: dict
    default: {}
requirements:
  - pyroute2 >= 0.7.2
seealso:
  - module: wirewright.overlay.overlay_plan
  - module: wirewright.overlay.overlay_prepare
"""

EXAMPLES = r"""
- name: Configure a tunnel with one peer that persists across reboots
  wirewright.overlay.overlay_apply:
    interfaces:
      - name: wg0
        listen_port: 51820
        mtu: 1420
        addresses: [10.42.0.1/24]
        persistence: wg_quick
        purge: true
        peers:
          - {name: beta, public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, endpoint: "192.0.2.2:51820",
             allowed_ips: [10.42.0.2/32, 10.77.0.0/16]}
    preshared_keys: {wg0: {gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=: "{{ vault_beta_preshared_key }}"}}

- name: Apply this host's part of a plan
  wirewright.overlay.overlay_apply:
    plan_from: mesh_plan

- name: Route marked packets through a tunnel with a separate table
  wirewright.overlay.overlay_apply:
    interfaces:
      - name: wg0
        fwmark: 0x8888
        addresses: [10.42.0.1/32]
        routes: false
        peers:
          - {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, endpoint: "192.0.2.2:51820", allowed_ips: [0.0.0.0/0]}
    ip_routes: [{table: 8888, purge: true, routes: [{destination: default, dev: wg0}]}]
    ip_rules: {priorities: 8880-8889, purge: true, rules: [{priority: 8880, fwmark: 0x100/0x100, table: 8888}]}

- name: Forward packets between peers, and masquerade those to the network behind this host
  wirewright.overlay.overlay_apply:
    interfaces:
      - {name: wg0, persistence: wg_quick, addresses: [10.42.0.1/24], sysctls: {net.ipv4.ip_forward: 1}}
    nftables:
      wg0:
        forward: [{iif: wg0, oif: wg0}]
        masquerade: [{source: 10.42.0.0/24, oif: eth0}]
        clamp_mss: true

- name: Create both directions of an IPsec tunnel
  wirewright.overlay.overlay_apply:
    xfrm_states:
      purge: true
      states:
        - {src: 192.0.2.1, dst: 192.0.2.2, spi: 0x1001, key_survives_reboot: false,
           aead: {algorithm: rfc4106(gcm(aes)), key_name: out, icv_bits: 128}}
        - {src: 192.0.2.2, dst: 192.0.2.1, spi: 0x1002, key_survives_reboot: false,
           aead: {algorithm: rfc4106(gcm(aes)), key_name: in, icv_bits: 128}}
    xfrm_keys: {out: "{{ key_of_this_boot_out }}", in: "{{ key_of_this_boot_in }}"}
    xfrm_policies:
      purge: true
      policies:
        - {dir: out, src: 10.1.0.0/16, dst: 10.2.0.0/16, templates: [{src: 192.0.2.1, dst: 192.0.2.2}]}
        - {dir: in, src: 10.2.0.0/16, dst: 10.1.0.0/16, templates: [{src: 192.0.2.2, dst: 192.0.2.1}]}
        - {dir: fwd, src: 10.2.0.0/16, dst: 10.1.0.0/16, templates: [{src: 192.0.2.2, dst: 192.0.2.1}]}

- name: Remove the interface, its files and its key
  wirewright.overlay.overlay_apply:
    interfaces: [{name: wg0, state: absent, remove_private_key: true}]
"""

RETURN = r"""
ansible_facts:
  description: The fact C(wirewright_overlay) as it is after the call; in check mode only its C(addresses) are updated.
  returned: on change, after M(wirewright.overlay.overlay_prepare)
  type: dict
changes:
  description: What changed, or would; by kind and action, the number of objects, up to ten names, and changed C(settings).
  returned: success
  type: list
  elements: dict
  sample: [{kind: peer, action: create, count: 1, names: [h4]}]
differs:
  description: Whether the host differed from the desired state before the call. Not altered by C(changed_when).
  returned: success
  type: bool
interfaces:
  description:
    - By interface, its public key, the number of set requests, and the number of peers, addresses, routes and files
      created, updated and deleted.
    - C(preshared_keys_removed) and C(preshared_keys_put_off) name the peers, at most 100, that lose or keep an old key.
  returned: success
  type: dict
  sample:
    wg0:
      files: {created: 2, deleted: 0, updated: 0}
      peers: {created: 1, deleted: 0, updated: 0}
      public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
      requests: 1
      routes: {created: 1, deleted: 0, updated: 0}
ip_routes:
  description: By table, number of routes created, updated and deleted, and of requests sent.
  returned: when O(ip_routes) is given
  type: dict
  sample: {"8888": {created: 1, deleted: 0, requests: 1, updated: 0}}
ip_rules:
  description: Number of rules created and deleted, and of requests sent.
  returned: when O(ip_rules) is given
  type: dict
fib_files:
  description: Number of boot files of rules and routes created, updated and deleted.
  returned: when O(ip_rules) or O(ip_routes) is given and persists across reboots
  type: dict
nftables:
  description: Number of chains created, updated and deleted, and of transactions sent.
  returned: when O(nftables) is given
  type: dict
nftables_files:
  description: Number of boot files of the packet filter created, updated and deleted.
  returned: when O(nftables) is given
  type: dict
planned:
  description: When the plan was made, as M(wirewright.overlay.overlay_plan) returns it.
  returned: with O(plan_from)
  type: float
temporary_sysctls:
  description: Number of parameters set or restored.
  returned: when O(temporary_sysctls) is given
  type: dict
sysctls:
  description: Number of parameters that returned to their previous value.
  returned: when interfaces need parameters, or did before
  type: dict
open_firewall:
  description: Number of openings added to other firewalls.
  returned: when O(nftables) or O(forwards) is given, or O(open_firewall)
  type: dict
xfrm_states:
  description: Number of states created, updated in place, replaced and deleted, and of messages sent.
  returned: when O(xfrm_states) is given
  type: dict
  sample: {created: 2, deleted: 0, replaced: 0, requests: 2, updated: 0}
xfrm_policies:
  description: Number of policies created, updated and deleted, and of messages sent.
  returned: when O(xfrm_policies) is given
  type: dict
xfrm_boot:
  description: Number of boot files of states and policies created, updated and deleted.
  returned: when O(xfrm_boot) is given
  type: dict
confirmed:
  description: Whether the controller confirmed the changes over a new connection. If it did not, the task has failed.
  returned: on change with O(confirm_timeout)
  type: bool
last_reverted:
  description: Why an earlier run was reverted, in C(message).
  returned: if an earlier run was reverted, and no run has reported it yet
  type: dict
left_table:
  description: That a killed run had left the table of nftables that O(keep_masqueraded) needs for a moment, in C(message).
  returned: if such a table was left; it is removed, except in check mode
  type: dict
errors:
  description: All errors in the options.
  returned: when the options were refused, before any change
  type: list
  elements: str
  sample: ["interfaces[0] (wg0).listen_port: 70000 is not a number from 0 to 65535"]
"""

from ..module_utils._engine.module_run import Module, combine, exit_with, run
from ..module_utils._overlay.converge import converge_host


def main() -> None:
    module = Module(
        {
            "interfaces": {"type": "list", "elements": "dict", "default": []},
            "preshared_keys": {"type": "dict", "default": {}, "no_log": True},
            "ip_routes": {"type": "list", "elements": "dict", "default": []},
            "ip_rules": {"type": "dict"},
            "boot_name": {"type": "str"},
            "nftables": {"type": "dict"},
            "forwards": {"type": "dict"},
            "open_firewall": {"type": "bool", "default": False},
            "keep_masqueraded": {"type": "bool", "default": False},
            "temporary_sysctls": {"type": "dict"},
            "xfrm_states": {"type": "dict"},
            "xfrm_policies": {"type": "dict"},
            "xfrm_keys": {"type": "dict", "default": {}, "no_log": True},
            "xfrm_boot": {"type": "dict"},
            "node_names": {"type": "dict", "default": {}},
            "allow_management_change": {"type": "bool", "default": False},
            "plan_from": {"type": "str"},
            "phase": {"type": "str", "choices": ["receive", "send", "stop", "enforce"], "default": "enforce"},
            "earlier_phases": {"type": "bool", "default": False},
            "variables": {"type": "dict", "default": {}},
            "confirm_timeout": {"type": "int", "default": 0},
            "confirm_required": {"type": "bool", "default": True},
            "confirm_token": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    done = run(module, lambda: converge_host(params, check_mode=module.check_mode))
    values = done.values()
    if done.changed and not module.check_mode and "confirmation" not in values:
        from ..module_utils._wireguard.facts import facts_after_run

        values["facts"] = facts_after_run(params["interfaces"])  # for the action, which knows the whole fact
    exit_with(module, combine(done.by_label()), differs=done.changed, **values)


if __name__ == "__main__":
    main()
