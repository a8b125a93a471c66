# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of an interface: what changes, what does not, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import CREATE, DELETE, UPDATE
from ansible_collections.wirewright.overlay.plugins.module_utils._host.addresses import InterfaceAddress
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import OWNER_ALIAS, TUN, WIREGUARD, Link
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.differences import differences
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    ZERO,
    clamp,
    encode_key,
    public_key,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Settings

from ..samples import key
from .predicted import OWN, PRIVATE, after, again, converged, foreign, mesh, wanted_peer

BETA = wanted_peer(1, "192.0.2.1:51820", "10.42.0.1/32")
GAMMA = wanted_peer(2, "", "10.42.0.2/32", "10.77.0.0/16")


def actions(made: Plan, kind: str) -> list[tuple[str, object]]:
    """Return what a plan does to one kind of object: action and key."""
    return [(operation.action, operation.key()) for operation in getattr(made, kind)]


def texts(made: Plan, kind: str) -> list[str]:
    """Return the same with addresses and destinations as text."""
    found = [(operation.action, operation.key()) for operation in getattr(made, kind)]
    return [f"{action} {subject[0] if kind == 'routes' else subject}" for action, subject in found]


def test_a_new_interface_gets_everything() -> None:
    made = again(Current(), mesh(BETA, GAMMA, sysctls=(Sysctl("net/ipv4/ip_forward", "1"),)))
    assert made.link[0].before is None
    assert made.link[0].after == Link("wg0", WIREGUARD, 1420, True, OWNER_ALIAS)
    assert made.settings == Settings(PRIVATE, 51820, None)
    assert made.own_key == OWN
    assert sorted(actions(made, "peers")) == sorted([(CREATE, key(1)), (CREATE, key(2))])
    assert texts(made, "addresses") == ["create 10.42.0.100/24"]
    assert texts(made, "routes") == ["create 10.77.0.0/16"]
    assert actions(made, "sysctls") == [(CREATE, "net/ipv4/ip_forward")]


@pytest.mark.parametrize("persistence", ["none", "wg_quick", "networkd"])
@pytest.mark.parametrize("systemd", [True, False])
def test_planning_twice_from_the_predicted_state_is_empty(persistence: str, systemd: bool) -> None:
    wanted = mesh(BETA, GAMMA, persistence=persistence, sysctls=(Sysctl("net/ipv4/ip_forward", "1"),), fwmark=16)
    first = again(Current(), wanted, systemd=systemd)
    assert first
    second = again(after(Current(), first), wanted, systemd=systemd)
    assert not second, differences(second)
    assert differences(second) == []


def test_a_key_that_is_not_clamped_is_set_once() -> None:
    unclamped = bytes([PRIVATE[0] | 7]) + PRIVATE[1:]
    host = after(Current(), plan(Current(), mesh(BETA), unclamped))
    assert not plan(host, mesh(BETA), unclamped)


def test_only_the_settings_that_changed_are_set() -> None:
    host = converged(mesh(BETA))
    made = again(host, mesh(BETA, listen_port=51821))
    assert made.settings == Settings(listen_port=51821)
    assert not (made.link or made.peers or made.addresses or made.routes)
    assert differences(made) == ["listen_port"]


def test_a_new_private_key_is_set_and_is_the_own_key() -> None:
    other = clamp(key(1001))
    made = plan(converged(mesh(BETA)), mesh(BETA), other)
    assert made.settings == Settings(other)
    assert made.own_key == public_key(other)


def test_a_new_mtu_is_set_on_the_link_alone() -> None:
    made = again(converged(mesh(BETA)), mesh(BETA, mtu=1380))
    assert differences(made)[0] == "interface update (mtu 1420 to 1380)"
    assert not (made.peers or made.addresses or made.routes or made.settings != Settings())


def test_options_that_are_not_given_are_not_changed() -> None:
    host = converged(mesh(BETA, fwmark=16))
    made = plan(host, WantedInterface("wg0", up=None, remembers=False), None)
    assert not made


def test_a_missing_address_is_added_again() -> None:
    wanted = mesh(BETA)
    host = replace(converged(wanted), addresses=(InterfaceAddress(parse_address("10.9.0.1/24")),))
    assert texts(again(host, wanted), "addresses") == ["create 10.42.0.100/24", "delete 10.9.0.1/24"]


def test_a_changed_sysctl_is_reverted() -> None:
    wanted = mesh(sysctls=(Sysctl("net/ipv4/ip_forward", "1"),))
    host = replace(converged(wanted), sysctls=(Sysctl("net/ipv4/ip_forward", "0"),))
    assert actions(again(host, wanted), "sysctls") == [(UPDATE, "net/ipv4/ip_forward")]


def test_routes_are_only_for_networks_that_are_not_on_link() -> None:
    wanted = mesh(
        wanted_peer(1, "", "10.42.0.1/32", "10.42.0.128/25", "10.42.0.0/16", "fd42::1/128"),
        wanted_peer(2, "", "fd77::/48", "0.0.0.0/0"),
        addresses=(parse_address("10.42.0.100/24"), parse_address("fd42::100/64")),
    )
    assert texts(again(Current(), wanted), "routes") == ["create 10.42.0.0/16", "create fd77::/48"]


def test_networks_can_be_left_without_routes() -> None:
    peer = wanted_peer(1, "", "10.77.0.0/16", "10.77.1.0/24", "10.78.0.0/16", "10.64.0.0/10")
    current = converged(mesh(peer))
    made = again(current, mesh(peer, routes_except=(parse_prefix("10.77.0.0/16"),), persistence="wg_quick"))
    assert texts(made, "routes") == ["delete 10.77.1.0/24", "delete 10.77.0.0/16"]
    assert not made.peers, "packets from there are accepted"
    boot = "".join(operation.after.content or "" for operation in made.files if operation.after)
    assert "route add 10.78.0.0/16" in boot and "route add 10.77.0.0/16" not in boot


def test_a_route_is_removed_with_its_allowed_ip() -> None:
    host = converged(mesh(BETA, GAMMA))
    made = again(host, mesh(BETA, wanted_peer(2, "", "10.42.0.2/32")))
    assert texts(made, "routes") == ["delete 10.77.0.0/16"]


def test_a_network_that_moves_to_another_peer_keeps_its_route() -> None:
    host = converged(mesh(BETA, GAMMA))
    wanted = mesh(wanted_peer(1, "192.0.2.1:51820", "10.42.0.1/32", "10.77.0.0/16"), wanted_peer(2, "", "10.42.0.2/32"))
    made = again(host, wanted)
    assert not made.routes
    assert sorted(actions(made, "peers")) == sorted([(UPDATE, key(1)), (UPDATE, key(2))])
    assert not again(after(host, made), wanted)


def test_an_allowed_ip_that_moves_from_an_unlisted_peer_has_one_route() -> None:
    host = converged(mesh(GAMMA))
    wanted = mesh(wanted_peer(3, "", "10.77.0.0/16"), purge=False, persistence="wg_quick")
    made = again(host, wanted)
    assert not made.routes
    assert sorted(actions(made, "peers")) == sorted([(CREATE, key(3)), (UPDATE, key(2))])
    assert not again(after(host, made), wanted)


def test_a_peer_can_be_unrouted() -> None:
    peer = wanted_peer(1, "", "10.77.0.0/16")
    current = converged(mesh(replace(peer, routed=False)))
    assert not current.routes and current.device and current.device.peers[0].allowed_ips
    made = again(current, mesh(peer))
    assert texts(made, "routes") == ["create 10.77.0.0/16"]
    assert not made.peers


def test_without_routes_all_are_removed() -> None:
    host = converged(mesh(GAMMA))
    assert texts(again(host, mesh(GAMMA, routes=False)), "routes") == ["delete 10.77.0.0/16"]


def test_an_interface_that_is_down_has_no_routes() -> None:
    made = again(converged(mesh(GAMMA)), mesh(GAMMA, up=False))
    assert made.link[0].after is not None
    assert made.link[0].after.up is False
    assert texts(made, "routes") == ["delete 10.77.0.0/16"]


def test_a_userspace_interface_is_a_tun_device() -> None:
    made = again(Current(), mesh(userspace=True))
    assert made.link[0].after is not None
    assert made.link[0].after.kind == TUN


def test_an_interface_of_another_kind_is_refused() -> None:
    with pytest.raises(
        Refused, match=r"is not a WireGuard interface \(kind bridge\): write another name to O\(interface\)"
    ):
        again(foreign("bridge"), mesh())
    with pytest.raises(Refused, match="kind bridge"):
        again(foreign("bridge", alias=OWNER_ALIAS), mesh(adopt=True))


@pytest.mark.parametrize("alias", [None, "", "uplink"])
def test_an_unmanaged_interface_is_refused_unless_adopted(alias: str | None) -> None:
    host = foreign(alias=alias)
    with pytest.raises(
        Refused, match=r"not managed by this collection: write another name to O\(interface\), or set O\(adopt=true\)"
    ):
        again(host, mesh())
    made = again(host, mesh(adopt=True))
    assert made.link[0].after is not None
    assert made.link[0].after.alias == OWNER_ALIAS
    assert not again(after(host, made), mesh())


def test_modules_of_single_objects_accept_unmanaged_interfaces() -> None:
    made = plan(foreign(), WantedInterface("wg0", mtu=1380, up=None, owns=False, remembers=False), None)
    assert made.link[0].after is not None
    assert (made.link[0].after.mtu, made.link[0].after.alias) == (1380, None)


def test_peers_of_a_missing_interface_are_refused_with_the_remedy() -> None:
    with pytest.raises(Refused, match="there is no interface wg0: create it with wg_interface first"):
        plan(Current(), WantedInterface("wg0", peers=(BETA,), creates=False, owns=False), None)


def test_a_peer_with_the_own_key_is_refused_with_the_remedy() -> None:
    clone = replace(BETA, peer=replace(BETA.peer, public_key=OWN))
    with pytest.raises(Refused, match="two hosts share one private key"):
        again(Current(), mesh(clone))
    with pytest.raises(Refused, match="two hosts share one private key"):
        plan(converged(mesh()), replace(mesh(clone), private_key_file=None), None)


UNCLAMPED = bytes([PRIVATE[0] | 7]) + PRIVATE[1:]


@pytest.mark.parametrize(("text", "in_file"), [(PRIVATE, PRIVATE), (UNCLAMPED, UNCLAMPED), (PRIVATE, UNCLAMPED)])
def test_a_peer_with_the_private_key_as_its_public_one_is_refused_without_the_key(text: bytes, in_file: bytes) -> None:
    confused = replace(BETA, peer=replace(BETA.peer, public_key=text))
    with pytest.raises(Refused, match="is the private key of this host") as caught:
        plan(Current(), mesh(confused), in_file)
    assert encode_key(text) not in str(caught.value)
    if text == PRIVATE:  # as the device has it
        with pytest.raises(Refused, match="is the private key of this host"):
            plan(converged(mesh()), replace(mesh(confused), private_key_file=None), None)


def test_a_peer_with_the_new_own_key_is_removed_in_the_plan() -> None:
    other = clamp(key(1001))
    host = converged(
        mesh(wanted_peer(1), replace(wanted_peer(2), peer=replace(wanted_peer(2).peer, public_key=public_key(other))))
    )
    made = plan(host, mesh(wanted_peer(1), purge=False), other)
    assert actions(made, "peers") == [(DELETE, public_key(other))]


def test_removal_deletes_the_link_and_managed_files() -> None:
    host = converged(mesh(BETA, persistence="wg_quick"), systemd=True)
    made = plan(host, WantedInterface("wg0", present=False), None)
    assert actions(made, "link") == [(DELETE, "wg0")]
    assert {action for action, _path in actions(made, "files")} == {DELETE}
    assert len(made.files) == len(host.files)
    left = after(host, made)
    assert (left.link, left.files) == (None, ())
    assert not plan(left, WantedInterface("wg0", present=False), None)


@pytest.mark.parametrize("host", [foreign(), foreign("bridge"), foreign("bridge", alias=OWNER_ALIAS)])
def test_removal_of_an_unmanaged_interface_is_refused(host: Current) -> None:
    with pytest.raises(Refused, match=r"is not managed by this collection|is not a WireGuard interface"):
        plan(host, WantedInterface("wg0", present=False), None)


def test_differences_name_kinds_and_never_values() -> None:
    made = again(Current(), mesh(replace(BETA, peer=replace(BETA.peer, preshared_key=key(100)))))
    assert differences(made) == [
        "interface create",
        "private key",
        "listen_port",
        "peers +1 ~0 -0",
        "addresses +1 ~0 -0",
        "files +1 ~0 -0",
    ]
    assert repr(PRIVATE) not in repr(made)
    assert repr(key(100)) not in repr(made)


@pytest.mark.parametrize("new", [ZERO, key(101)], ids=["removed", "another one"])
def test_a_peer_whose_other_end_is_not_changed_keeps_its_preshared_key(new: bytes) -> None:
    host = converged(mesh(wanted_peer(1, preshared_key=key(100))))
    wanted = mesh(replace(wanted_peer(1, preshared_key=new), keeps_preshared_key=True))
    assert not plan(host, wanted, PRIVATE).peers
    assert plan(host, mesh(wanted_peer(1, preshared_key=new)), PRIVATE).peers


def test_a_new_peer_gets_its_preshared_key_although_its_other_end_is_not_changed() -> None:
    made = again(Current(), mesh(replace(wanted_peer(1, preshared_key=key(100)), keeps_preshared_key=True)))
    assert made.peers[0].after is not None and made.peers[0].after.preshared_key == key(100)


def test_clearing_a_preshared_key_and_a_keepalive() -> None:
    host = converged(mesh(wanted_peer(1, preshared_key=key(100), persistent_keepalive=25)))
    made = again(host, mesh(wanted_peer(1)))
    (operation,) = made.peers
    assert operation.after is not None
    assert (operation.after.preshared_key, operation.after.persistent_keepalive) == (ZERO, 0)
    assert not again(after(host, made), mesh(wanted_peer(1)))
