# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The algorithms of ESP, AH and IPComp by their kernel names (net/xfrm/xfrm_algo.c): key and tag lengths, nonces.

This module is private to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_NAME = 63  # char alg_name[64], with its NUL


@dataclass(frozen=True)
class Kind:
    """Properties of an algorithm. The first tag length is that of its RFC; no key length means any."""

    key_bits: tuple[int, ...] = ()
    tag_bits: tuple[int, ...] = (0,)
    nonce_rfc: str = ""
    """The RFC of a counter mode, in which a nonce that repeats under one key discloses the plaintext."""


AEAD = {
    # The key length counts the salt at its end.
    "rfc4106(gcm(aes))": Kind((160, 224, 288), (128, 96, 64), "RFC 4106"),
    "rfc4309(ccm(aes))": Kind((152, 216, 280), (128, 96, 64), "RFC 4309"),
    "rfc4543(gcm(aes))": Kind((160, 224, 288), (128,), "RFC 4543"),
    "rfc7539esp(chacha20,poly1305)": Kind((288,), (128,), "RFC 7634"),
}
AUTH = {
    "digest_null": Kind((0,)),
    "hmac(md5)": Kind((128,), (96, 128)),
    "hmac(sha1)": Kind((160,), (96, 160)),
    # The kernel's default truncation of SHA-256 is 96 bits, as before RFC 4868; peers that follow the RFC drop its packets.
    "hmac(sha256)": Kind((256,), (128, 96, 256)),
    "hmac(sha384)": Kind((384,), (192, 384)),
    "hmac(sha512)": Kind((512,), (256, 512)),
    "hmac(rmd160)": Kind((160,), (96, 160)),
    "hmac(sm3)": Kind((256,), (256,)),
    "xcbc(aes)": Kind((128,), (96, 128)),
    "cmac(aes)": Kind((128,), (96, 128)),
}
ENC = {
    "ecb(cipher_null)": Kind((0,)),
    "cbc(des)": Kind((64,)),
    "cbc(des3_ede)": Kind((192,)),
    "cbc(cast5)": Kind((128,)),
    "cbc(blowfish)": Kind(tuple(range(40, 449, 8))),
    "cbc(aes)": Kind((128, 192, 256)),
    "cbc(serpent)": Kind((128, 192, 256)),
    "cbc(camellia)": Kind((128, 192, 256)),
    "cbc(twofish)": Kind((128, 192, 256)),
    "cbc(sm4)": Kind((128,)),
    "rfc3686(ctr(aes))": Kind((160, 224, 288), nonce_rfc="RFC 3686"),
}
COMP = {"deflate": Kind((0,)), "lzs": Kind((0,)), "lzjh": Kind((0,))}
FAMILIES = {"aead": AEAD, "auth": AUTH, "enc": ENC, "comp": COMP}

# Short names that the kernel accepts; it always returns the long ones.
_SHORT = {
    "md5": "hmac(md5)",
    "sha1": "hmac(sha1)",
    "sha256": "hmac(sha256)",
    "rmd160": "hmac(rmd160)",
    "ripemd160": "hmac(rmd160)",
    "cipher_null": "ecb(cipher_null)",
    "des": "cbc(des)",
    "des3_ede": "cbc(des3_ede)",
    "cast5": "cbc(cast5)",
    "blowfish": "cbc(blowfish)",
    "aes": "cbc(aes)",
    "serpent": "cbc(serpent)",
    "camellia": "cbc(camellia)",
    "twofish": "cbc(twofish)",
}


def canonical(name: str) -> str:
    """Return the name that the kernel returns. Raises ValueError for a text that cannot be a name."""
    long = _SHORT.get(name, name)
    if not long.isascii() or not long.isprintable() or not 0 < len(long) <= MAX_NAME:
        raise ValueError(f"{name!r} is no algorithm name; write a kernel name such as 'rfc4106(gcm(aes))'")
    return long


def kind_of(family: str, name: str) -> Kind | None:
    """Return the properties of an algorithm by its canonical name; None for one that is not listed here.

    Raises ValueError for an algorithm of another family.
    """
    known = FAMILIES[family].get(name)
    if known is None:
        for other, kinds in FAMILIES.items():
            if name in kinds:
                raise ValueError(f"{name} is an algorithm for {other!r}, not for {family!r}")
    return known


def nonce_rfc(family: str, name: str) -> str:
    """Return the RFC that forbids repeating a nonce with this algorithm, "" for one with random or no nonces.

    An AEAD that is not listed here counts as a counter mode, as all in use are.
    """
    known = FAMILIES[family].get(name)
    if known is not None:
        return known.nonce_rfc
    return "RFC 8221" if family == "aead" or "ctr(" in name else ""


def check(family: str, name: str, key_bits: int, tag_bits: int) -> None:
    """Raise ValueError for a key or tag length that a known algorithm does not have."""
    kind = kind_of(family, name)
    if kind is None:
        return
    if key_bits not in kind.key_bits:
        wanted = " or ".join(str(bits // 8) for bits in kind.key_bits)
        if len(kind.key_bits) > 4:
            wanted = f"{kind.key_bits[0] // 8} to {kind.key_bits[-1] // 8}"
        salt = ", of which the last are the salt," if kind.nonce_rfc else ""
        raise ValueError(f"{name} takes a key of {wanted} bytes{salt} not of {key_bits // 8}")
    if tag_bits not in kind.tag_bits:
        raise ValueError(f"{name} takes {' or '.join(map(str, sorted(kind.tag_bits)))} bits here, not {tag_bits}")


def default_tag_bits(family: str, name: str) -> int:
    """Return the tag length that the algorithm's RFC names."""
    kind = kind_of(family, name)
    return kind.tag_bits[0] if kind else 0
