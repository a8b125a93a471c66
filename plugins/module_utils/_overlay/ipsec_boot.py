# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The boot files of a node's IPsec, from the option `xfrm_boot` of overlay_apply, as a stage.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._engine.errors import InvalidOptions, Refused
from .._engine.options import name_of
from .._engine.reconcile import Operation, reconcile
from .._engine.stage import Stage
from .._host import file_stage, files
from .._host.facts import boot_id
from .._host.files import BootFile
from .._xfrm import boot_files
from .._xfrm.boot_files import Ahead, Record, WantedBoot
from .._xfrm.model import State
from .options import parse_states
from .sections import KEYS, XFRM_BOOT, WantedSections

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

_OPTIONS = frozenset(("state", "epoch", "index", "ahead", "nodes", "hosts", "ports", "outside", "slots"))


def parse_boot(options: Mapping[str, Any]) -> WantedBoot:
    """Return the desired boot files. Raises InvalidOptions."""
    raw = options[XFRM_BOOT]
    if not isinstance(raw, Mapping):
        raise InvalidOptions([f"{XFRM_BOOT}: expected a mapping, got a value of type {type(raw).__name__}"])
    known = ", ".join(sorted(_OPTIONS))
    errors = [f"{XFRM_BOOT}: unknown {name}; known are {known}" for name in sorted(map(name_of, {*raw} - _OPTIONS))]
    if raw.get("state") == "absent":
        if errors:
            raise InvalidOptions(errors)
        return WantedBoot()
    epoch = raw.get("epoch")
    if not isinstance(epoch, int) or epoch < 0:
        errors.append(f"{XFRM_BOOT}.epoch: a number from 0 is needed")
        epoch = 0
    sending = _sending(raw.get("ahead"), epoch, options.get(KEYS) or {}, errors)
    outside = raw.get("outside") or {}
    if not isinstance(outside, Mapping):
        errors.append(f"{XFRM_BOOT}.outside: a mapping from addresses to names is needed")
        outside = {}
    if errors:
        raise InvalidOptions(errors)
    node_list = {name: raw.get(name) for name in ("index", "nodes", "slots")}
    node_list.update((name, raw[name]) for name in ("hosts", "ports") if name in raw)
    return WantedBoot(True, epoch, sending, node_list, {str(address): str(name) for address, name in outside.items()})


def _sending(ahead: Any, epoch: int, keys: Mapping[str, Any], errors: list[str]) -> dict[int, Sequence[State]]:
    if not isinstance(ahead, Mapping):
        errors.append(f"{XFRM_BOOT}.ahead: a mapping from epochs to states is needed")
        return {}
    found: dict[int, Sequence[State]] = {}
    for number, states in ahead.items():
        place = f"{XFRM_BOOT}.ahead.{number}"
        if not str(number).isdigit() or int(number) <= epoch:
            errors.append(f"{place}: a number above {epoch} is needed")
            continue
        noted: list[str] = []
        parsed = parse_states({"states": states}, keys, noted)
        errors += [f"{place}: {error}" for error in noted]
        found[int(number)] = parsed.states if parsed is not None else ()
    return found


def boot_stage(wanted: WantedBoot, sections: WantedSections) -> Stage:
    """Return the plan for the files. Raises Refused where the host has started a later epoch, or states would be replaced
    whose other end stays as it is.
    """
    boot = boot_id()
    _refuse_one_sided(wanted, sections)
    record = _refuse_past(wanted.epoch, boot) if wanted.present else None
    new = _files(wanted, sections, boot) if wanted.present else []

    def plan() -> list[Operation[BootFile]]:
        current = boot_files.current()
        return reconcile(current, new, absent=[file.path for file in current], settle=files.settle)

    found = file_stage.stage(plan, "", start=False)
    if not wanted.present or record == Record(wanted.epoch, boot):
        return found
    sending = _own_states(sections)
    return replace(found, rollback=lambda: _rollback(found, sending))


def _rollback(found: Stage, sending: Sequence[State]) -> Rollback:
    """Return the rollback. A host that has used keys of an epoch stays in that epoch, so that no nonce repeats."""
    from .._xfrm import key_uses

    undo = found.rollback()
    uses = key_uses.read(key_uses.PATH)
    if not any(key_uses.use_of(key) in uses for one in sending for key in key_uses.nonce_keys(one).values()):
        return undo
    return undo._replace(apply=lambda: None, delete=lambda: None)


def _refuse_past(epoch: int, boot: str) -> Record | None:
    """Return the current record. Raises Refused where it is ahead."""
    record = boot_files.read_record()
    if record is None or epoch > record.epoch or (epoch == record.epoch and boot == record.boot_id):
        return record
    raise Refused(
        f"{XFRM_BOOT}.epoch: {epoch} is planned, but this host has already used keys of epoch {record.epoch}, "
        "for example after a reboot; run again"
    )


def _refuse_one_sided(wanted: WantedBoot, sections: WantedSections) -> None:
    if not wanted.outside or sections.states is None:
        return
    from .._xfrm import kernel
    from .._xfrm.shared_states import one_sided

    with kernel.open_connection() as connection:
        current = kernel.read_states(connection)
    names = one_sided(current, sections.states.states, wanted.outside, keys_hidden=kernel.keys_hidden())
    if names:
        raise Refused(
            f"the states shared with {', '.join(names)} would be replaced on this host only, so that no packet between them is "
            "decrypted: O(ipsec_master), an algorithm or an address has changed, and this run does not change the other "
            "end; run all nodes together, or disable the encryption of nodes that do not return"
        )


def _files(wanted: WantedBoot, sections: WantedSections, boot: str) -> list[BootFile]:
    states = sections.states.states if sections.states is not None else ()
    receive_only = sections.states.receive_only if sections.states is not None else frozenset()
    policies = sections.policies.policies if sections.policies is not None else ()
    own = _own_states(sections)
    by_epoch = {wanted.epoch: own, **wanted.sending}
    sends = {str(epoch): sorted(map(boot_files.place_of, listed)) for epoch, listed in by_epoch.items()}
    node_list = {**wanted.node_list, "sends": sends}
    ahead = Ahead(Record(wanted.epoch, boot), wanted.sending, node_list)
    try:
        return boot_files.wanted(ahead, policies, [state for state in states if state.key() in receive_only])
    except ValueError as exc:
        raise Refused(f"{XFRM_BOOT}: {exc}") from None


def _own_states(sections: WantedSections) -> list[State]:
    """Return the states that the host sends with."""
    wanted = sections.states
    return [one for one in wanted.states if one.key() not in wanted.receive_only] if wanted is not None else []
