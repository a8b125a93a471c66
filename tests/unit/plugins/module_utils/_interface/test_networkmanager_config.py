# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles of NetworkManager, as it writes them, and odd ones."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import (
    existing,
    losses,
    networkmanager_config,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.configured import ConfiguredInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key, key_text

PATH = "/etc/NetworkManager/system-connections/my tunnel.nmconnection"
PRIVATE, SHARED = key_text(1000), key_text(2000)
PROFILE = f"""[connection]
id=my tunnel
uuid=0f2c7a9e-3c1c-4a53-9a0e-0a3c0b7d5f11
type=wireguard
autoconnect=true
interface-name=wg0

[wireguard]
fwmark=16
listen-port=51999
mtu=1380
private-key={PRIVATE}

[wireguard-peer.{key_text(1)}]
endpoint=vpn.example.org:51820
preshared-key={SHARED}
preshared-key-flags=0
allowed-ips=10.0.0.2/32;10.77.0.0/16;fd00::2;
persistent-keepalive=25

[wireguard-peer.{key_text(2)}]
allowed-ips=10.0.0.3/32;

[ipv4]
address1=10.0.0.1/24,10.0.0.254
method=manual

[ipv6]
addr-gen-mode=default
addresses=fd00::1/64;
method=manual

[proxy]
"""


def parse(text: str = PROFILE) -> ConfiguredInterface:
    return networkmanager_config.parse("wg0", PATH, text)


def test_a_profile_as_networkmanager_writes_it() -> None:
    assert networkmanager_config.interface_of(PROFILE) == "wg0"
    found = parse()
    assert found.findings == () and found.private_key == key(1000) and found.connects_itself
    assert (found.listen_port, found.fwmark, found.mtu, found.routes) == (51999, 16, 1380, True)
    assert found.addresses == tuple(map(parse_address, ("10.0.0.1/24", "fd00::1/64")))
    one, two = found.peers
    assert (one.public_key, one.preshared_key, one.persistent_keepalive) == (key(1), key(2000), 25)
    assert one.endpoint == Endpoint("vpn.example.org", 51820)
    assert one.allowed_ips == tuple(map(parse_prefix, ("10.0.0.2/32", "10.77.0.0/16", "fd00::2/128")))
    assert (two.public_key, two.endpoint, two.preshared_key) == (key(2), None, None)
    assert PRIVATE not in repr(found) and repr(key(2000)) not in repr(found)


def test_a_profile_of_another_kind_is_no_interface() -> None:
    assert networkmanager_config.interface_of(PROFILE.replace("type=wireguard", "type=ethernet")) == ""
    assert networkmanager_config.interface_of("") == ""


@pytest.mark.parametrize("value", ["false", "no", "FALSE", "0"])
def test_a_profile_that_does_not_connect_by_itself_has_no_profile_that_is_refused(value: str) -> None:
    automatic = existing.combine("wg0", None, [], None, [parse()])
    assert automatic.profile == PATH and PATH in losses.profile_text(automatic)
    manual = existing.combine("wg0", None, [], None, [parse(PROFILE.replace("=true", f"={value}"))])
    assert manual.profile == "" and manual.private_key


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("method=manual", "dns=10.0.0.53;", "line 26: dns sets name servers"),
        ("method=manual", "route1=10.5.0.0/16", "route1 sets routes or rules beyond"),
        ("method=manual", "dad-colour=x", "dad-colour is not supported"),
        ("listen-port=51999", "listen-port=99999", "listen-port has a value that cannot be read"),
        (f"private-key={PRIVATE}", f"private-key={PRIVATE[:-3]}", "private-key has a value that cannot be read"),
        ("[proxy]", "[wireguard-peer.nonsense]\nendpoint=1.2.3.4:5", "peer has a value that cannot be read"),
        ("[proxy]", "nonsense", "no assignment"),
    ],
)
def test_what_is_not_taken_over_is_named(old: str, new: str, said: str) -> None:
    (finding,) = parse(PROFILE.replace(old, new, 1)).findings
    assert said in str(finding) and str(finding).startswith(PATH) and PRIVATE[:20] not in str(finding)


PLAIN = "[connection] [wireguard] [wireguard-peer.x] [ipv4] private-key address1 type wireguard 10.0.0.1/24 = ; # , ["
WORDS = st.sampled_from([*PLAIN.split(), "\n", " ", "\x00", "9" * 5000, PRIVATE])


@given(st.one_of(st.text(), st.lists(WORDS).map("".join)))
def test_any_text_is_read_without_an_error_and_without_quoting_a_key(text: str) -> None:
    assert PRIVATE[:12] not in " ".join(map(str, parse(text).findings))
    assert isinstance(networkmanager_config.interface_of(text), str)
