# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of one play in check mode on a fresh host: each predicts on what the earlier ones have only predicted."""

from __future__ import annotations

from typing import Any

from host_state import observe
from managed_host import ManagedHost, key

KEY_FILE = "/etc/wireguard/wg9.key"
PEER = {"name": "beta", "public_key": key("b"), "allowed_ips": ["10.9.0.2/32"], "preshared_key": key("p")}
POLICY = {
    "dir": "out",
    "src": "10.9.0.0/24",
    "dst": "10.8.0.0/24",
    "dev": "wg9",
    "templates": [{"src": "192.0.2.1", "dst": "192.0.2.2"}],
}
# In the order of a play, each with its options.
TASKS: dict[str, dict[str, Any]] = {
    "wg_interface": {"interface": "wg9", "private_key_file": KEY_FILE, "addresses": ["10.9.0.1/24"]},
    "wg_peer": {"interface": "wg9", "peers": [PEER]},
    "ip_route": {"table": "8888", "routes": [{"destination": "10.8.0.0/24", "dev": "wg9"}]},
    "ip_rule_fwmark": {"priorities": "8880-8889", "rules": [{"priority": 8880, "iif": "wg9", "table": "8888"}]},
    "xfrm_policy": {"policies": [POLICY]},
}


def test_every_module_predicts_what_needs_the_predicted_interface(host: ManagedHost) -> None:
    before = observe(host)
    made = host.module("wg_key", check_mode=True, path=KEY_FILE)
    assert made.changed and made.data["public_key"].endswith(f":{KEY_FILE}")
    for module, options in TASKS.items():
        predicted = host.module(module, check_mode=True, **options)
        assert predicted.changed, f"{module}: {predicted.output}"
        assert (predicted.diff["after"] and "wg9" in str(predicted.diff)) or module == "xfrm_policy", module
        expected = "private key" if module == "wg_interface" else "there is no interface wg9 yet"
        said = str(predicted.data.get("warnings", ""))
        assert (expected in said) is (module != "ip_rule_fwmark"), f"{module}: {said}"
        assert key("p") not in predicted.output
    other = {**PEER, "public_key": made.data["public_key"]}
    predicted = host.module("wg_peer", check_mode=True, interface="wg9", peers=[other])
    assert predicted.diff["after"]["wg9"]["peers"]["beta"]["public_key"] == made.data["public_key"]
    assert observe(host) == before


def test_without_check_mode_a_missing_interface_or_key_is_refused(host: ManagedHost) -> None:
    before = observe(host)
    for module, message in (
        ("wg_interface", "there is no private key in"),
        ("wg_peer", "there is no interface wg9: create it with wg_interface first"),
        ("ip_route", "wg9"),
        ("xfrm_policy", "there is no interface 'wg9'"),
    ):
        assert message in host.module(module, **TASKS[module]).failure, module
    predicted = host.module("wg_key", check_mode=True, path=KEY_FILE).data["public_key"]
    failure = host.module("wg_peer", interface="wg9", peers=[{**PEER, "public_key": predicted}]).failure
    assert "public_key: a WireGuard key is 44 characters" in failure
    assert observe(host) == before
