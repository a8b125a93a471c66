# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of peers: endpoints that roam, hosts that leave or are not known, and too many that would go at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.reconcile import DELETE
from ansible_collections.wirewright.overlay.plugins.module_utils.refusal import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.plan import (
    Current,
    Plan,
    names_to_resolve,
    plan,
)
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import Endpoint, parse_endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.model import Peer

from ..samples import key, key_text
from .predicted import PRIVATE, after, again, asked, converged, mesh, roamed, with_peers

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
    wanted = mesh(asked(1, str(HERE)))
    assert not again(roamed(converged(wanted), AWAY), wanted)


def test_an_endpoint_is_set_when_another_is_asked_for() -> None:
    host = roamed(converged(mesh(asked(1, str(HERE)))), AWAY)
    made = again(host, mesh(asked(1, str(THERE))))
    assert endpoint_set(made) == THERE
    assert not again(roamed(after(host, made), AWAY), mesh(asked(1, str(THERE))))


def test_an_endpoint_is_kept_when_none_is_asked_for() -> None:
    made = again(roamed(converged(mesh(asked(1, str(HERE)))), AWAY), mesh(asked(1)))
    assert not made.peers


def test_an_endpoint_is_set_when_the_memory_is_lost() -> None:
    wanted = mesh(asked(1, str(HERE)))
    host = replace(roamed(converged(wanted), AWAY), files=(), memory=Current().memory)
    assert endpoint_set(again(host, wanted)) == HERE


def test_an_endpoint_is_set_when_the_peer_has_none() -> None:
    wanted = mesh(asked(1, str(HERE)))
    host = converged(wanted)
    assert host.device is not None
    forgot = with_peers(host, *(replace(peer, endpoint=None) for peer in host.device.peers))
    assert endpoint_set(again(forgot, wanted)) == HERE


def test_a_changed_peer_keeps_its_roamed_endpoint() -> None:
    host = roamed(converged(mesh(asked(1, str(HERE)))), AWAY)
    assert endpoint_set(again(host, mesh(asked(1, str(HERE), persistent_keepalive=25)))) == AWAY


def test_names_are_resolved_only_where_they_have_to_be_set() -> None:
    wanted = mesh(asked(1, str(NAME)), asked(2, str(HERE)), asked(3))
    assert names_to_resolve(Current(), wanted) == [NAME]
    host = converged(wanted, resolved={NAME: THERE})
    assert names_to_resolve(host, wanted) == []
    assert not again(host, wanted)
    assert not again(roamed(host, AWAY), wanted)
    assert names_to_resolve(Current(), WantedInterface("wg0")) == []


def test_a_name_that_does_not_resolve_gives_a_peer_without_endpoint() -> None:
    wanted = mesh(asked(1, str(NAME), persistent_keepalive=25))
    host = converged(wanted, resolved={NAME: None})
    assert host.device is not None
    (peer,) = host.device.peers
    assert (peer.endpoint, peer.persistent_keepalive) == (None, 25)
    assert [known.endpoint for known in host.memory.peers.values()] == [str(NAME)], "for who looks it up meanwhile"
    assert not again(host, wanted, resolved={NAME: None})


def test_a_name_that_did_not_resolve_is_tried_again() -> None:
    wanted = mesh(asked(1, str(NAME)))
    host = converged(wanted, resolved={NAME: None})
    assert names_to_resolve(host, wanted) == [NAME]
    assert endpoint_set(again(host, wanted, resolved={NAME: THERE})) == THERE


def test_a_new_name_that_does_not_resolve_leaves_the_endpoint_and_is_tried_again() -> None:
    host = converged(mesh(asked(1, str(HERE))))
    wanted = mesh(asked(1, str(NAME)))
    made = again(host, wanted, resolved={NAME: None})
    assert not made.peers
    then = after(host, made)
    assert [known.endpoint for known in then.memory.peers.values()] == [""]
    assert not again(then, wanted, resolved={NAME: None})
    assert names_to_resolve(then, wanted) == [NAME]


FIVE = [asked(number, "", f"10.42.0.{number}/32") for number in range(1, 6)]


def test_a_host_that_left_the_inventory_is_removed() -> None:
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:4]))
    assert gone(made) == {key(5)}
    assert len(made.peers) == 1


def test_without_purge_nobody_is_removed() -> None:
    assert not again(converged(mesh(*FIVE)), mesh(purge=False)).peers


def test_a_peer_made_by_hand_is_removed_by_purge() -> None:
    host = converged(mesh(*FIVE))
    assert host.device is not None
    host = with_peers(host, *host.device.peers, Peer(key(9), bytes(32), None, 0, frozenset()))
    assert gone(again(host, mesh(*FIVE))) == {key(9)}


def test_a_peer_deleted_by_hand_comes_back() -> None:
    host = converged(mesh(*FIVE))
    assert host.device is not None
    made = again(with_peers(host, *host.device.peers[1:]), mesh(*FIVE))
    assert [operation.after for operation in made.peers] == [host.device.peers[0]]


def test_a_host_whose_key_is_not_known_now_keeps_its_peer() -> None:
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:4], unknown_peers=frozenset({"h5"})))
    assert not made.peers


def test_while_a_key_is_unknown_a_peer_without_a_name_stays() -> None:
    host = converged(mesh(*FIVE[:4], asked(9, name="")))
    assert not again(host, mesh(*FIVE[:4], unknown_peers=frozenset({"h5"}))).peers
    assert gone(again(host, mesh(*FIVE[:4]))) == {key(9)}


def test_while_a_key_is_unknown_a_host_that_left_is_removed() -> None:
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:3], unknown_peers=frozenset({"h5"})))
    assert gone(made) == {key(4)}


def test_while_a_key_is_unknown_an_old_key_of_a_known_host_is_removed() -> None:
    renewed = asked(14, "", "10.42.0.4/32", name="h4")
    made = again(converged(mesh(*FIVE)), mesh(*FIVE[:3], renewed, unknown_peers=frozenset({"h5"})))
    assert gone(made) == {key(4)}


def test_a_revoked_key_is_removed_without_purge_and_whoever_is_unknown() -> None:
    revoked = {key_text(5): "h5"}
    host = converged(mesh(*FIVE))
    assert gone(again(host, mesh(*FIVE[:4], purge=False, revoked=revoked))) == {key(5)}
    unknown = frozenset({"h5"})
    made = again(host, mesh(*FIVE[:4], unknown_peers=unknown, revoked=revoked))
    assert gone(made) == {key(5)}
    assert after(host, made).memory.revoked == revoked


def test_a_revocation_is_remembered() -> None:
    host = converged(mesh(*FIVE[:4], revoked={key_text(5): "h5"}), converged(mesh(*FIVE)))
    later = converged(mesh(*FIVE[:4]), host)
    assert later.memory.revoked == {key_text(5): "h5"}


@pytest.mark.parametrize(("present", "staying", "refused"), [(5, 3, False), (5, 2, True), (3, 0, True), (2, 0, False)])
def test_losing_many_peers_at_once_is_refused(present: int, staying: int, refused: bool) -> None:
    host = converged(mesh(*FIVE[:present]))
    wanted = mesh(*FIVE[:staying])
    if not refused:
        assert len(gone(again(host, wanted))) == present - staying
        return
    with pytest.raises(Refused, match=rf"{present - staying} of {present} peers would be removed \(h.*allow_mass"):
        again(host, wanted)
    assert len(gone(again(host, replace(wanted, allow_mass_removal=True)))) == present - staying


def test_losing_a_small_share_is_not_refused() -> None:
    peers = [asked(number) for number in range(1, 21)]
    host = converged(mesh(*peers))
    assert len(gone(again(host, mesh(*peers[6:])))) == 6
    with pytest.raises(Refused, match="7 of 20"):
        again(host, mesh(*peers[7:]))


def test_new_keys_of_the_same_hosts_are_no_loss() -> None:
    renewed = [asked(number + 10, "", f"10.42.0.{number}/32", name=f"h{number}") for number in range(1, 6)]
    host = converged(mesh(*FIVE))
    made = again(host, mesh(*renewed))
    assert gone(made) == {key(number) for number in range(1, 6)}
    assert not again(after(host, made), mesh(*renewed))


def test_new_keys_of_peers_without_names_are_a_loss() -> None:
    host = converged(mesh(*(asked(number, name="") for number in range(1, 6))))
    with pytest.raises(Refused, match="5 of 5"):
        again(host, mesh(*(asked(number, name="") for number in range(11, 16))))


def test_revoked_keys_are_no_loss() -> None:
    revoked = {key_text(number): f"h{number}" for number in range(1, 6)}
    assert len(gone(again(converged(mesh(*FIVE)), mesh(revoked=revoked)))) == 5


def test_many_lost_peers_are_named_in_short() -> None:
    host = converged(mesh(*(asked(number) for number in range(1, 10))))
    with pytest.raises(Refused, match=r"9 of 9 peers would be removed \(h1, h2, h3, h4, h5, \.\.\.\)"):
        again(host, mesh())


def observed(number: int) -> WantedPeer:
    return replace(asked(number, name=f"h{number} (direct)"), addresses=())


def test_peers_that_carry_nothing_are_no_loss_and_hide_none() -> None:
    host = converged(mesh(*FIVE, *map(observed, range(11, 16))))
    assert gone(again(host, mesh(*FIVE))) == {key(number) for number in range(11, 16)}
    with pytest.raises(Refused, match="3 of 5"):
        again(host, mesh(*FIVE[:2], *map(observed, range(11, 16))))


def test_notes_are_remembered_by_whoever_makes_the_whole_interface() -> None:
    host = converged(mesh(*FIVE, notes={"h9": "not now"}))
    assert host.memory.notes == {"h9": "not now"}
    peer_task = WantedInterface("wg0", up=None, peers=(asked(1, "", "10.42.0.1/32"),), owns=False, creates=False)
    assert after(host, plan(host, peer_task, None)).memory.notes == {"h9": "not now"}
    assert converged(mesh(*FIVE), host).memory.notes == {}


def test_adding_a_host_touches_nobody_else() -> None:
    made = again(converged(mesh(*FIVE[:4])), mesh(*FIVE))
    assert [operation.after.public_key for operation in made.peers if operation.after] == [key(5)]


def test_the_memory_knows_peers_by_name_address_and_endpoint() -> None:
    host = converged(mesh(asked(1, str(HERE)), asked(2, str(NAME))), resolved={NAME: THERE})
    assert {text: (p.name, p.addresses, p.endpoint) for text, p in host.memory.peers.items()} == {
        key_text(1): ("h1", ("10.42.0.1",), str(HERE)),
        key_text(2): ("h2", ("10.42.0.2",), str(NAME)),
    }
    assert (host.memory.inventory_name, host.memory.addresses) == ("h100", ("10.42.0.100/24",))


def test_the_memory_of_a_kept_peer_stays_and_that_of_a_removed_one_goes() -> None:
    host = converged(mesh(*FIVE))
    kept = converged(mesh(*FIVE[:4], unknown_peers=frozenset({"h5"})), host)
    assert kept.memory.peers[key_text(5)].name == "h5"
    assert key_text(5) not in converged(mesh(*FIVE[:4]), host).memory.peers


def test_a_peer_task_changes_its_peer_and_nothing_else() -> None:
    host = converged(mesh(*FIVE, persistence="wg_quick"))
    one = WantedInterface(
        "wg0", up=None, peers=(asked(1, "", "10.42.0.1/32", persistent_keepalive=25),), owns=False, creates=False
    )
    made = plan(host, one, None)
    assert [operation.key() for operation in made.peers] == [key(1)]
    assert not (made.link or made.addresses or made.routes or made.files)
    assert not plan(after(host, made), one, None)
    assert plan(host, replace(one, peers=(), absent_peers=(key(2),)), PRIVATE).peers[0].action == DELETE
