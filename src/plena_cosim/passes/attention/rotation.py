"""Rotator: the online rotations between the projections of one attention module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, HardwareConfig, Mx

from ..modules.hadamard import rotate_online, rotation_size
from ..modules.operand import DEFAULT_BLOCK, fake_quantize, fake_quantize_rotated
from ..recipe.formats import AttentionFormats, Format, KvPosition, RotationMode
from ..recipe.recipe import Phase


def resolved(module: nn.Module, formats: AttentionFormats, where: str) -> AttentionFormats:
    """Return the formats with sizes for what is asked to be the largest that fits.

    Along head_dim a size divides it. Keys come one by one, so that no size divides them: there the
    largest is that of the blocks in which av_matmul quantises.

    Args:
        module: an attention module; its head_dim counts.
        formats: of its operations, as the recipe says them.
        where: for messages.

    Raises:
        FormatError: a size does not fit, keys have two sizes, or they are quantised before the
            rotary embedding.
    """
    if not (formats.qk_rotate or formats.av_rotate or formats.kv_rotate):
        return formats
    found = replace(
        formats,
        qk_rotate=_along_head(module, formats.qk_rotate, f"{where}: qk_matmul"),
        kv_rotate=_along_head(module, formats.kv_rotate, f"{where}: kv_cache"),
        av_rotate=_along_keys(formats),
    )
    _check_basis(found, where)
    return found


def _check_basis(formats: AttentionFormats, where: str) -> None:
    if formats.key_basis is None:
        return
    if formats.qk_rotate and formats.kv_rotate and formats.qk_rotate != formats.kv_rotate:
        raise FormatError(
            f"{where}: qk_matmul rotates keys by {formats.qk_rotate} and kv_cache by "
            f"{formats.kv_rotate}, but they are cached in one way; give both one size"
        )
    if formats.kv_position is KvPosition.PRE_ROPE:
        raise FormatError(
            f"{where}: keys are rotated after the rotary embedding, and position = "
            '"pre_rope" quantises them before it; use position = "post_rope" or do not rotate them'
        )


def check_handover(formats: Mapping[Phase, AttentionFormats], where: str) -> None:
    """Raise FormatError where a phase reads a cache that the other has written in another basis."""
    prefill, decode = (
        f"keys by {of.key_basis or 'none'} and values by {of.value_basis or 'none'}"
        for of in (formats[Phase.PREFILL], formats[Phase.DECODE])
    )
    if prefill != decode:
        raise FormatError(
            f"{where}: prefill rotates {prefill}, decode {decode}, but both use one cache; "
            "quantise and rotate qk_matmul and kv_cache alike in both phases, or in neither"
        )


def _along_keys(formats: AttentionFormats) -> int | None:
    wanted, fmt = formats.av_rotate, formats.av_matmul
    if not wanted or wanted > 0:
        return wanted or None
    size = fmt.block_size & -fmt.block_size if isinstance(fmt, Mx) else 1
    return size if size > 1 else DEFAULT_BLOCK


def _along_head(module: nn.Module, wanted: int | None, where: str) -> int | None:
    if not wanted:
        return None
    advice = "remove its online_rotate, or its name from [rotation]"
    if holds_latents(module):
        raise FormatError(
            f"{where}: {type(module).__name__} caches latents, of which it makes keys and values "
            f"each time, and they cannot be rotated there; {advice}"
        )
    width = getattr(module, "head_dim", getattr(module, "head_size", None))
    if not isinstance(width, int):
        raise FormatError(
            f"{where}: {type(module).__name__} does not say its head_dim, along which it would be "
            f"rotated; {advice}"
        )
    if getattr(module, "is_kv_shared_layer", False):
        raise FormatError(
            f"{where}: the keys and values are those of another layer, which rotates them in its "
            f"own way; {advice}"
        )
    return rotation_size(width, None if wanted < 0 else wanted, where)


def holds_latents(module: nn.Module) -> bool:
    """Return whether a module caches latents, of which it makes keys and values each time.

    Args:
        module: an attention module; DeepSeek's multi-head latent attention is such a one.
    """
    return hasattr(module, "expand_kv")


class Rotator:
    """What the rotations of one phase do, with torch's arithmetic or the vector unit's.

    With the fused semantics keys and values lie rotated in the cache: queries are rotated to meet
    the keys, and what comes of the values is rotated back. With dequant an operand is rotated,
    quantised, and rotated back, each time that it is quantised.
    """

    def __init__(self, formats: AttentionFormats, hw: HardwareConfig | None) -> None:
        self.formats, self.hw = formats, hw
        self.dequant = formats.semantics is RotationMode.DEQUANT

    @property
    def written(self) -> tuple[Format | None, int | None]:
        """What keys are in the cache: a format, and the blocks in which they were rotated back."""
        return self.formats.kv_cache, self.formats.kv_rotate if self.dequant else None

    @property
    def read(self) -> tuple[Format | None, int | None]:
        """What keys are in the product with queries."""
        return self.formats.qk_matmul, self.formats.qk_rotate if self.dequant else None

    def to_keys(self, query: Tensor) -> Tensor:
        """Return queries in the basis in which keys are cached."""
        return self.rotated(query, self.formats.key_basis)

    def from_values(self, output: Tensor) -> Tensor:
        """Return what comes of cached values in the basis of the model."""
        return self.rotated(output, self.formats.value_basis, inverse=True)

    def cached(self, x: Tensor, basis: int | None) -> Tensor:
        """Return new keys or values in their basis and in the format of the cache."""
        return self.cached_again(self.rotated(x, basis))

    def cached_again(self, x: Tensor) -> Tensor:
        """Return what lies in the cache, and so in its basis, in the format of the cache."""
        return fake_quantize_rotated(x, *self.written)

    def narrow_qk(self, x: Tensor) -> Tensor:
        """Return queries or keys, in the basis of keys, as torch multiplies them."""
        return fake_quantize_rotated(x, *self.read)

    def narrow_av(self, x: Tensor, axis: int) -> Tensor:
        """Return probabilities or values as torch multiplies them; keys run along `axis`."""
        fmt, size = self.formats.av_matmul, self.formats.av_rotate
        if size is None:
            return fake_quantize(x, fmt, axis=axis)
        if not self.dequant:
            return fake_quantize(self.along_keys(x, axis), fmt, axis=axis)
        padded = _padded(x.transpose(axis, -1), size)
        narrowed = fake_quantize_rotated(padded, fmt, size)[..., : x.shape[axis]]
        return narrowed.transpose(axis, -1)

    def along_keys(self, x: Tensor, axis: int) -> Tensor:
        """Return probabilities or values rotated along the keys, which zeros fill up to blocks."""
        size = self.formats.av_rotate
        if size is None:
            return x
        return self.rotated(_padded(x.transpose(axis, -1), size), size).transpose(axis, -1)

    def rotated(self, x: Tensor, size: int | None, *, inverse: bool = False) -> Tensor:
        """Return `x` rotated along its last axis; with exact numerics by the vector unit.

        Args:
            x: its last axis a multiple of `size`.
            size: of the blocks; None: `x` as it is.
            inverse: rotate back.
        """
        if size is None:
            return x
        if self.hw is None:
            return rotate_online(x, size, inverse=inverse)
        vector = self.hw.vector_format
        values = fakequant.cast(x, vector)
        return fakequant.hadamard(values, vector, block=size, inverse=inverse).to(x.dtype)


def _padded(x: Tensor, size: int) -> Tensor:
    return functional.pad(x, (0, -x.shape[-1] % size))
