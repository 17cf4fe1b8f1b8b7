"""`--quick`: toy sizes, and an error where a ratio has become much worse than the recorded one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .part import Row

RECORDED = Path(__file__).parent / "recorded.json"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What toy sizes gave once.

    Attributes:
        factor: a ratio so many times worse is a gross regression: machines differ, and CI's are
            busy.
        ratios: of the fastest rounds, by part and row.
    """

    factor: float
    ratios: Mapping[str, float]

    @classmethod
    def read(cls, path: Path = RECORDED) -> Recorded:
        """Return what a file says."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(factor=found["factor"], ratios=found["ratios"])

    def write(self, path: Path = RECORDED) -> None:
        """Put it down."""
        ratios = {key: float(f"{ratio:.3g}") for key, ratio in self.ratios.items()}
        text = json.dumps({"factor": self.factor, "ratios": ratios}, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def ratios(rows: Mapping[str, list[Row]]) -> dict[str, tuple[float, bool]]:
    """Return ratio and whether less is better, by part and row; rows without a ratio are left out.

    Args:
        rows: of each part.
    """
    return {
        f"{part}: {row.key}": (row.fastest, row.less_is_better)
        for part, some in rows.items()
        for row in some
        if row.fastest is not None
    }


def regressions(rows: Mapping[str, list[Row]], recorded: Recorded) -> list[str]:
    """Return a line for each ratio that is grossly worse, or that nothing is recorded for.

    Args:
        rows: of each part, as measured now.
        recorded: what to compare with.
    """
    lines = []
    for key, (ratio, less_is_better) in ratios(rows).items():
        before = recorded.ratios.get(key)
        if before is None:
            lines.append(f"{key}: nothing is recorded; run python -m benchmarks --quick --record")
            continue
        worse = ratio / before if less_is_better else before / ratio
        if worse > recorded.factor:
            lines.append(
                f"{key}: {ratio:.3g}, {worse:.1f} times worse than the recorded {before:.3g} "
                f"({recorded.factor:g} are allowed)"
            )
    return lines
