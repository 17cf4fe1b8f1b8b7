"""The demo text: English Wikipedia out of a wheel on PyPI with the markup stripped."""

from __future__ import annotations

import bz2
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from .strip_markup import strip_markup
from .wheels import Wheel, fetch

WHEEL = Wheel(
    requirement="gensim==4.4.0",
    filename="gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
    size_mb=28,
    tags=(
        "--python-version=3.11",
        "--implementation=cp",
        "--abi=cp311",
        "--platform=manylinux_2_28_x86_64",
    ),
)
_MEMBER = (
    "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
)
TEXT_BYTES = 200_000


def demo_text(cache: Path) -> str:
    """Return the first 200 KB of the sample's articles as plain text: what evaluation reads.

    Raises:
        TextSourceError: the wheel is not cached and cannot be downloaded.
    """
    return part(_sample(cache))[0]


def demo_articles(cache: Path) -> list[str]:
    """Return the articles of `demo_text` one by one, the last of them cut where the text ends.

    Raises:
        TextSourceError: the wheel is not cached and cannot be downloaded.
    """
    found = list(_sample(cache))
    return within(part(found)[0], found)


def demo_calibration_text(cache: Path) -> str:
    """Return all articles of which nothing is in `demo_text`, as plain text.

    Raises:
        TextSourceError: the wheel is not cached and cannot be downloaded.
    """
    return part(_sample(cache))[1]


def part(sample: Iterable[str]) -> tuple[str, str]:
    """Return the first 200 KB of articles as one text, and the whole articles after the cut."""
    first, rest = b"", iter(sample)
    for article in rest:
        first += (f"\n\n{article}" if first else article).encode()
        if len(first) >= TEXT_BYTES:
            break
    # The cut may split a character.
    return first[:TEXT_BYTES].decode(errors="ignore"), "\n\n".join(rest)


def within(text: str, sample: Iterable[str]) -> list[str]:
    """Return what of each article is in a text that begins a sample, as `part` joins it.

    >>> within("one\\n\\ntw", ["one", "two", "three"])
    ['one', 'tw']
    """
    found = []
    for article in sample:
        if not text:
            break
        found.append(text[: len(article)])
        text = text[len(article) + 2 :]
    return found


def _sample(cache: Path) -> Iterator[str]:
    """Return the articles. Only the download is cached: stripping all takes half a second."""
    with zipfile.ZipFile(fetch(WHEEL, cache)) as archive:
        xml = bz2.decompress(archive.read(_MEMBER))
    return articles(xml)


def articles(xml: bytes) -> Iterator[str]:
    """Yield title and plain text of each article of a MediaWiki export, redirects left out."""
    for _, page in ElementTree.iterparse(io.BytesIO(xml)):
        if not page.tag.endswith("}page"):
            continue
        field = {child.tag.rpartition("}")[2]: child for child in page.iter()}
        if field["ns"].text == "0" and "redirect" not in field:
            plain = strip_markup(field["text"].text or "")
            yield f"{field['title'].text}\n\n{plain}"
        page.clear()
