# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of states: a kernel accepts every plan in its order, and the result is the wanted states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.rollback import inverse
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import key_uses
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import model as v
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import state_plan as states
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.state_plan import AbsentState, WantedStates, plan
from hypothesis import assume, given
from hypothesis import strategies as st

from . import xfrm_values as strategies

worlds = st.lists(strategies.near_states(), max_size=6, unique_by=v.State.key)
ALLOWED = {"takeover": True, "allow_nonce_reuse": True}
STATE = v.State(
    v.Address(2, b"\xc0\0\2\1"), v.ESP, 1, reqid=7100, aead=v.Algorithm("rfc4106(gcm(aes))", b"k" * 20, 128)
)


class Kernel:
    """The kernel's table, as far as it matters here: who is in whose way, and what UPDSA ignores."""

    def __init__(self, held: Iterable[v.State]) -> None:
        self.held = {state.key(): state for state in held}

    def carry_out(self, operations: Iterable[Operation[v.State]]) -> None:
        for operation in operations:
            before, after = operation.before, operation.after
            if after is None:
                del self.held[operation.key()]
            elif before is not None and states.changes_in_place(before, after):
                self._update(after)
            else:
                if before is not None:
                    del self.held[before.key()]
                value = after.mark.value & after.mark.mask
                same = [held for held in self.held.values() if held.key()[:4] == after.key()[:4]]
                assert not [held for held in same if value & held.mark.mask == held.mark.value], "EEXIST"
                self.held[after.key()] = after

    def _update(self, sent: v.State) -> None:
        held = self.held[sent.key()]
        assert (held.encap is None) == (sent.encap is None), "EINVAL"
        changed = replace(held, limits=sent.limits, encap=sent.encap)
        if sent.output_mark.value or sent.output_mark.mask:
            changed = replace(changed, output_mark=sent.output_mark)
        if sent.if_id:
            changed = replace(changed, if_id=sent.if_id)
        self.held[sent.key()] = changed


@given(worlds, worlds, st.booleans())
def test_plan_reaches_the_wanted_objects(have: list[v.State], want: list[v.State], purge: bool) -> None:
    wanted = WantedStates(tuple(want), purge=purge, **ALLOWED)
    try:
        operations = plan(have, wanted)
    except Refused:
        assume(False)
    kernel = Kernel(have)
    kernel.carry_out(operations)
    for state in want:
        assert kernel.held[state.key()] == state
    left = set(kernel.held) - {state.key() for state in want}
    ours = {state.key() for state in have if state.reqid in wanted.ours}
    assert not purge or not left & ours
    assert left >= {state.key() for state in have} - {state.key() for state in want} - (ours if purge else set())
    assert plan(kernel.held.values(), wanted) == []


@given(worlds, worlds, st.randoms())
def test_order_of_the_input_does_not_matter(have: list[v.State], want: list[v.State], random: object) -> None:
    def planned(one: list[v.State], two: list[v.State]) -> object:
        try:
            return plan(one, WantedStates(tuple(two), purge=True, **ALLOWED))
        except Refused as exc:
            return sorted(exc.errors)

    shuffled = [list(have), list(want)]
    for each in shuffled:
        random.shuffle(each)  # type: ignore[attr-defined]
    assert planned(have, want) == planned(*shuffled)


@given(worlds, worlds, st.booleans())
def test_foreign_states_are_never_touched(have: list[v.State], want: list[v.State], purge: bool) -> None:
    """With another reqid than the wanted one and none of ours, a state stays, or everything is refused."""
    try:
        operations = plan(have, WantedStates(tuple(want), purge=purge, allow_nonce_reuse=True))
    except Refused:
        return
    for operation in operations:
        if operation.before is not None and operation.before.reqid == 1:
            assert operation.after is not None and operation.after.reqid == 1


@pytest.mark.parametrize(
    ("change", "in_place"),
    [
        ({"limits": v.Limits(packet_hard=1)}, True),
        ({"output_mark": v.Mark(1, 1)}, True),
        ({"if_id": 1}, True),
        ({"reqid": 7101}, False),
        ({"replay_window": 32}, False),
        ({"flags": 4}, False),
        ({"mode": v.TRANSPORT}, False),
        ({"source": v.Address(2, b"\xc0\0\2\2")}, False),
        ({"encap": v.Encap(2, 4500, 4500)}, False),
        ({"aead": v.Algorithm("rfc4106(gcm(aes))", b"l" * 20, 128)}, False),
    ],
)
def test_changes_that_the_kernel_makes_in_place(change: dict[str, object], in_place: bool) -> None:
    after = replace(STATE, **change)  # type: ignore[arg-type]
    assert states.changes_in_place(STATE, after) is in_place
    (operation,) = plan([STATE], WantedStates((after,), allow_nonce_reuse=True))
    assert states.is_replacement(operation) is not in_place


def test_removals_that_need_a_replacement() -> None:
    marked = replace(STATE, output_mark=v.Mark(1, 1), if_id=1)
    assert not states.changes_in_place(marked, replace(marked, if_id=0))
    assert not states.changes_in_place(marked, replace(marked, output_mark=v.NO_MARK))
    carried = replace(STATE, encap=v.Encap(2, 4500, 4500))
    assert states.changes_in_place(carried, replace(carried, encap=v.Encap(2, 4501, 4500)))
    assert not states.changes_in_place(carried, replace(carried, encap=v.Encap(1, 4500, 4500)))


def test_replacement_that_keeps_a_counter_mode_key_is_refused() -> None:
    with pytest.raises(Refused, match="RFC 4106, RFC 8221"):
        plan([STATE], WantedStates((replace(STATE, reqid=7101),)))
    assert plan([STATE], WantedStates((replace(STATE, if_id=3),)))


def test_key_of_another_boot_is_refused() -> None:
    uses = key_uses.with_uses({}, [STATE], "boot 1")
    with pytest.raises(Refused, match="was used on this host before"):
        plan([], WantedStates((STATE,)), key_uses=uses)
    assert plan([STATE], WantedStates((STATE,)), key_uses=uses) == []


def test_receive_only_state_is_created_again_with_its_key() -> None:
    uses = {key_uses.use_of(STATE.aead.key): "another boot"} if STATE.aead else {}
    wanted = WantedStates((STATE,), receive_only=frozenset((STATE.key(),)))
    assert [operation.after for operation in plan([], wanted, key_uses=uses)] == [STATE]
    other = replace(STATE, spi=2)
    with pytest.raises(Refused, match=r"spi 0x00000002.*was used on this host before"):
        plan([], replace(wanted, states=(STATE, other)), key_uses=uses)


def test_hidden_keys_count_as_equal() -> None:
    shown = replace(STATE, aead=v.Algorithm("rfc4106(gcm(aes))", bytes(20), 128))
    assert plan([shown], WantedStates((STATE,)), keys_hidden=True) == []
    assert plan([shown], WantedStates((STATE,)))


def test_absent_matches_by_reqid() -> None:
    foreign = replace(STATE, reqid=5)
    with pytest.raises(Refused, match="name its reqid"):
        plan([foreign], WantedStates(absent=(AbsentState(STATE.key()),)))
    assert plan([foreign], WantedStates(absent=(AbsentState(STATE.key(), 5),)))
    assert plan([STATE], WantedStates(absent=(AbsentState(STATE.key()),)))
    assert plan([], WantedStates(absent=(AbsentState(STATE.key()),))) == []


@given(worlds, worlds, st.integers(0, 12))
def test_a_rollback_creates_no_state(before: list[v.State], wanted: list[v.State], done: int) -> None:
    """Created states are removed and changes in place reverted; deleted or replaced states are not restored."""
    try:
        operations = plan(before, WantedStates(tuple(wanted), purge=True, **ALLOWED))
    except Refused:
        assume(False)
    kernel = Kernel(before)
    kernel.carry_out(operations[:done])
    now = dict(kernel.held)
    back = [operation for operation in inverse(now.values(), operations) if states.may_roll_back(operation)]
    kernel.carry_out(back)
    assert not states.made_states(back)
    was = {state.key(): state for state in before}
    for key in {*was, *kernel.held}:
        # What was replaced may be changed in place the other way round: an if_id can be set and not be taken away.
        stays = key in was and (key not in now or not states.changes_in_place(now[key], was[key]))
        assert kernel.held.get(key) == (now if stays else was).get(key)
