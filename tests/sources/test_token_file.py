"""Files of tokens: what is written is read, and everything else is one clear error."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.token_file import read_token_file, token_digest, write_token_file

TOKENS = torch.arange(12).reshape(3, 4)


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS.flatten(), TOKENS.T])
def test_what_is_written_is_read(tmp_path: Path, tokens: torch.Tensor) -> None:
    path = tmp_path / "new" / "a.safetensors"
    write_token_file(path, tokens, {"task": "t", "seed": "3"})
    found, metadata = read_token_file(str(path))
    assert torch.equal(found, tokens)
    assert metadata == {"task": "t", "seed": "3", "sha256": token_digest(tokens)}


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_token_file(path, TOKENS, {})
    write_token_file(path, TOKENS + 1, {})
    assert torch.equal(read_token_file(str(path))[0], TOKENS + 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_digest_is_of_shape_and_values() -> None:
    expected = hashlib.sha256(b"(2, 1)" + struct.pack("<2q", 7, -1)).hexdigest()
    assert token_digest(torch.tensor([[7], [-1]])) == expected
    assert token_digest(torch.tensor([[7, -1]])) != expected


def test_a_file_of_others_needs_no_metadata(tmp_path: Path) -> None:
    save_file({"tokens": TOKENS}, tmp_path / "a.safetensors")
    found, metadata = read_token_file(str(tmp_path / "a.safetensors"))
    assert torch.equal(found, TOKENS)
    assert metadata == {}


@pytest.mark.parametrize(
    ("tensor", "got"),
    [
        (TOKENS.int(), r"int32 \(3, 4\)"),
        (TOKENS.double(), r"float64 \(3, 4\)"),
        (TOKENS[None], r"int64 \(1, 3, 4\)"),
        (TOKENS[:0], r"int64 \(0, 4\)"),
        (torch.tensor(3), r"int64 \(\)"),
    ],
)
def test_another_type_or_shape_is_named(tmp_path: Path, tensor: torch.Tensor, got: str) -> None:
    save_file({"tokens": tensor.contiguous()}, tmp_path / "a.safetensors")
    message = rf"a\.safetensors: 'tokens' must be int64 of shape \(n, seqlen\) or \(n,\), got {got}"
    with pytest.raises(TextSourceError, match=message):
        read_token_file(str(tmp_path / "a.safetensors"))


def test_another_tensor_is_named(tmp_path: Path) -> None:
    save_file({"ids": TOKENS, "mask": TOKENS + 1}, tmp_path / "a.safetensors")
    with pytest.raises(
        TextSourceError, match=r"has no tensor 'tokens', only ids, mask; plena calib"
    ):
        read_token_file(str(tmp_path / "a.safetensors"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "no.safetensors"):
        with pytest.raises(TextSourceError, match="there is no file of tokens '"):
            read_token_file(str(place))


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_cut_file_is_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.safetensors"
    write_token_file(path, TOKENS, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TextSourceError, match=r"a\.safetensors is not a whole safetensors file: "):
        read_token_file(str(path))


def test_a_changed_token_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_token_file(path, TOKENS, {})
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        TextSourceError, match="is damaged: its tokens are not those that were saved"
    ):
        read_token_file(str(path))
