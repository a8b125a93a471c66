# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of peers: roaming endpoints, hosts that leave or have unknown keys, and mass removal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import DELETE
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import (
    Current,
    Plan,
    names_to_resolve,
    plan,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint, parse_endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer

from ..samples import key, key_text
from .predicted import PRIVATE, after, again, converged, mesh, roamed, wanted_peer, with_peers

AWAY = Endpoint("198.51.100.9", 1024)
HERE = parse_endpoint("192.0.2.1:51820")
THERE = parse_endpoint("192.0.2.2:51820")
NAME = parse_endpoint("vpn.example.org:51820")


def endpoint_set(made: Plan) -> Endpoint | None:
    """Return the endpoint that a plan sets on its one peer."""
    if not made.peers:
        return None
    (operation,) = made.peers
    assert operation.after is not None
    return operation.after.endpoint


def gone(made: Plan) -> set[bytes]:
    return {operation.key() for operation in made.peers if operation.action == DELETE}


def test_an_endpoint_learned_by_roaming_is_kept() -> None:
    wanted = mesh(wanted_peer(1, str(HERE)))
    assert not again(roamed(converged(wanted), AWAY), wanted)


def test_a_changed_endpoint_is_set() -> None:
    host = roamed(converged(mesh(wanted_peer(1, str(HERE)))), AWAY)
    made = again(host, mesh(wanted_peer(1, str(THERE))))
    assert endpoint_set(made) == THERE
    assert not again(roamed(after(host, made), AWAY), mesh(wanted_peer(1, str(THERE))))


def test_an_endpoint_that_is_not_given_is_kept() -> None:
    made = again(roamed(converged(mesh(wanted_peer(1, str(HERE)))), AWAY), mesh(wanted_peer(1)))
    assert not made.peers


def test_an_endpoint_is_set_without_a_state_file() -> None:
    wanted = mesh(wanted_peer(1, str(HERE)))
    host = replace(roamed(converged(wanted), AWAY), files=(), recorded=Current().recorded)
    assert endpoint_set(again(host, wanted)) == HERE


def test_an_endpoint_is_set_when_the_peer_has_none() -> None:
    wanted = mesh(wanted_peer(1, str(HERE)))
    host = converged(wanted)
    assert host.device is not None
    forgot = with_peers(host, *(replace(peer, endpoint=None) for peer in host.device.peers))
    assert endpoint_set(again(forgot, wanted)) == HERE


def test_a_changed_peer_keeps_its_roamed_endpoint() -> None:
    host = roamed(converged(mesh(wanted_peer(1, str(HERE)))), AWAY)
    assert endpoint_set(again(host, mesh(wanted_peer(1, str(HERE), persistent_keepalive=25)))) == AWAY


def test_only_endpoints_to_set_are_resolved() -> None:
    wanted = mesh(wanted_peer(1, str(NAME)), wanted_peer(2, str(HERE)), wanted_peer(3))
    assert names_to_resolve(Current(), wanted) == [wanted.peers[0]]
    host = converged(wanted, resolved={key(1): THERE})
    assert names_to_resolve(host, wanted) == []
    assert not again(host, wanted)
    assert not again(roamed(host, AWAY), wanted)
    assert names_to_resolve(Current(), WantedInterface("wg0")) == []


def test_a_name_that_does_not_resolve_gives_a_peer_without_endpoint() -> None:
    wanted = mesh(wanted_peer(1, str(NAME), persistent_keepalive=25))
    host = converged(wanted, resolved={key(1): None})
    assert host.device is not None
    (peer,) = host.device.peers
    assert (peer.endpoint, peer.persistent_keepalive) == (None, 25)
    assert [known.endpoint for known in host.recorded.peers.values()] == [str(NAME)], "for who looks it up meanwhile"
    assert not again(host, wanted, resolved={key(1): None})


def test_an_unresolved_name_is_resolved_in_the_next_run() -> None:
    wanted = mesh(wanted_peer(1, str(NAME)))
    host = converged(wanted, resolved={key(1): None})
    assert names_to_resolve(host, wanted) == list(wanted.peers)
    assert endpoint_set(again(host, wanted, resolved={key(1): THERE})) == THERE


def test_an_unresolved_new_name_keeps_the_endpoint() -> None:
    host = converged(mesh(wanted_peer(1, str(HERE))))
    wanted = mesh(wanted_peer(1, str(NAME)))
    made = again(host, wanted, resolved={key(1): None})
    assert not made.peers
    then = after(host, made)
    assert [known.endpoint for known in then.recorded.peers.values()] == [""]
    assert not again(then, wanted, resolved={key(1): None})
    assert names_to_resolve(then, wanted) == list(wanted.peers)


FIVE = [wanted_peer(number, "", f"10.42.0.{number}/32") for number in range(1, 6)]


def test_a_host_that_left_the_inventory_is_removed() -> None:
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:4]))
    assert gone(made) == {key(5)}
    assert len(made.peers) == 1


def test_without_purge_no_peer_is_removed() -> None:
    assert not again(converged(mesh(*FIVE)), mesh(purge=False)).peers


def test_purge_removes_an_unmanaged_peer() -> None:
    host = converged(mesh(*FIVE))
    assert host.device is not None
    host = with_peers(host, *host.device.peers, Peer(key(9), bytes(32), None, 0, frozenset()))
    assert gone(again(host, mesh(*FIVE))) == {key(9)}


def test_a_missing_peer_is_created_again() -> None:
    host = converged(mesh(*FIVE))
    assert host.device is not None
    made = again(with_peers(host, *host.device.peers[1:]), mesh(*FIVE))
    assert [operation.after for operation in made.peers] == [host.device.peers[0]]


def test_a_host_with_an_unknown_key_keeps_its_peer() -> None:
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:4], unknown_peers=frozenset({"h5"})))
    assert not made.peers


def test_while_a_key_is_unknown_a_peer_without_a_name_stays() -> None:
    host = converged(mesh(*FIVE[:4], wanted_peer(9, name="")))
    assert not again(host, mesh(*FIVE[:4], unknown_peers=frozenset({"h5"}))).peers
    assert gone(again(host, mesh(*FIVE[:4]))) == {key(9)}


def test_while_a_key_is_unknown_a_host_that_left_is_removed() -> None:
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:3], unknown_peers=frozenset({"h5"})))
    assert gone(made) == {key(4)}


def test_while_a_key_is_unknown_an_old_key_of_a_known_host_is_removed() -> None:
    renewed = wanted_peer(14, "", "10.42.0.4/32", name="h4")
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:3], renewed, unknown_peers=frozenset({"h5"})))
    assert gone(made) == {key(4)}


def test_a_revoked_key_is_removed_without_purge_and_with_unknown_peers() -> None:
    revoked = {key_text(5): "h5"}
    host = converged(mesh(*FIVE))
    assert gone(again(host, mesh(*FIVE[:4], purge=False, revoked=revoked))) == {key(5)}
    unknown = frozenset({"h5"})
    made = again(host, mesh(*FIVE[:4], unknown_peers=unknown, revoked=revoked))
    assert gone(made) == {key(5)}
    assert after(host, made).recorded.revoked == revoked


def test_a_revocation_is_stored() -> None:
    host = converged(mesh(*FIVE[:4], revoked={key_text(5): "h5"}), converged(mesh(*FIVE)))
    later = converged(mesh(*FIVE[:4]), host)
    assert later.recorded.revoked == {key_text(5): "h5"}


@pytest.mark.parametrize(("present", "staying", "refused"), [(5, 3, False), (5, 2, True), (3, 0, True), (2, 0, False)])
def test_removing_many_peers_in_one_run_is_refused(present: int, staying: int, refused: bool) -> None:
    host = converged(mesh(*FIVE[:present]))
    wanted = mesh(*FIVE[:staying])
    if not refused:
        assert len(gone(again(host, wanted))) == present - staying
        return
    with pytest.raises(Refused, match=rf"{present - staying} of {present} peers would be removed \(h.*allow_mass"):
        again(host, wanted)
    assert len(gone(again(host, replace(wanted, allow_mass_removal=True)))) == present - staying


def test_removing_a_small_share_is_not_refused() -> None:
    peers = [wanted_peer(number) for number in range(1, 21)]
    host = converged(mesh(*peers))
    assert len(gone(again(host, mesh(*peers[6:])))) == 6
    with pytest.raises(Refused, match="7 of 20"):
        again(host, mesh(*peers[7:]))


def test_new_keys_of_the_same_hosts_do_not_count_as_removed() -> None:
    renewed = [wanted_peer(number + 10, "", f"10.42.0.{number}/32", name=f"h{number}") for number in range(1, 6)]
    host = converged(mesh(*FIVE))
    made = again(host, mesh(*renewed))
    assert gone(made) == {key(number) for number in range(1, 6)}
    assert not again(after(host, made), mesh(*renewed))


def test_new_keys_of_unnamed_peers_count_as_removed() -> None:
    host = converged(mesh(*(wanted_peer(number, name="") for number in range(1, 6))))
    with pytest.raises(Refused, match="5 of 5"):
        again(host, mesh(*(wanted_peer(number, name="") for number in range(11, 16))))


def test_revoked_keys_do_not_count_as_removed() -> None:
    revoked = {key_text(number): f"h{number}" for number in range(1, 6)}
    assert len(gone(again(converged(mesh(*FIVE)), mesh(revoked=revoked)))) == 5


def test_the_refusal_names_five_peers_at_most() -> None:
    host = converged(mesh(*(wanted_peer(number) for number in range(1, 10))))
    with pytest.raises(Refused, match=r"9 of 9 peers would be removed \(h1, h2, h3, h4, h5, \.\.\.\)"):
        again(host, mesh())


def observed(number: int) -> WantedPeer:
    return replace(wanted_peer(number, name=f"h{number} (direct)"), addresses=())


def test_peers_without_traffic_do_not_count() -> None:
    host = converged(mesh(*FIVE, *map(observed, range(11, 16))))
    assert gone(again(host, mesh(*FIVE))) == {key(number) for number in range(11, 16)}
    with pytest.raises(Refused, match="3 of 5"):
        again(host, mesh(*FIVE[:2], *map(observed, range(11, 16))))


def test_only_a_whole_interface_stores_notes() -> None:
    host = converged(mesh(*FIVE, notes={"h9": "not now"}))
    assert host.recorded.notes == {"h9": "not now"}
    peer_task = WantedInterface("wg0", up=None, peers=(wanted_peer(1, "", "10.42.0.1/32"),), owns=False, creates=False)
    assert after(host, plan(host, peer_task, None)).recorded.notes == {"h9": "not now"}
    assert converged(mesh(*FIVE), host).recorded.notes == {}


def test_adding_a_host_changes_no_other_peer() -> None:
    made = again(converged(mesh(*FIVE[:4])), mesh(*FIVE))
    assert [operation.after.public_key for operation in made.peers if operation.after] == [key(5)]


def test_the_state_file_has_name_addresses_and_endpoint_of_peers() -> None:
    host = converged(mesh(wanted_peer(1, str(HERE)), wanted_peer(2, str(NAME))), resolved={key(2): THERE})
    assert {text: (p.name, p.addresses, p.endpoint) for text, p in host.recorded.peers.items()} == {
        key_text(1): ("h1", ("10.42.0.1",), str(HERE)),
        key_text(2): ("h2", ("10.42.0.2",), str(NAME)),
    }
    assert (host.recorded.inventory_name, host.recorded.addresses) == ("h100", ("10.42.0.100/24",))


def test_the_state_file_lists_kept_peers_and_no_removed_ones() -> None:
    host = converged(mesh(*FIVE))
    kept = converged(mesh(*FIVE[:4], unknown_peers=frozenset({"h5"})), host)
    assert kept.recorded.peers[key_text(5)].name == "h5"
    assert key_text(5) not in converged(mesh(*FIVE[:4]), host).recorded.peers


def test_wg_peer_changes_only_its_peer() -> None:
    host = converged(mesh(*FIVE, persistence="wg_quick"))
    one = WantedInterface(
        "wg0", up=None, peers=(wanted_peer(1, "", "10.42.0.1/32", persistent_keepalive=25),), owns=False, creates=False
    )
    made = plan(host, one, None)
    assert [operation.key() for operation in made.peers] == [key(1)]
    assert not (made.link or made.addresses or made.routes or made.files)
    assert not plan(after(host, made), one, None)
    assert plan(host, replace(one, peers=(), absent_peers=(key(2),)), PRIVATE).peers[0].action == DELETE
