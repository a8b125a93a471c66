# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What keeps a node's IPsec for its next boots, from the option `xfrm_boot` of overlay_apply, as a stage of files.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..host import files
from ..host.facts import boot_id
from ..host.files import BootFile
from ..reconcile import Operation, reconcile
from ..refusal import InvalidOptions, Refused
from ..stage import Stage
from ..xfrm import boot_files
from ..xfrm.boot_files import Ahead, Record
from ..xfrm.values import State
from . import file_stage
from .sections import parse_states
from .wanted_sections import KEYS, XFRM_BOOT, WantedSections

if TYPE_CHECKING:
    from ..take_back import Back

_OPTIONS = frozenset(("state", "epoch", "index", "ahead", "roster", "slots"))


@dataclass(frozen=True)
class WantedBoot:
    """What is asked for: nothing at all where ``present`` is false. ``sending`` has the states of each epoch ahead."""

    present: bool = False
    epoch: int = 0
    sending: Mapping[int, Sequence[State]] = field(default_factory=dict)
    remembered: Mapping[str, Any] = field(default_factory=dict)


def parse_boot(options: Mapping[str, Any]) -> WantedBoot:
    """Return what the options of overlay_apply ask for. Raises InvalidOptions."""
    raw = options[XFRM_BOOT]
    if not isinstance(raw, Mapping):
        raise InvalidOptions([f"{XFRM_BOOT}: a mapping is wanted here, not a value of type {type(raw).__name__}"])
    known = ", ".join(sorted(_OPTIONS))
    errors = [f"{XFRM_BOOT}: unknown {name}; known are {known}" for name in sorted({*raw} - _OPTIONS)]
    if raw.get("state") == "absent":
        if errors:
            raise InvalidOptions(errors)
        return WantedBoot()
    epoch = raw.get("epoch")
    if not isinstance(epoch, int) or epoch < 0:
        errors.append(f"{XFRM_BOOT}.epoch: a number from 0 is needed")
        epoch = 0
    sending = _sending(raw.get("ahead"), epoch, options.get(KEYS) or {}, errors)
    if errors:
        raise InvalidOptions(errors)
    remembered = {name: raw.get(name) for name in ("index", "roster", "slots")}
    return WantedBoot(True, epoch, sending, remembered)


def _sending(ahead: Any, epoch: int, keys: Mapping[str, Any], errors: list[str]) -> dict[int, Sequence[State]]:
    if not isinstance(ahead, Mapping):
        errors.append(f"{XFRM_BOOT}.ahead: a mapping from epochs to states is needed")
        return {}
    found: dict[int, Sequence[State]] = {}
    for number, states in ahead.items():
        place = f"{XFRM_BOOT}.ahead.{number}"
        if not str(number).isdigit() or int(number) <= epoch:
            errors.append(f"{place}: a number behind {epoch} is wanted")
            continue
        noted: list[str] = []
        parsed = parse_states({"states": states}, keys, noted)
        errors += [f"{place}: {error}" for error in noted]
        found[int(number)] = parsed.states if parsed is not None else ()
    return found


def boot_stage(wanted: WantedBoot, sections: WantedSections) -> Stage:
    """Return the plan for the files. Raises Refused where the host has gone on to a later epoch meanwhile."""
    boot = boot_id()
    record = _refuse_past(wanted.epoch, boot) if wanted.present else None
    new = _files(wanted, sections, boot) if wanted.present else []

    def plan() -> list[Operation[BootFile]]:
        current = boot_files.current()
        return reconcile(current, new, absent=[file.path for file in current], settle=files.settle)

    found = file_stage.stage(plan, "", start=False)
    if not wanted.present or record == Record(wanted.epoch, boot):
        return found
    sending = _own_states(sections)
    return replace(found, back=lambda: _back(found, sending))


def _back(found: Stage, sending: Sequence[State]) -> Back:
    """Return the way back. A host whose keys of an epoch have counted stays in that epoch: none counts twice."""
    from ..xfrm import key_uses

    way = found.back()
    uses = key_uses.read(key_uses.PATH)
    if not any(key_uses.use_of(key) in uses for one in sending for key in key_uses.nonce_keys(one).values()):
        return way
    return way._replace(make=lambda: None, remove=lambda: None)


def _refuse_past(epoch: int, boot: str) -> Record | None:
    """Return the record there is. Raises Refused where it is ahead."""
    record = boot_files.read_record()
    if record is None or epoch > record.epoch or (epoch == record.epoch and boot == record.boot_id):
        return record
    raise Refused(
        f"{XFRM_BOOT}.epoch: {epoch} was planned, but this host has used the keys of epoch {record.epoch} already, "
        "perhaps because it was rebooted meanwhile; run again"
    )


def _files(wanted: WantedBoot, sections: WantedSections, boot: str) -> list[BootFile]:
    states = sections.states.states if sections.states is not None else ()
    receive_only = sections.states.receive_only if sections.states is not None else frozenset()
    policies = sections.policies.policies if sections.policies is not None else ()
    own = _own_states(sections)
    by_epoch = {wanted.epoch: own, **wanted.sending}
    sends = {str(epoch): sorted(map(boot_files.place_of, listed)) for epoch, listed in by_epoch.items()}
    remembered = {**wanted.remembered, "sends": sends}
    ahead = Ahead(Record(wanted.epoch, boot), wanted.sending, remembered)
    try:
        return boot_files.wanted(ahead, policies, [state for state in states if state.key() in receive_only])
    except ValueError as exc:
        raise Refused(f"{XFRM_BOOT}: {exc}") from None


def _own_states(sections: WantedSections) -> list[State]:
    """Return the states that the host sends by."""
    wanted = sections.states
    return [one for one in wanted.states if one.key() not in wanted.receive_only] if wanted is not None else []
