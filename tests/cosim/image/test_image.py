"""Memory images: every kind of format, read by a decoder of its own, and faults that are found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.cosim.image.layout import Layout
from plena_cosim.cosim.image.matrix import Matrix
from plena_cosim.cosim.image.verify import ImageError, verify_image
from plena_cosim.cosim.image.write import HEX, MANIFEST, RAW, TENSORS, write_image
from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.destination import DestinationError

HW = HardwareConfig(mlen=32, blen=4, vlen=32, hlen=32, v_writeback=4)
FORMATS = ["mxint4", "mxint8", "mxint16", "mxfp4_e2m1", "mxfp8_e4m3", "mxfp6_e2m3"]


def matrix(name: str, fmt: str, block: int, rows: int, cols: int) -> Matrix:
    mx = golden.get_format(fmt, block_size=block)
    x = np.random.default_rng(rows).standard_normal((rows, cols)).astype(np.float32)
    q = golden.quantize(x, mx, axis=-1)
    codes, scales = np.asarray(q.codes, np.uint32), np.asarray(q.scales, np.uint8)
    return Matrix(
        name=name, kind="weight", codes=codes, scales=scales, mx=mx, shape=(rows, cols), axis=1
    )


def bits_of(data: bytes, first: int, count: int) -> int:
    """Return some bits of a stream whose first bit is the lowest of byte 0."""
    return int.from_bytes(data, "little") >> first & ((1 << count) - 1)


def decoded(memory: bytes, entry: dict[str, Any]) -> Iterator[tuple[int, int, int, int]]:
    """Yield row, column, code and scale code of every element, padding included.

    As the text has it: the element (r, c) is number r * columns + c of a stream, least bit first,
    at the tensor's address; its scale is byte number (r * columns + c) // block, SCALE behind it.
    """
    width, block = entry["format"]["element_bits"], entry["format"]["block_size"]
    columns = entry["padded_cols"]
    base = entry["address"]
    for row in range(entry["padded_rows"]):
        start = row * columns * width // 8
        line = memory[base + start : base + start + columns * width // 8]
        for col in range(columns):
            scale = memory[base + entry["scale_offset"] + (row * columns + col) // block]
            yield row, col, bits_of(line, col * width, width), scale


@pytest.mark.parametrize("block", [8, 16, 32])
@pytest.mark.parametrize("fmt", FORMATS)
def test_every_code_is_where_the_layout_says(tmp_path: Path, fmt: str, block: int) -> None:
    given = [matrix("a", fmt, block, 5, 37), matrix("b", fmt, block, 32, 32)]
    manifest = write_image(tmp_path / "image", given, hw=HW)
    memory = (tmp_path / "image" / RAW).read_bytes()
    assert len(memory) == manifest["bytes"]
    for one, entry in zip(given, manifest["tensors"], strict=True):
        rows, cols = one.codes.shape
        assert (entry["padded_rows"], entry["padded_cols"]) == (32 + 3, -(-cols // 32) * 32)
        for row, col, code, scale in decoded(memory, entry):
            inside = row < rows and col < cols
            assert code == (one.codes[row, col] if inside else 0)
            kept = row < rows and col // block < one.scales.shape[1]
            assert scale == (one.scales[row, col // block] if kept else 0)
    verify_image(tmp_path / "image", given)


def test_hex_raw_and_safetensors_hold_the_same(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    manifest = write_image(tmp_path / "image", [matrix("a", "mxfp6_e2m3", 32, 9, 70)], hw=HW)
    folder = tmp_path / "image"
    raw = (folder / RAW).read_bytes()
    words = (folder / HEX).read_text().split()
    assert b"".join(int(word, 16).to_bytes(64, "little") for word in words) == raw
    tensors, entry = load_file(folder / TENSORS), manifest["tensors"][0]
    assert tensors["a.elements"].tobytes() == raw[: entry["element_bytes"]]
    at = entry["scale_offset"]
    assert tensors["a.scales"].tobytes() == raw[at : at + entry["scale_bytes"]]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("part", ["elements", "scales"])
def test_a_flipped_byte_is_named(tmp_path: Path, part: str) -> None:
    folder = tmp_path / "image"
    given = [matrix("a", "mxint4", 16, 8, 64), matrix("b", "mxint4", 16, 8, 64)]
    entry = write_image(folder, given, hw=HW)["tensors"][1]
    inside = 3 * 32 + 2 * 8 + 5 if part == "elements" else entry["scale_offset"] + 3 * 4 + 2
    flip(folder / RAW, entry["address"] + inside)
    with pytest.raises(ImageError, match=rf"hbm.bin: b row 3 block 2 \({part}, address"):
        verify_image(folder)


def test_a_flipped_digit_of_the_hex_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    write_image(folder, [matrix("a", "mxint8", 8, 4, 32)], hw=HW)
    text = (folder / HEX).read_text()
    last = text.index("\n") - 1
    other = "1" if text[last] == "0" else "0"
    (folder / HEX).write_text(text[:last] + other + text[last + 1 :])
    with pytest.raises(ImageError, match=r"hbm.hex: a row 0 block 0 \(elements, address 0x0"):
        verify_image(folder)


def test_a_model_that_changed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    one = matrix("a", "mxint8", 8, 4, 32)
    write_image(folder, [one], hw=HW)
    one.codes[2, 9] ^= 1
    with pytest.raises(ImageError, match=r"a row 2 block 1 .* the model has"):
        verify_image(folder, [one])
    with pytest.raises(ImageError, match="the image has a, the model has not"):
        verify_image(folder, [])


@pytest.mark.parametrize("name", [RAW, HEX, TENSORS, MANIFEST])
def test_a_file_that_is_cut_or_gone(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "image"
    write_image(folder, [matrix("a", "mxint8", 8, 4, 32)], hw=HW)
    (folder / name).write_bytes((folder / name).read_bytes()[:-70])
    with pytest.raises(ImageError):
        verify_image(folder)
    (folder / name).unlink()
    with pytest.raises(ImageError):
        verify_image(folder)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Matrix]:
        yield matrix("a", "mxint8", 8, 4, 32)
        raise FormatError("no more")

    with pytest.raises(FormatError, match="no more"):
        write_image(tmp_path / "image", broken(), hw=HW)
    with pytest.raises(FormatError, match="nothing for an image"):
        write_image(tmp_path / "image", [], hw=HW)
    with pytest.raises(FormatError, match="two tensors are called a"):
        write_image(tmp_path / "image", [matrix("a", "mxint8", 8, 4, 32)] * 2, hw=HW)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "image").mkdir()
    with pytest.raises(DestinationError, match="exists; give another --out"):
        write_image(tmp_path / "image", [matrix("a", "mxint8", 8, 4, 32)], hw=HW)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scale_bits": 4}, "w: mxint5 in blocks of 32 has scales of 4 bits; an image takes 8"),
        ({"block_size": 4}, "w: mxint5 in blocks of 4 is no whole number of bytes a block"),
        ({"block_size": 64}, "w: mxint5 in blocks of 64 does not divide MLEN = 32"),
    ],
)
def test_formats_without_this_layout(fields: dict[str, int], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        Layout.of(1, 1, mx=golden.get_format("mxint5", **fields), hw=HW, where="w")
    assert message in str(caught.value)


def test_the_manifest_is_json_with_true_shapes(tmp_path: Path) -> None:
    write_image(tmp_path / "i", [matrix("a", "mxint8", 8, 4, 30)], hw=HW, about={"model": "m"})
    manifest = json.loads((tmp_path / "i" / MANIFEST).read_text())
    entry = manifest["tensors"][0]
    assert manifest["model"] == "m"
    assert (entry["shape"], entry["rows"], entry["cols"]) == ([4, 30], 4, 30)
    assert HardwareConfig.from_tables(manifest["machine"]) == HW
