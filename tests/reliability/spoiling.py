"""Ways to spoil the bytes of a file: lengths, bits, and values of its JSON."""

import json
import random
from collections.abc import Iterator
from typing import Any

HOSTILE = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 10**400, 1e308, -0.5, 1e-300, "nan", "inf", "", "../x", "/etc/hostname",
    "a\0b", "x" * 500, [], {}, [[[[]]]], {"a": {"a": {}}}, [None], "\ud800", "1" * 5000, "9999-12-31T23:59:59+23:59",
)  # fmt: skip
BYTES = (
    b"", b"\0", b"{", b"[]", b"null", b"[" * 200_000, b'{"a":' * 50_000, b"1e999", b"NaN", b"9" * 6000, b"\xff" * 64,
    b'"' + b"\\ud800" * 100 + b'"', b"-", b"[" * 99 + b"]" * 99,
)  # fmt: skip


def spoilt(whole: bytes, chance: random.Random) -> bytes:
    """The bytes of a file with something wrong: bits, lengths, or a value of its JSON; sometimes all of them others."""
    if chance.random() < 0.03:
        return chance.choice(BYTES)
    if chance.random() < 0.6:
        try:
            return _with_another_value(json.loads(whole), chance)
        except (ValueError, UnicodeError):
            pass
    data = bytearray(whole)
    for _ in range(chance.choice([1, 1, 2, 8])):
        if not data:
            break
        at = chance.randrange(chance.choice([len(data), min(200, len(data))]))
        kind = chance.random()
        if kind < 0.5:
            data[at] ^= 1 << chance.randrange(8)
        elif kind < 0.7:
            data[at] = chance.choice(b'\0\xff\x7f\x800{}[]",:9.=\n')
        elif kind < 0.8:
            del data[at:]
        elif kind < 0.9:
            data[at:at] = bytes(chance.randrange(1, 9))
        else:
            begin = chance.randrange(len(data))
            data[at:at] = data[begin : begin + chance.randrange(1, 40)]
    return bytes(data)


def _with_another_value(value: Any, chance: random.Random) -> bytes:
    holders = list(_holders(value))
    for _ in range(chance.choice([1, 1, 2, 4])):
        if not holders:
            break
        holder = chance.choice(holders)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        kind = chance.random()
        if kind < 0.1 and keys:
            del holder[chance.choice(keys)]
        elif kind < 0.2:
            holder.update({"more": chance.choice(HOSTILE)}) if isinstance(holder, dict) else holder.append(1)
        elif keys:
            holder[chance.choice(keys)] = chance.choice(HOSTILE)
    return json.dumps(value).encode()


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for one in value.values() if isinstance(value, dict) else value:
            yield from _holders(one)
