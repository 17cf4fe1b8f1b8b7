"""What became of modules, those of one selector together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plena_cosim.passes import ModuleInfo


def grouped(info: Mapping[str, ModuleInfo]) -> list[tuple[str, list[ModuleInfo]]]:
    """Return the entries that share selector, kind and formats, under the selector."""
    groups: dict[tuple[str, str, str], list[ModuleInfo]] = {}
    for entry in info.values():
        groups.setdefault((entry.selector, entry.kind, formats_of(entry)), []).append(entry)
    return [(selector, entries) for (selector, _, _), entries in groups.items()]


def formats_of(entry: ModuleInfo) -> str:
    """Return what the roles and operations of a module became, a line each."""
    roles = {role: getattr(entry, role) for role in ("weight", "data_in", "bias")}
    parts = [f"{role} {name}" for role, name in roles.items() if name is not None]
    parts += [f"{operation} {name}" for operation, name in (entry.inside or {}).items()]
    if entry.block_size:
        parts.append(f"blocks of {entry.block_size}")
    if entry.rotation:
        parts.append(f"rotated by {entry.rotation}")
    rotated = entry.rotated_inside or {}
    parts += [f"{operation} rotated by {size}" for operation, size in rotated.items()]
    if entry.semantics == "dequant":
        parts.append("rotated back once quantised")
    return "\n".join(parts) or "the machine's own"


FIGURES = ("modules", "bits", "MSE", "clipped")
"""What `figures_of` returns."""


def figures_of(entries: Sequence[ModuleInfo]) -> tuple[str, str, str, str]:
    """Return how many modules there are, bits a weight, mean squared error, share clipped."""
    weights = sum(entry.parameters for entry in entries)
    if not weights:
        return str(len(entries)), "", "", ""

    def mean(field: str) -> float:
        total: float = sum(getattr(entry, field) * entry.parameters for entry in entries)
        return total / weights

    return (
        str(len(entries)),
        f"{mean('bits_per_weight'):.2f}",
        f"{mean('weight_mse'):.2e}",
        f"{mean('clipped_fraction'):.2%}",
    )


def weights_line(info: Mapping[str, ModuleInfo]) -> str:
    """Return how many modules and weights there are, and what these take."""
    weights = sum(entry.parameters for entry in info.values())
    bits = sum(entry.parameters * entry.bits_per_weight for entry in info.values())
    each = f", {bits / weights:.2f} bits each" if weights else ""
    return f"{len(info)} modules; {weights:,} weights in {bits / 8e6:,.1f} MB{each}"
