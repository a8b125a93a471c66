# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the ruleset: their names, their plan, and its transaction. tests/integration/nftables tests the result with nft."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import replay
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.boot_files import UNIT, files, paths
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.listing import parse as listed
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.table import (
    DORMANT,
    HOOKS,
    Rule,
    RulesetPart,
    Stray,
    TableEntry,
    WantedRuleset,
    chain_name,
    describe,
    load_script,
    mark,
    parse_chain_name,
    plan,
    script,
)
from hypothesis import given
from hypothesis import strategies as st

HUB = parse({"wg0": {"isolate": True, "clamp_mss": True}})
MESH = parse({"wg1": {"clamp_mss": True, "masquerade": [{"source": "10.43.0.0/24"}]}})
NOTHING = parse({"wg0": {}})
# What the scanner of nft takes for a name without quotes (nftables, src/scanner.l).
NFT_NAME = re.compile(r"[a-zA-Z_.][a-zA-Z0-9/\\_.-]*\Z")


def rulesets() -> st.SearchStrategy[WantedRuleset]:
    """Return possible rulesets of wg0 and wg1."""
    one = st.fixed_dictionaries(
        {},
        optional={
            "isolate": st.booleans(),
            "clamp_mss": st.booleans(),
            "forward": st.lists(
                st.sampled_from([{"iif": None, "oif": "eth0"}, {"iif": None, "oif": "eth1"}]), unique_by=str
            ),
            "masquerade": st.lists(
                st.sampled_from([{"source": "10.42.0.0/24"}, {"source": "fd42::/64", "oif": "eth0"}]), unique_by=str
            ),
        },
    )

    def named(document: dict[str, dict[str, object]]) -> WantedRuleset:
        for name, options in document.items():
            options["forward"] = [{**pair, "iif": name} for pair in options.get("forward", ())]  # type: ignore[attr-defined]
        return parse(document)

    return st.dictionaries(st.sampled_from(["wg0", "wg1"]), one).map(named)


@given(st.text("ABCxyz019_=+.-", min_size=1, max_size=15), st.sampled_from(sorted(HOOKS)))
def test_chain_names_are_valid_for_any_interface(interface: str, purpose: str) -> None:
    name = chain_name(interface, purpose)
    assert NFT_NAME.match(name)
    assert parse_chain_name(name) == (interface, purpose)


@pytest.mark.parametrize("name", ["forward", "forward_", "guard_wg0", "forward_w/3D", "forward_w/67", "Forward_wg0"])
def test_other_chains_are_foreign(name: str) -> None:
    assert parse_chain_name(name) is None


@given(rulesets(), rulesets())
def test_a_plan_reaches_the_wanted_ruleset_and_keeps_other_interfaces(
    before: WantedRuleset, wanted: WantedRuleset
) -> None:
    after = tuple(replay(before.parts, plan(before.parts, wanted)).values())
    assert plan(after, wanted) == []
    assert {part for part in after if isinstance(part, RulesetPart) and part.interface in wanted.interfaces} == set(
        wanted.parts
    )
    others = [part for part in before.parts if part.interface not in wanted.interfaces]
    assert [part for part in after if part.interface not in wanted.interfaces] == others  # type: ignore[union-attr]


def test_foreign_objects_and_the_dormant_flag_are_removed() -> None:
    current: list[TableEntry] = [*HUB.parts, Stray("chain", "mine"), Stray("set", "some"), Stray(*DORMANT)]
    operations = plan(current, HUB)
    assert {operation.before for operation in operations} == {
        Stray("chain", "mine"),
        Stray("set", "some"),
        Stray(*DORMANT),
    }
    assert script(current, operations).splitlines() == [
        "add table inet wirewright_overlay",
        "add chain inet wirewright_overlay mine",
        "flush chain inet wirewright_overlay mine",
        "delete chain inet wirewright_overlay mine",
        "delete set inet wirewright_overlay some",
    ]


@pytest.mark.parametrize("expression", ['{"jump": {"target": "mine"}}', '{"match": {"right": "@mine"}}'])
def test_a_foreign_chain_that_another_interface_uses_stays_until_that_one_is_named(expression: str) -> None:
    leaning = RulesetPart("wg1", "isolate", HOOKS["isolate"], (Rule((expression,)),))
    current: list[TableEntry] = [leaning, Stray("chain", "mine")]
    assert [operation.after for operation in plan(current, HUB)] == sorted(HUB.parts, key=RulesetPart.key)
    assert [operation.key() for operation in plan(current, MESH) if operation.after is None] == [
        ("wg1", "isolate"),
        ("", "inet chain mine"),
    ]


def test_without_parts_there_is_no_table() -> None:
    operations = plan(HUB.parts, NOTHING)
    assert script(HUB.parts, operations) == (
        "add table inet wirewright_overlay\ndelete table inet wirewright_overlay\n"
    )
    assert "delete table" not in script((*HUB.parts, *MESH.parts), operations)


ARP = parse({"wg0": {"clamp_mss": True, "mark_arp": {"mark": "7", "saddr": ["192.0.2.2"]}}})
ARP_LINES = [
    "table arp wirewright_overlay {",
    "    chain mark_arp_wg0 {",
    "        type filter hook input priority 0; policy accept;",
]


def test_arp_has_its_own_table_which_appears_only_in_its_changes() -> None:
    made = script((), plan((), ARP)).splitlines()
    assert "add table inet wirewright_overlay" in made and "add table arp wirewright_overlay" in made
    at = made.index(ARP_LINES[0])
    assert made[at : at + 3] == ARP_LINES and made[at + 3].startswith(
        "        arp saddr ip 192.0.2.2 meta mark set 0x7 "
    )
    without = parse({"wg0": {"clamp_mss": True}})
    assert script(ARP.parts, plan(ARP.parts, without)).splitlines() == [
        "add table arp wirewright_overlay",
        "delete table arp wirewright_overlay",
    ]
    loaded = load_script(ARP.parts).splitlines()
    assert loaded.index("delete chain arp wirewright_overlay mark_arp_wg0") < loaded.index(ARP_LINES[0])
    assert " arp " not in load_script(without.parts)


def test_a_chain_of_ours_in_the_wrong_table_is_a_stray() -> None:
    entries = [
        {"chain": {"family": "arp", "name": "isolate_wg0"}},
        {"chain": {"family": "inet", "name": "mark_arp_wg0"}},
    ]
    found = listed(json.dumps({"nftables": entries}))
    assert found == (Stray("chain", "isolate_wg0", "arp"), Stray("chain", "mark_arp_wg0"))
    lines = script((*found, *ARP.parts), plan((*found, *ARP.parts), ARP)).splitlines()
    deleted = [line for line in lines if line.startswith("delete ")]
    assert sorted(deleted) == [
        "delete chain arp wirewright_overlay isolate_wg0",
        "delete chain inet wirewright_overlay mark_arp_wg0",
    ]


def test_a_transaction_clears_every_chain_before_it_fills_one() -> None:
    lines = script((), plan((), HUB)).splitlines()
    deletions = [number for number, line in enumerate(lines) if line.startswith("delete chain")]
    assert max(deletions) < lines.index("table inet wirewright_overlay {")
    assert "wg1" not in "\n".join(lines)


def test_a_diff_shows_rules_and_only_foreign_comments() -> None:
    (isolate,) = parse({"wg0": {"isolate": True}}).parts
    assert describe(isolate) == [
        "wg0 isolate: type filter hook forward priority 0; policy accept;",
        'wg0 isolate: iifname "wg0" oifname "wg0" counter drop',
    ]
    by_hand = RulesetPart("wg0", "isolate", HOOKS["isolate"], (Rule(("accept",), "no"),))
    assert describe(by_hand)[1] == 'wg0 isolate: accept comment "no"'
    assert mark("isolate_wg0", ["drop"]) != mark("isolate_wg1", ["drop"])


def test_every_interface_has_its_own_file_and_all_share_the_unit() -> None:
    own, unit, link = files("wg1", MESH.parts, (), systemd=True)
    assert [own.path, unit.path, link.path] == list(paths("wg1"))
    assert own.is_ours and unit.is_ours and link.target == unit.path
    assert "flush ruleset" not in own.content and "wg0" not in own.content
    assert unit.path.endswith(UNIT) and "After=nftables.service\nPartOf=nftables.service" in unit.content


def test_the_unit_stays_as_long_as_an_interface_needs_it() -> None:
    own, unit, link = paths("wg1")
    other = paths("wg0")[0]
    assert files("wg1", (), (), systemd=True) == files("wg1", (), (own,), systemd=True) == []
    assert [file.path for file in files("wg1", (), (own, other), systemd=True)] == [unit, link]
    assert [file.path for file in files("wg1", MESH.parts, (other,), systemd=False)] == [own]
