"""The registry of operations with what is known of each: for `plena ops` and docs/ops.md.

Nothing here is typed: inputs tried come from the regression's cases, proofs from the proofs' list.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from .golden.ops import OPS
from .sim.cases import all_cases
from .sim.proofs import PROOFS
from .sim.sources import needed_sources

HEADER = ("op", "golden", "RTL module", "formats, sizes", "what", "evidence")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How one op is held to its definition.

    Attributes:
        exhaustive: cases of the regression that try every input there is.
        modes: how many of these are in another rounding mode or overflow.
        sampled: its other cases: corners, blocks or vectors with a purpose, seeded random.
        benches: cases that also run under cocotb with stalls and reset.
        proofs: formal proofs of its block or of the modules that this is made of.
    """

    exhaustive: tuple[str, ...]
    modes: int
    sampled: tuple[str, ...]
    benches: tuple[str, ...]
    proofs: tuple[str, ...]

    def words(self) -> str:
        """Return the evidence in a few words."""
        said = []
        if self.exhaustive:
            more = f" and {self.modes} in other modes" if self.modes else ""
            said.append(f"every input: {', '.join(self.exhaustive)}{more}")
        if self.sampled:
            said.append(f"{len(self.sampled)} sampled cases")
        if self.proofs:
            said.append(f"proven: {', '.join(self.proofs)}")
        return "; ".join(said)


@cache
def evidence_of(name: str) -> Evidence:
    """Return the evidence for one op of the registry."""
    cases = [case for case in all_cases() if case.op.name == name]
    modules = {path.stem for path in needed_sources(OPS[name].module)}
    labels = {case.id: "-".join(case.labels) for case in cases}
    every = [case for case in cases if case.id.endswith("-all")]
    return Evidence(
        exhaustive=tuple(labels[case.id] for case in every if not case.modes),
        modes=sum(bool(case.modes) for case in every),
        sampled=tuple(labels[case.id] for case in cases if case not in every),
        benches=tuple(labels[case.id] for case in cases if case.bench),
        proofs=tuple(proof.name for proof in PROOFS if modules & set(proof.modules)),
    )


def rows() -> list[tuple[str, ...]]:
    """Return one row an op, in the order of HEADER."""
    return [
        (
            op.name,
            f"ops.{op.golden.__name__}",
            op.module,
            ", ".join(op.arguments),
            op.summary,
            evidence_of(op.name).words(),
        )
        for op in OPS.values()
    ]


def records() -> list[dict[str, Any]]:
    """Return every op for JSON."""
    return [
        {
            "name": op.name,
            "golden": f"golden.ops.{op.golden.__name__}",
            "module": op.module,
            "formats": list(op.formats),
            "sizes": list(op.sizes),
            "inputs": [port.name for port in op.inputs],
            "outputs": [port.name for port in op.outputs],
            "modes": list(op.modes),
            "summary": op.summary,
            "evidence": vars(evidence_of(op.name)),
        }
        for op in OPS.values()
    ]


def markdown() -> str:
    """Return the table as GitHub Markdown."""
    table = (HEADER, ("---",) * len(HEADER), *rows())
    return "\n".join("| " + " | ".join(row) + " |" for row in table)
