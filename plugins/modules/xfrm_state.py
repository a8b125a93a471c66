#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: xfrm_state
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage IPsec security associations in the kernel
description:
  - Adds, changes and removes security associations, one or many, as C(ip xfrm state) does. It uses netlink, so that no
    key appears in a command line.
  - O(states[].dst), O(states[].proto), O(states[].spi) and O(states[].mark) identify a state; the other options are
    compared with the kernel. An option that is left out is set to its default. Counters and sequence numbers are never
    changed.
  - The kernel changes limits, ports of O(states[].encap), O(states[].output_mark) and O(states[].if_id) in place. It has
    no message for any other change, the key included. The module then deletes the old state and creates the new one in
    one datagram, within which the kernel accepts no other configuration, and restores the old one if the new one is
    refused. Packets of these microseconds are lost and the sequence numbers restart; a warning says so. To change a key
    without loss, add a state with a new SPI on the receiver, then on the sender, which uses the newest, then remove the
    old ones.
  - Everything is read back after it was written. An option that the kernel ignored is an error that names it.
  - If the kernel refuses a change, states created by this run are removed, and changes in place are reverted. A state
    that was deleted or replaced is not restored, and is named. The key of a removed state counts as used.
  - States live in the kernel only and do not persist across reboots.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  states:
    description: The security associations.
    type: list
    elements: dict
    default: []
    suboptions:
      state:
        description: Whether the security association exists.
        type: str
        choices: [present, absent]
        default: present
      src:
        description: Outer source address of the packets. Any by default.
        type: str
      dst:
        description: Outer destination address of the packets.
        type: str
        required: true
      proto:
        description: The IPsec protocol.
        type: str
        choices: [esp, ah, comp]
        default: esp
      spi:
        description:
          - The security parameter index, decimal or with C(0x) in hexadecimal; for O(states[].proto=comp) the CPI.
          - The receiver looks a state up by SPI and destination, not by source. So the SPI must differ among all senders
            to one address.
        type: str
        required: true
      mode:
        description: The mode. The default of C(ip xfrm state) is C(transport) instead.
        type: str
        choices: [transport, tunnel, beet]
        default: tunnel
      reqid:
        description:
          - The request ID. Policies select states by it, and it marks managed ones. The default is 7100, the first of the
            managed range.
          - With O(states[].state=absent), the reqid that the state must have. By default only a managed one is removed.
        type: int
      aead:
        description: Encryption and authentication in one algorithm (C(aead ALGO-NAME ALGO-KEYMAT ALGO-ICV-LEN)).
        type: dict
        suboptions:
          algorithm:
            description: Kernel name of the algorithm, such as V(rfc4106(gcm(aes\)\)).
            type: str
            required: true
          key: &key
            description: The key, in the format of C(key_format) beside it. An AEAD or counter-mode key ends with its salt.
            type: str
          key_file: &key_file
            description: File on the managed host that holds the key in this format. Only its owner may have access.
            type: path
          key_format: &key_format
            description: Whether the key is written in hexadecimal (with or without C(0x)) or base64.
            type: str
            choices: [hex, base64]
            default: hex
          icv_bits:
            description: Length of the integrity check value. The default is 128.
            type: int
      auth:
        description: Authentication (C(auth-trunc ALGO-NAME ALGO-KEYMAT ALGO-TRUNC-LEN)).
        type: dict
        suboptions:
          algorithm:
            description: Kernel name of the algorithm, such as V(hmac(sha256\)), or the short form V(sha256).
            type: str
            required: true
          key: *key
          key_file: *key_file
          key_format: *key_format
          truncation_bits:
            description:
              - Length of the truncated digest. The default is that of the algorithm's RFC.
              - For V(hmac(sha256\)) that is 128 (RFC 4868), while C(ip xfrm state add ... auth) uses the kernel's default of
                96.
            type: int
      enc:
        description: Encryption (C(enc ALGO-NAME ALGO-KEYMAT)). With O(states[].proto=esp) it requires O(states[].auth).
        type: dict
        suboptions:
          algorithm:
            description: Kernel name of the algorithm, such as V(cbc(aes\)), or the short form V(aes); V(cipher_null) for none.
            type: str
            required: true
          key: *key
          key_file: *key_file
          key_format: *key_format
      comp:
        description: Compression (C(comp ALGO-NAME)), for O(states[].proto=comp). No algorithm in use takes a key.
        type: dict
        suboptions:
          algorithm:
            description: Kernel name of the algorithm, such as V(deflate).
            type: str
            required: true
          key: *key
          key_file: *key_file
          key_format: *key_format
      key_survives_reboot:
        description:
          - Whether the same keys are used again after a reboot, as keys in a playbook are.
          - A new state counts packets from one. AES-GCM, AES-CCM, AES-CTR and ChaCha20-Poly1305 take their nonce from that
            count, and a nonce that repeats under the same key discloses the plaintext. RFC 8221 section 3 (and RFC 4106,
            4309, 3686, 7634) forbids such keys, and so does this module unless O(allow_nonce_reuse=true).
          - Set V(false) if you provide a new key for each boot. The host stores a fingerprint of each such key in
            C(/var/lib/wirewright.overlay/ipsec/key_uses.json) and refuses a key whose fingerprint is there.
          - V(cbc(aes\)) with V(hmac(sha256\)) has random IVs; its keys may be used again.
        type: bool
        default: true
      receive_only:
        description:
          - Whether this host only receives with the state, because O(states[].dst) is its own address. The sender counts the
            nonces, so the key may be used again, and a lost state may be created again. The new state accepts packets that
            the lost one has received already.
          - The sender must then make sure that the key is not used twice.
        type: bool
        default: false
      mark:
        description:
          - Mark of the packets, as C(VALUE) or C(VALUE/MASK), such as V(0x3e00/0xff00). A mask of 0 is no mark.
          - A state without a mark matches every mark. So the kernel refuses a state with a mark beside an existing one
            without a mark and with the same SPI.
        type: str
      output_mark:
        description: Mark that packets get, as C(VALUE) or C(VALUE/MASK). Bits outside the mask are kept.
        type: str
      if_id:
        description: The xfrm interface the state belongs to; 0 for none.
        type: str
      replay_window:
        description: Size of the replay window in packets, at most 4096. 0 disables replay protection.
        type: int
        default: 0
      esn:
        description:
          - Whether sequence numbers have 64 bits (C(flag esn)). Without it a state ends after 2^32 packets. Requires
            O(states[].replay_window).
        type: bool
        default: false
      flags:
        description: Flags of the state (C(flag)).
        type: list
        elements: str
        choices: [noecn, decap-dscp, nopmtudisc, wildrecv, icmp, af-unspec, align4, esn]
        default: []
      extra_flags:
        description: Further flags of the state (C(extra-flag)).
        type: list
        elements: str
        choices: [dont-encap-dscp, oseq-may-wrap]
        default: []
      encap:
        description:
          - ESP in UDP or TCP, for NAT traversal (C(encap ENCAP-TYPE SPORT DPORT OADDR)).
          - The kernel receives such packets only through a socket that a key daemon has opened.
        type: dict
        suboptions:
          type:
            description: Type of the encapsulation.
            type: str
            choices: [espinudp, espinudp-nonike, espintcp]
            default: espinudp
          sport:
            description: Source port.
            type: int
            required: true
          dport:
            description: Destination port.
            type: int
            required: true
          oa:
            description: Original address, in transport mode. Any by default.
            type: str
      sel:
        description: Selector of the packets that the state carries (C(sel)). By default, all that a policy sends to it.
        type: dict
        suboptions:
          src:
            description: Source network.
            type: str
          dst:
            description: Destination network.
            type: str
          proto:
            description: Upper protocol by name or number.
            type: str
          sport:
            description: Source port.
            type: int
          dport:
            description: Destination port.
            type: int
          type:
            description: ICMP type.
            type: int
          code:
            description: ICMP code.
            type: int
          dev:
            description: Interface.
            type: str
      limits:
        description:
          - When the state expires (C(limit)). At a soft limit the kernel notifies key daemons, at a hard one it deletes the
            state.
        type: dict
        suboptions:
          byte_soft:
            description: Soft limit in bytes.
            type: int
          byte_hard:
            description: Hard limit in bytes.
            type: int
          packet_soft:
            description: Soft limit in packets.
            type: int
          packet_hard:
            description: Hard limit in packets.
            type: int
          time_soft:
            description: Soft limit in seconds since the state was created.
            type: int
          time_hard:
            description: Hard limit in seconds since the state was created.
            type: int
          time_use_soft:
            description: Soft limit in seconds since the first use.
            type: int
          time_use_hard:
            description: Hard limit in seconds since the first use.
            type: int
      tfcpad:
        description: Length to which ESP in tunnel mode pads packets, against traffic analysis; 0 for no padding.
        type: int
        default: 0
      dir:
        description: Direction of the state (C(dir), Linux 6.10 and newer). Both by default.
        type: str
        choices: [in, out]
      offload:
        description: Offload to a network card (C(offload)).
        type: dict
        suboptions:
          type:
            description: Whether the card only encrypts or does all of IPsec.
            type: str
            choices: [crypto, packet]
            default: crypto
          dev:
            description: Interface of the card.
            type: str
            required: true
          dir:
            description: Direction.
            type: str
            choices: [in, out]
            required: true
  purge:
    description: Whether to remove all other states whose reqid is in O(owned_reqids).
    type: bool
    default: false
  owned_reqids:
    description:
      - The managed reqids, as C(FIRST-LAST). A state with another reqid is unmanaged. It is not removed or changed, unless
        O(states[].reqid) names it or O(takeover) is set.
    type: str
    default: 7100-7199
  takeover:
    description:
      - Whether a state in the place of a desired one may be changed or removed although its reqid is neither managed nor
        named.
    type: bool
    default: false
  allow_nonce_reuse:
    description:
      - Whether counter-mode keys may survive a reboot, be used again, or serve two states. Read
        O(states[].key_survives_reboot) first.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.xfrm_policy
  - module: wirewright.overlay.xfrm_info
"""

EXAMPLES = r"""
- name: Add both directions of a tunnel, with algorithms whose keys may stay the same across reboots
  wirewright.overlay.xfrm_state:
    states:
      - src: 192.0.2.1
        dst: 192.0.2.2
        spi: 0x1001
        enc: {algorithm: cbc(aes), key: "{{ vault_enc_there }}"}
        auth: {algorithm: hmac(sha256), key: "{{ vault_auth_there }}"}
        replay_window: 1024
        esn: true
      - src: 192.0.2.2
        dst: 192.0.2.1
        spi: 0x1002
        enc: {algorithm: cbc(aes), key: "{{ vault_enc_back }}"}
        auth: {algorithm: hmac(sha256), key: "{{ vault_auth_back }}"}
        replay_window: 1024
        esn: true

- name: Add a state with marks, as Cilium does, with a new key at each boot
  wirewright.overlay.xfrm_state:
    states:
      - src: 10.0.0.1
        dst: 10.0.1.1
        spi: 3
        reqid: 1
        aead: {algorithm: rfc4106(gcm(aes)), key_file: /run/keys/epoch, icv_bits: 128}
        key_survives_reboot: false
        mark: 0x3e00/0xff00
        output_mark: 0xe00/0xf00

- name: Remove one state, and all managed ones
  wirewright.overlay.xfrm_state:
    states:
      - {dst: 10.0.1.1, spi: 3, mark: 0x3e00/0xff00, reqid: 1, state: absent}
    purge: true
"""

RETURN = r"""
states:
  description: Number of states created, updated in place, replaced, and deleted.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, replaced: 0, updated: 0}
requests:
  description: Number of netlink messages sent; three for a replaced state.
  returned: success
  type: int
  sample: 2
errors:
  description: All errors in the options.
  returned: when the options were refused, before any change
  type: list
  elements: str
  sample: ["states[0].spi: 0 is not from 1 to 4294967295"]
"""

from ..module_utils._engine.module_run import Module, exit_with
from ..module_utils._host.facts import boot_id
from ..module_utils._overlay.exclusive import run_exclusively
from ..module_utils._xfrm.argument_spec import STATES
from ..module_utils._xfrm.missing_devices import predicted_params
from ..module_utils._xfrm.stages import converge_states
from ..module_utils._xfrm.state_options import parse_states


def main() -> None:
    module = Module(argument_spec=STATES, supports_check_mode=True)
    params = predicted_params(module, "states")
    result = run_exclusively(
        module,
        lambda: converge_states(parse_states(params), check_mode=module.check_mode, boot_id=boot_id),
    )
    exit_with(module, result, "IPsec states", states=result.counts, requests=result.requests)


if __name__ == "__main__":
    main()
