# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States and policies of many kinds, each as options of our modules and as arguments of `ip xfrm state|policy add`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

GCM, CCM, GMAC = "rfc4106(gcm(aes))", "rfc4309(ccm(aes))", "rfc4543(gcm(aes))"
CHACHA, CTR = "rfc7539esp(chacha20,poly1305)", "rfc3686(ctr(aes))"
A4, B4, A6, B6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"


@dataclass(frozen=True)
class Variant:
    """One object: our options, and iproute2's arguments after `add`."""

    options: dict[str, Any]
    words: str


def key(name: str, size: int) -> str:
    """Return a key in hexadecimal, different for each name."""
    return "0x" + hashlib.shake_256(name.encode()).hexdigest(size)


_GCM_KEY = key("gcm", 20)
_CBC = {"enc": {"algorithm": "cbc(aes)", "key": key("cbc", 32)}}
_CBC["auth"] = {"algorithm": "hmac(sha256)", "key": key("sha256", 32)}
_CBC_WORDS = f"auth-trunc hmac(sha256) {key('sha256', 32)} 128 enc cbc(aes) {key('cbc', 32)}"
_NULL = {"enc": {"algorithm": "cipher_null"}, "auth": {"algorithm": "sha1", "key": key("sha1", 20)}}
_NULL_WORDS = f'auth-trunc hmac(sha1) {key("sha1", 20)} 96 enc ecb(cipher_null) ""'


def _state(words: str, six: bool = False, **options: Any) -> Variant:
    src, dst = (A6, B6) if six else (A4, B4)
    base = {"src": src, "dst": dst, "spi": "0x1001", "reqid": 7100}
    return Variant({**base, **options}, f"src {src} dst {dst} {words}")


def _esp(words: str = "", *, six: bool = False, mode: str = "tunnel", **options: Any) -> Variant:
    """An ESP state with CBC and SHA-256, and other options."""
    head = f"proto esp spi 0x1001 reqid 7100 mode {mode}"
    return _state(f"{head} {words} {_CBC_WORDS}", six, **{**_CBC, "mode": mode, **options})


def _aead(name: str, size: int, icv: int, *, six: bool = False) -> Variant:
    options = {"aead": {"algorithm": name, "key": key(name, size), "icv_bits": icv}}
    return _state(f"proto esp spi 0x1001 reqid 7100 mode tunnel aead {name} {key(name, size)} {icv}", six, **options)


def _auth(name: str, size: int, bits: int) -> Variant:
    options = {"auth": {"algorithm": name, "key": key(name, size), "truncation_bits": bits}, "proto": "ah"}
    return _state(f"proto ah spi 0x1001 reqid 7100 mode tunnel auth-trunc {name} {key(name, size)} {bits}", **options)


def _enc(name: str, size: int) -> Variant:
    options = {"enc": {"algorithm": name, "key": key(name, size)}, "auth": _CBC["auth"]}
    auth = f"auth-trunc hmac(sha256) {key('sha256', 32)} 128"
    return _state(f"proto esp spi 0x1001 reqid 7100 mode tunnel {auth} enc {name} {key(name, size)}", **options)


STATES: dict[str, Variant] = {
    "cilium": Variant(
        {
            "src": "10.0.0.1", "dst": "10.0.1.1", "spi": "3", "reqid": 1, "mark": "0x3e00/0xff00",
            "output_mark": "0xe00/0xf00", "aead": {"algorithm": GCM, "key": _GCM_KEY, "icv_bits": 128},
        },
        f"src 10.0.0.1 dst 10.0.1.1 proto esp spi 3 reqid 1 mode tunnel mark 0x3e00 mask 0xff00 "
        f"aead {GCM} {_GCM_KEY} 128 output-mark 0xe00 mask 0xf00",
    ),
    "cilium inbound": Variant(
        {
            "dst": "10.0.0.1", "spi": "3", "reqid": 1, "mark": "0xd00/0xf00", "output_mark": "0xd00/0xf00",
            "aead": {"algorithm": GCM, "key": _GCM_KEY},
        },
        f"src 0.0.0.0 dst 10.0.0.1 proto esp spi 3 reqid 1 mode tunnel mark 0xd00 mask 0xf00 "
        f"aead {GCM} {_GCM_KEY} 128 output-mark 0xd00 mask 0xf00",
    ),
    "gcm 128": _aead(GCM, 20, 128),
    "gcm 192": _aead(GCM, 28, 128),
    "gcm 256": _aead(GCM, 36, 128),
    "gcm icv 96": _aead(GCM, 20, 96),
    "gcm icv 64": _aead(GCM, 20, 64),
    "gcm ipv6": _aead(GCM, 36, 128, six=True),
    "ccm 128": _aead(CCM, 19, 128),
    "ccm icv 64": _aead(CCM, 35, 64),
    "gmac": _aead(GMAC, 20, 128),
    "chacha": _aead(CHACHA, 36, 128),
    "chacha ipv6": _aead(CHACHA, 36, 128, six=True),
    "cbc 256": _esp(),
    "cbc 256 ipv6": _esp(six=True),
    "cbc 128": _enc("cbc(aes)", 16),
    "cbc 192": _enc("cbc(aes)", 24),
    "ctr": _enc(CTR, 20),
    "des3": _enc("cbc(des3_ede)", 24),
    "camellia": _enc("cbc(camellia)", 32),
    "serpent": _enc("cbc(serpent)", 32),
    "twofish": _enc("cbc(twofish)", 16),
    "null encryption": _state(f"proto esp spi 0x1001 reqid 7100 mode tunnel {_NULL_WORDS}", **_NULL),
    "ah sha1": _auth("hmac(sha1)", 20, 96),
    "ah sha256": _auth("hmac(sha256)", 32, 128),
    "ah sha256 at 96": _auth("hmac(sha256)", 32, 96),
    "ah sha384": _auth("hmac(sha384)", 48, 192),
    "ah sha512": _auth("hmac(sha512)", 64, 256),
    "ah md5": _auth("hmac(md5)", 16, 96),
    "ah xcbc": _auth("xcbc(aes)", 16, 96),
    "ah cmac": _auth("cmac(aes)", 16, 96),
    "ah ipv6 transport": _state(
        f"proto ah spi 0x1001 reqid 7100 mode transport auth-trunc hmac(sha256) {key('sha256', 32)} 128",
        True,
        proto="ah",
        mode="transport",
        auth=_CBC["auth"],
    ),
    "comp": _state(
        'proto comp spi 0x1001 reqid 7100 mode transport comp deflate',
        proto="comp", mode="transport", comp={"algorithm": "deflate"},
    ),
    "transport": _esp(mode="transport"),
    "transport ipv6": _esp(mode="transport", six=True),
    "beet": _esp(mode="beet"),
    "no reqid": _state(f"proto esp spi 0x1001 mode tunnel {_CBC_WORDS}", **{**_CBC, "reqid": 0}),
    "mark without mask": _esp("mark 0x10", mark="0x10"),
    "mark value 0": _esp("mark 0 mask 0xff", mark="0/0xff"),
    "output mark without mask": _esp("output-mark 0x20", output_mark="0x20"),
    "if_id": _esp("if_id 0x2a", if_id="42"),
    "replay window 32": _esp("replay-window 32", replay_window=32),
    "replay window 64": _esp("replay-window 64", replay_window=64),
    "esn": _esp("replay-window 1024 flag esn", replay_window=1024, esn=True),
    "esn with the largest window": _esp("replay-window 4096 flag esn", replay_window=4096, flags=["esn"]),
    "esn ipv6": _esp("replay-window 33 flag esn", six=True, replay_window=33, esn=True),
    "flags": _esp("flag noecn flag nopmtudisc flag icmp", flags=["noecn", "nopmtudisc", "icmp"]),
    "more flags": _esp("flag decap-dscp flag wildrecv flag align4", flags=["decap-dscp", "wildrecv", "align4"]),
    "af-unspec": _esp("flag af-unspec", flags=["af-unspec"]),
    "extra flags": _esp(
        "extra-flag dont-encap-dscp extra-flag oseq-may-wrap", extra_flags=["dont-encap-dscp", "oseq-may-wrap"]
    ),
    "nat-t": _esp("encap espinudp 4500 4501 0.0.0.0", encap={"sport": 4500, "dport": 4501}),
    "nat-t original": _esp(
        "encap espinudp 4500 4500 198.51.100.7",
        mode="transport",
        encap={"type": "espinudp", "sport": 4500, "dport": 4500, "oa": "198.51.100.7"},
    ),
    "selector": _esp("sel src 10.1.0.0/16 dst 10.2.0.0/16", sel={"src": "10.1.0.0/16", "dst": "10.2.0.0/16"}),
    "selector of ports": _esp(
        "sel src 10.1.0.1 dst 10.2.0.0/16 proto tcp sport 80 dport 8080",
        sel={"src": "10.1.0.1", "dst": "10.2.0.0/16", "proto": "tcp", "sport": 80, "dport": 8080},
    ),
    "selector of icmp": _esp(
        "sel src 10.1.0.0/16 dst 10.2.0.0/16 proto icmp type 8 code 0",
        sel={"src": "10.1.0.0/16", "dst": "10.2.0.0/16", "proto": "icmp", "type": 8, "code": 0},
    ),
    "selector of the other family": _esp(
        "sel src fd01::/48 dst fd02::/48", sel={"src": "fd01::/48", "dst": "fd02::/48"}
    ),
    "selector of an interface": _esp(
        "sel src 10.1.0.0/16 dst 10.2.0.0/16 dev lo", sel={"src": "10.1.0.0/16", "dst": "10.2.0.0/16", "dev": "lo"}
    ),
    "limits": _esp(
        "limit byte-soft 1000000 limit byte-hard 2000000 limit packet-soft 1000 limit packet-hard 2000",
        limits={"byte_soft": 1000000, "byte_hard": 2000000, "packet_soft": 1000, "packet_hard": 2000},
    ),
    "limits of time": _esp(
        "limit time-soft 1000 limit time-hard 2000 limit time-use-soft 500 limit time-use-hard 600",
        limits={"time_soft": 1000, "time_hard": 2000, "time_use_soft": 500, "time_use_hard": 600},
    ),
    "traffic flow padding": _esp("tfcpad 1400", tfcpad=1400),
    "everything": _esp(
        "mark 0x3e00 mask 0xff00 if_id 0x7 replay-window 128 flag esn flag nopmtudisc extra-flag dont-encap-dscp "
        "encap espinudp 4500 4500 0.0.0.0 sel src 10.1.0.0/16 dst 10.2.0.0/16 limit packet-hard 900 "
        "output-mark 0xe00 mask 0xf00",
        mark="0x3e00/0xff00", if_id="7", replay_window=128, flags=["esn", "nopmtudisc"],
        extra_flags=["dont-encap-dscp"], encap={"sport": 4500, "dport": 4500},
        sel={"src": "10.1.0.0/16", "dst": "10.2.0.0/16"}, limits={"packet_hard": 900}, output_mark="0xe00/0xf00",
    ),
}  # fmt: skip

_NETS = {4: ("10.1.0.0/16", "10.2.0.0/16"), 6: ("fd01::/48", "fd02::/48")}
_ENDS = {4: (A4, B4), 6: (A6, B6)}


def _policy(
    words: str = "", *, six: bool = False, direction: str = "out", template: str = "", **options: Any
) -> Variant:
    """A policy with one tunnel template, or without any where `templates` is given."""
    src, dst = _NETS[6 if six else 4]
    here, there = _ENDS[6 if six else 4]
    if direction != "out":
        src, dst, here, there = dst, src, there, here
    tunnel = {"src": here, "dst": there, "reqid": 7100}
    written = template or f"tmpl src {here} dst {there} proto esp reqid 7100 mode tunnel"
    if "templates" in options:
        tail = template
    else:
        options["templates"], tail = [tunnel], written
    return Variant(
        {"dir": direction, "src": src, "dst": dst, **options}, f"src {src} dst {dst} {words} dir {direction} {tail}"
    )


def _template(words: str, *, six: bool = False, direction: str = "out", **options: Any) -> Variant:
    return _policy(six=six, direction=direction, template=f"tmpl {words}", templates=[options])


POLICIES: dict[str, Variant] = {
    "cilium out": Variant(
        {
            "dir": "out", "src": "0.0.0.0/0", "dst": "10.0.1.0/24", "mark": "0x3e00/0xff00",
            "templates": [{"src": "10.0.0.1", "dst": "10.0.1.1", "spi": "3", "reqid": 1}],
        },
        "src 0.0.0.0/0 dst 10.0.1.0/24 dir out mark 0x3e00 mask 0xff00 "
        "tmpl src 10.0.0.1 dst 10.0.1.1 proto esp spi 3 reqid 1 mode tunnel",
    ),
    "cilium in": Variant(
        {
            "dir": "in", "src": "0.0.0.0/0", "dst": "10.0.0.0/24", "mark": "0xd00/0xf00",
            "templates": [{"dst": "10.0.0.1", "reqid": 1}],
        },
        "src 0.0.0.0/0 dst 10.0.0.0/24 dir in mark 0xd00 mask 0xf00 "
        "tmpl src 0.0.0.0 dst 10.0.0.1 proto esp reqid 1 mode tunnel",
    ),
    "cilium in proxy": Variant(
        {
            "dir": "in", "src": "0.0.0.0/0", "dst": "10.0.0.0/24", "mark": "0x200/0xf00",
            "templates": [{"dst": "10.0.0.1", "reqid": 1, "level": "use"}],
        },
        "src 0.0.0.0/0 dst 10.0.0.0/24 dir in mark 0x200 mask 0xf00 "
        "tmpl src 0.0.0.0 dst 10.0.0.1 proto esp reqid 1 mode tunnel level use",
    ),
    "cilium fwd": Variant(
        {
            "dir": "fwd", "src": "0.0.0.0/0", "dst": "10.0.0.0/24", "priority": 2975,
            "templates": [{"dst": "10.0.0.1", "reqid": 1, "level": "use"}],
        },
        "src 0.0.0.0/0 dst 10.0.0.0/24 dir fwd priority 2975 "
        "tmpl src 0.0.0.0 dst 10.0.0.1 proto esp reqid 1 mode tunnel level use",
    ),
    "cilium default drop": Variant(
        {"dir": "out", "src": "0.0.0.0/0", "dst": "0.0.0.0/0", "mark": "0xe00/0xf00", "action": "block", "priority": 100},
        "src 0.0.0.0/0 dst 0.0.0.0/0 dir out mark 0xe00 mask 0xf00 action block priority 100",
    ),
    **{
        f"{direction} ipv{6 if six else 4}": _policy(direction=direction, six=six)
        for direction in ("in", "out", "fwd")
        for six in (False, True)
    },
    **{
        f"block {direction} ipv{6 if six else 4}": _policy(
            "action block", direction=direction, six=six, action="block", templates=[]
        )
        for direction in ("in", "out", "fwd")
        for six in (False, True)
    },
    "allow without templates": _policy(templates=[]),
    "block with a template": _policy("action block", action="block"),
    "any to any": Variant({"dir": "in", "src": "0.0.0.0/0"}, "src 0.0.0.0/0 dst 0.0.0.0/0 dir in"),
    "any to any ipv6": Variant({"dir": "fwd", "dst": "::/0"}, "src ::/0 dst ::/0 dir fwd"),
    "host": Variant({"dir": "out", "dst": "10.9.9.9"}, "src 0.0.0.0/0 dst 10.9.9.9/32 dir out"),
    "priority": _policy("priority 1000", priority=1000),
    "largest priority": _policy("priority 4294967295", priority=4294967295),
    "mark": _policy("mark 0x3e00 mask 0xff00", mark="0x3e00/0xff00"),
    "mark without mask": _policy("mark 0x10", mark="0x10"),
    "mark value 0": _policy("mark 0 mask 0xff", mark="0/0xff"),
    "if_id": _policy("if_id 0x2a", if_id="0x2a"),
    "mark and if_id ipv6": _policy("mark 0x1 mask 0x1 if_id 0x2a", six=True, mark="1/1", if_id="42"),
    "flag localok": _policy("flag localok", flags=["localok"]),
    "flag icmp": _policy("flag icmp", direction="fwd", flags=["icmp"]),
    "tcp": _policy("proto tcp", proto="tcp"),
    "tcp ports": _policy("proto tcp sport 22 dport 1024", proto="tcp", sport=22, dport=1024),
    "udp port ipv6": _policy("proto udp dport 53", six=True, proto="udp", dport=53),
    "icmp type": _policy("proto icmp type 8 code 0", proto="icmp", type=8, code=0),
    "neighbour discovery": _policy(
        "proto ipv6-icmp type 135 priority 1", six=True, proto="ipv6-icmp", type=135, priority=1, templates=[]
    ),
    "gre": _policy("proto gre", direction="in", proto="gre"),
    "protocol by number": _policy("proto 99", proto="99"),
    "interface": _policy("dev lo", direction="in", dev="lo"),
    "limits": _policy(
        "limit packet-soft 10 limit packet-hard 20 limit time-hard 3000",
        limits={"packet_soft": 10, "packet_hard": 20, "time_hard": 3000},
    ),
    "transport": _template("proto esp reqid 7100 mode transport", mode="transport"),
    "transport ipv6": _template("src :: dst :: proto esp reqid 7100 mode transport", six=True, mode="transport"),
    "ah": _template(f"src {A4} dst {B4} proto ah reqid 7101 mode tunnel", src=A4, dst=B4, proto="ah", reqid=7101),
    "beet": _template(f"src {A4} dst {B4} proto esp reqid 7100 mode beet", src=A4, dst=B4, mode="beet"),
    "ipv6 in ipv4": _template(f"src {A4} dst {B4} proto esp reqid 7100 mode tunnel", six=True, src=A4, dst=B4),
    "ipv4 in ipv6": _template(f"src {A6} dst {B6} proto esp reqid 7100 mode tunnel", src=A6, dst=B6),
    "spi": _template(
        f"src {A4} dst {B4} proto esp spi 0x1001 reqid 7100 mode tunnel", src=A4, dst=B4, spi="0x1001"
    ),
    "level use inbound": _template(
        f"src {B4} dst {A4} proto esp reqid 7100 mode tunnel level use", direction="in", src=B4, dst=A4, level="use"
    ),
    "level use transport": _template(
        "proto esp reqid 7100 mode transport level use", mode="transport", level="use"
    ),
    "compression, then esp": _policy(
        template=(
            f"tmpl src {A4} dst {B4} proto comp reqid 7102 mode tunnel tmpl proto esp reqid 7100 mode transport"
        ),
        templates=[
            {"src": A4, "dst": B4, "proto": "comp", "reqid": 7102},
            {"reqid": 7100, "mode": "transport"},
        ],
    ),
    "everything": _policy(
        "proto tcp dport 443 dev lo mark 0x3e00 mask 0xff00 if_id 0x7 priority 42 flag localok limit byte-hard 900000",
        proto="tcp", dport=443, dev="lo", mark="0x3e00/0xff00", if_id="7", priority=42, flags=["localok"],
        limits={"byte_hard": 900000},
    ),
}  # fmt: skip
