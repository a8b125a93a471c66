# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our table observed with nft: twelve steps, manual changes, two interfaces, foreign tables."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import NotConverged
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.shown import Diff
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables import boot_files
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables import stage as edge
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse
from external_programs import require
from forwarding_hub import HUB, Net, blocks
from managed_host import ManagedHost

EVERYTHING: dict[str, Any] = {
    "forward": [{"iif": "wg0", "oif": "eth0"}, {"iif": "eth0", "oif": "wg0"}, {"iif": "wg0"}],
    "isolate": True,
    "isolate_except": ["10.42.0.9", "10.42.0.128/25", "fd42::9", "fd42:0:0:1::/64"],
    "masquerade": [
        {"source": "10.42.0.0/24"},
        {"source": "10.0.0.0/8", "oif": "eth0"},
        {"source": "10.42.0.7", "oif": "eth1"},
        {"source": "fd42::/64"},
        {"source": "fd42::7/128", "oif": "eth0.100"},
    ],
    "clamp_mss": True,
    "mark_arp": {"mark": "0x100000/0x100000", "saddr": ["192.0.2.2", "192.0.2.3", "192.0.2.9"]},
}
LESS: dict[str, Any] = {"forward": [{"iif": "wg0", "oif": "wg0"}], "masquerade": [{"source": "10.42.0.0/25"}]}
NODE: dict[str, Any] = {
    "set_mark": [
        {
            "mark": "0x100000/0x100000",
            "not_iif": ["wg0", "veth*"],
            "saddr": ["192.0.2.2", "fd00::2"],
            "udp_dport": 51820,
        },
        {"mark": "0x3e00", "iif": "cni0", "daddr": ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]},
        {"mark": "0xd00/0xf00", "iif": "eth0", "l4proto": "esp"},
        {"mark": "0/0xf00", "iif": "eth0", "daddr": ["10.244.1.0/24"]},
        {"mark": "51900", "iif": "wg0", "connection": True},
        {"mark": "0x1cabc", "not_iif": ["wg0"], "ct_mark": "51900"},
    ],
    "drop_plaintext": {
        "directions": ["in", "out"],
        "networks": ["10.244.0.0/16", "fd44::/48"],
        "except": ["10.244.7.0/24", "10.244.8.0/24", "10.244.9.0/24", "10.244.11.5"],
        "interfaces": ["cni0", "veth*"],
        "hosts": ["192.0.2.2", "192.0.2.3", "192.0.2.4", "fd00::2"],
        "ports": [51820, 51821],
        "mark": "0x100000/0x100000",
        "tcp_ports": [22, 6443],
    },
}
BY_IPSEC = {
    "directions": ["in", "out"],
    "networks": ["10.244.0.0/16"],
    "hosts": ["192.0.2.2", "fd00::2"],
    "ipsec": True,
}
# Foreign tables, one of them with our chain's name, one created by iptables.
FOREIGN = """
table inet other {
    set some { type ipv4_addr; elements = { 10.42.0.5 } }
    chain isolate_wg0 { type filter hook forward priority 0; policy accept; ip saddr @some counter drop; }
}
table ip wirewright_overlay { chain isolate_wg0 { type filter hook forward priority 5; policy accept; }; }
"""


def take_twelve_steps(net: Net, *steps: dict[str, Any]) -> None:
    """Create, modify and delete, each twice, and each first in check mode. Handles show which rules were rewritten."""
    for step in steps:
        before = net.ruleset("-a")
        predicted = net.converge(step, check_mode=True)
        assert net.ruleset("-a") == before, "check mode changed the host"
        done = net.converge(step)
        after = net.ruleset("-a")
        assert done.changed and done.requests == 1 and predicted.requests == 0
        assert predicted.diff() == done.diff() and done.diff()[0].before != done.diff()[0].after
        assert after != before
        for check_mode in (True, False):
            again = net.converge(step, check_mode=check_mode)
            assert not again.changed and again.diff() == [Diff("", [], [])]
        assert net.ruleset("-a") == after, "changed the host and did not say so"


@pytest.mark.parametrize("name", ["wg0", "wg=+1", "br-1.x_Y"])
def test_twelve_steps_beside_tables_of_others(net: Net, name: str) -> None:
    net.nft(FOREIGN)
    net.run(HUB, "iptables", "-w", "-A", "FORWARD", "-i", "wg0", "-o", "eth9", "-j", "DROP")
    before = net.ruleset("-a")

    def named(options: dict[str, Any]) -> dict[str, Any]:
        pairs = [{way: name if own == "wg0" else own for way, own in pair.items()} for pair in options["forward"]]
        return {name: {**options, "forward": pairs}}

    take_twelve_steps(net, named(EVERYTHING), named(LESS), {name: {}})
    assert net.ruleset("-a") == before


def test_twelve_steps_of_marks_and_plaintext_drops(net: Net) -> None:
    whole_mark = {"drop_plaintext": {**NODE["drop_plaintext"], "mark": "51900"}}
    take_twelve_steps(net, {"wg0": NODE}, {"wg0": whole_mark}, {"wg0": {"drop_plaintext": BY_IPSEC}}, {"wg0": {}})


def test_second_run_without_protocol_names_changes_nothing(host: ManagedHost) -> None:
    """nft lists `meta l4proto 50` there."""
    host.shell("mount --bind /dev/null /etc/protocols")
    try:
        document = {"wg0": {"drop_plaintext": BY_IPSEC}}
        assert host.module("overlay_apply", nftables=document).changed
        assert "l4proto 50" in host.shell("nft list table inet wirewright_overlay")
        assert not host.module("overlay_apply", nftables=document).changed
    finally:
        host.shell("umount /etc/protocols; nft flush ruleset")


def test_listed_chains_are_kept_and_others_removed(net: Net) -> None:
    net.converge({"wg0": NODE})
    closed = net.ruleset("-a")
    assert not net.converge({"wg0": {"set_mark": NODE["set_mark"], "keep": ["drop_ingress", "drop_egress"]}}).changed
    assert net.ruleset("-a") == closed
    net.converge({"wg0": {"keep": ["drop_egress"]}})
    left = net.ruleset()
    assert "drop_egress_wg0" in left and "drop_ingress_wg0" not in left and "set_mark_wg0" not in left


def test_two_interfaces_share_the_table_independently(net: Net) -> None:
    mesh = {"wg1": {"clamp_mss": True, "masquerade": [{"source": "10.43.0.0/24"}]}}
    net.converge(mesh)
    alone = net.ruleset("-a")
    take_twelve_steps(net, {"wg0": EVERYTHING}, {"wg0": LESS}, {"wg0": {}})
    assert net.ruleset("-a") == alone
    net.converge({"wg0": LESS})
    with_hub = net.ruleset("-a")
    assert not net.converge(mesh).changed
    assert net.ruleset("-a") == with_hub
    net.converge({"wg1": {}})
    net.converge({"wg0": {}})
    assert net.ruleset() == ""


T, ARP = "inet wirewright_overlay", "arp wirewright_overlay"
MANUAL_CHANGES = {
    "rule deleted": f"flush chain {T} isolate_wg0",
    "rule added": f"add rule {T} isolate_wg0 tcp dport 22 accept",
    "rule put in front": f'insert rule {T} isolate_wg0 iifname "wg0" accept comment "mine"',
    "copy of a rule": f'add rule {T} forward_wg0 iifname "wg0" counter accept',
    "chain deleted": f"flush chain {T} isolate_wg0\ndelete chain {T} isolate_wg0",
    "policy changed": f"add chain {T} isolate_wg0 {{ policy drop; }}",
    "chain hung elsewhere": (
        f"flush chain {T} isolate_wg0\ndelete chain {T} isolate_wg0\n"
        f"table {T} {{ chain isolate_wg0 {{ type filter hook output priority 7; }}; }}"
    ),
    "chain added": f"add chain {T} mine {{ type filter hook input priority 0; policy drop; }}",
    "chain added and used": f"add chain {T} mine\nadd rule {T} isolate_wg0 jump mine",
    "set added": f"add set {T} mine {{ type ipv4_addr; }}",
    "map, counter and quota added": (
        f"add map {T} mine {{ type ipv4_addr : verdict; }}\nadd counter {T} c\nadd quota {T} q {{ 5 mbytes }}"
    ),
    "table asleep": f"add table {T} {{ flags dormant; }}",
    "table deleted": f"delete table {T}",
    "table of ARP deleted": f"delete table {ARP}",
    "table of ARP asleep": f"add table {ARP} {{ flags dormant; }}",
    "chain of ARP hung elsewhere": (
        f"flush chain {ARP} mark_arp_wg0\ndelete chain {ARP} mark_arp_wg0\n"
        f"table {ARP} {{ chain mark_arp_wg0 {{ type filter hook output priority 7; }}; }}"
    ),
    "others added to the table of ARP": f"add chain {ARP} isolate_wg0\nadd set {ARP} mine {{ type ipv4_addr; }}",
    "everything flushed": "flush ruleset",
}


@pytest.mark.parametrize("manual_change", MANUAL_CHANGES.values(), ids=MANUAL_CHANGES.keys())
def test_manual_changes_of_the_table_are_reverted(net: Net, manual_change: str) -> None:
    net.converge({"wg0": EVERYTHING})
    whole = net.blocks()
    net.nft(manual_change)
    assert net.blocks() != whole
    changed_ruleset = net.ruleset("-a")
    predicted = net.converge({"wg0": EVERYTHING}, check_mode=True)
    assert net.ruleset("-a") == changed_ruleset
    repaired = net.converge({"wg0": EVERYTHING})
    assert repaired.changed and repaired.diff() == predicted.diff()
    assert net.blocks() == whole
    assert not net.converge({"wg0": EVERYTHING}).changed


def test_changed_rule_with_its_old_comment_is_reverted(net: Net) -> None:
    net.converge({"wg0": {"isolate": True}})
    whole = net.ruleset()
    handle = whole_handle(net, "drop")
    comment = whole.partition('drop comment "')[2].partition('"')[0]
    net.nft(
        f'replace rule {T} isolate_wg0 handle {handle} iifname "wg0" oifname "wg0" counter accept comment "{comment}"'
    )
    assert net.ruleset() != whole
    assert net.converge({"wg0": {"isolate": True}}).changed
    assert net.ruleset() == whole


def whole_handle(net: Net, word: str) -> int:
    (line,) = (line for line in net.ruleset("-a").splitlines() if f" {word} " in line and "comment" in line)
    return int(line.rpartition("# handle ")[2])


def test_foreign_chain_used_by_another_interface_does_not_block_a_run(net: Net) -> None:
    net.converge({"wg1": {"clamp_mss": True}})
    net.nft(f"add chain {T} mine\nadd rule {T} clamp_mss_wg1 jump mine")
    net.converge({"wg0": LESS})
    assert "jump mine" in net.ruleset()
    net.converge({"wg1": {"clamp_mss": True}})
    assert "mine" not in net.ruleset()


def test_kernel_with_another_rule_than_wanted_is_an_error(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel drops a rule silently, so the transaction of this test is changed."""
    whole = edge.table.script
    monkeypatch.setattr(edge.table, "script", lambda *args: whole(*args).replace("counter drop", "counter accept"))
    with pytest.raises(NotConverged, match=r"change wg0 isolate \(\+ .*counter drop, - .*counter accept"):
        net.converge({"wg0": {"isolate": True}})


def test_refused_transaction_changes_nothing(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    net.converge({"wg0": LESS})
    before = net.ruleset("-a")
    whole = edge.table.script
    monkeypatch.setattr(edge.table, "script", lambda *args: whole(*args) + "delete table inet none\n")
    with pytest.raises(OSError, match="No such file or directory"):
        net.converge({"wg0": EVERYTHING})
    assert net.ruleset("-a") == before


def write_rules(host: ManagedHost, document: dict[str, Any]) -> None:
    """Write the boot files of interfaces to a host."""
    parts = parse(document).parts
    for name in document:
        (own, *_unit) = boot_files.files(name, parts, (), systemd=True)
        host.write(own.path, own.content)


@pytest.mark.parametrize("before", ["", "the same", "changed"])
def test_boot_files_restore_the_running_table(net: Net, host: ManagedHost, before: str) -> None:
    """The files of two interfaces, loaded by the command of the unit."""
    document = {"wg0": EVERYTHING, "wg1": {"clamp_mss": True}}
    net.converge(document)
    host.shell("nft flush ruleset")
    host.shell(boot_files.LOAD)
    assert host.shell("nft list ruleset") == "", "no files, no table"
    write_rules(host, document)
    if before:
        host.shell(boot_files.LOAD)
    if before == "changed":
        host.run("nft", "-f", "-", input=MANUAL_CHANGES["chain hung elsewhere"])
    host.shell(boot_files.LOAD)
    assert blocks(host.shell("nft -s list ruleset")) == net.blocks()
    host.shell(f"nft flush ruleset; rm {boot_files.DIRECTORY}/*")


def test_file_that_nft_refuses_is_named_and_the_others_are_loaded(net: Net, host: ManagedHost) -> None:
    """A file that a full disk truncated is between two complete ones."""
    document = {"wg0": {"drop_plaintext": NODE["drop_plaintext"]}, "wg2": {"clamp_mss": True}}
    net.converge(document)
    write_rules(host, {**document, "wg1": {"isolate": True, "clamp_mss": True}})
    host.shell(f"truncate --size=-20 {boot_files.rules_path('wg1')}; nft flush ruleset")
    done = host.lab.run(host.name, ["sh", "-c", boot_files.LOAD], check=False)
    assert done.returncode != 0 and f"{boot_files.rules_path('wg1')}:" in done.stderr
    assert not any(boot_files.rules_path(name) in done.stderr for name in document)
    assert blocks(host.shell("nft -s list ruleset")) == net.blocks()
    host.shell(f"nft flush ruleset; rm {boot_files.DIRECTORY}/*")


def test_unit_is_valid_for_systemd(host: ManagedHost) -> None:
    require("systemd-analyze")
    _own, unit, _link = boot_files.files("wg0", parse({"wg0": LESS}).parts, (), systemd=True)
    host.write(unit.path, unit.content, "644")
    said = host.run("sh", "-c", f"systemd-analyze verify --man=no {unit.path} 2>&1")
    assert boot_files.UNIT not in said, said
    host.shell(f"rm {unit.path}")
