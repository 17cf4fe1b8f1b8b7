"""mutated: a file's content with one or a few mistakes, the same for the same seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_WORD = re.compile(rb"[A-Za-z_]{2,}")
_STRANGE = (
    *(b"0", b"-1", b"1e999", b"-0.0", b"nan", b"9223372036854775808", b"3.5", b'"1"', b"null"),
    *(b"true", b"[]", b"{}", b'""', b"1" * 400, b"\x00", b"\xff\xfe", "\u202e\U0001f600".encode()),
)
_BRACKETS = b"[]{}\"'=,:\n"


def mutated(content: bytes, random_: random.Random) -> bytes:
    """Return content with one to three mistakes.

    Args:
        content: of a file that is right.
        random_: what draws.
    """
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        content = random_.choice(_MISTAKES)(content, random_)
    return content


def _bit(content: bytes, random_: random.Random) -> bytes:
    if not content:
        return b"\0"
    place = random_.randrange(len(content))
    changed = content[place] ^ (1 << random_.randrange(8))
    return content[:place] + bytes([changed]) + content[place + 1 :]


def _cut(content: bytes, random_: random.Random) -> bytes:
    return content[: random_.randrange(len(content) + 1)]


def _hole(content: bytes, random_: random.Random) -> bytes:
    start = random_.randrange(len(content) + 1)
    return content[:start] + content[start + random_.choice((1, 2, 8, 64)) :]


def _again(content: bytes, random_: random.Random) -> bytes:
    start = random_.randrange(len(content) + 1)
    stop = start + random_.choice((1, 8, 64))
    return content[:stop] + content[start:]


def _bracket(content: bytes, random_: random.Random) -> bytes:
    place = random_.randrange(len(content) + 1)
    mark = random_.choice(_BRACKETS)
    return content[:place] + bytes([mark]) + content[place:]


def _replaced(pattern: re.Pattern[bytes]) -> Callable[[bytes, random.Random], bytes]:
    def mistake(content: bytes, random_: random.Random) -> bytes:
        found = list(pattern.finditer(content))
        if not found:
            return _bit(content, random_)
        chosen, other = random_.choice(found), random_.choice(found)[0]
        new = random_.choice((other, random_.choice(_STRANGE)))
        return content[: chosen.start()] + new + content[chosen.end() :]

    return mistake


def _lines(content: bytes, random_: random.Random) -> bytes:
    lines = content.split(b"\n")
    one, two = random_.randrange(len(lines)), random_.randrange(len(lines))
    kind = random_.randrange(3)
    if kind == 0:
        lines[one], lines[two] = lines[two], lines[one]
    elif kind == 1:
        lines.insert(two, lines[one])
    else:
        del lines[one]
    return b"\n".join(lines)


_MISTAKES = (
    *(_bit, _cut, _hole, _again, _bracket, _lines),
    *(_replaced(_NUMBER), _replaced(_NUMBER), _replaced(_WORD), _replaced(_WORD)),
)
