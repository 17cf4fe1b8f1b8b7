"""InRtl: exact numerics with operations in Verilated blocks, as commands that measure ask for it.

What does it stands above this package (`plena_cosim.cosim.rtl_numerics`) and is handed down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from plena_cosim.golden import FormatError
from plena_cosim.ground.launched import launched

from .results.report import ReportTable
from .results.sample_log import SampleLog

RTL = "rtl"
"""The numerics of that name: a model is quantised with exact ones, and runs in blocks."""
_COUNTED = ("calls", "known", "codes", "cycles")
_HEADER = ("operation", "codes", "differ", "cycles")


class InRtl(Protocol):
    """What runs a model's operations in blocks, and compares each code with exact torch's."""

    def settings(self) -> dict[str, Any]:
        """Return what was chosen and a hash of the RTL, fit for JSON: part of a run's key."""
        ...

    def require_possible(self, network: Any) -> None:
        """Refuse a quantised model whose operands no block of its machine takes."""
        ...

    def running(
        self, network: Any, *, phase: str, folder: Path | None = None
    ) -> AbstractContextManager[None]:
        """Compute a model's operations in blocks within; the first difference is an error.

        Args:
            network: quantised with exact numerics.
            phase: what goes on, for messages.
            folder: where a difference goes; None: a folder of its own.

        Returns:
            A context manager.
        """
        ...

    def taken(self) -> dict[str, Any]:
        """Return what became of operations since the last call, fit for JSON.

        Returns:
            `operations`: by name calls, codes, cycles and calls that were known; `in_torch`: names.
        """
        ...


MakeInRtl = Callable[..., InRtl]
"""Makes one of `ops` (names, joined), `jobs` (threads), `fresh` and `folder`."""


def checked_rtl(numerics: str, rtl: InRtl | None, *, device: str | None) -> InRtl | None:
    """Return what runs operations in RTL; None where numerics are others.

    Args:
        numerics: of any name.
        rtl: what was handed down.
        device: that is asked for.

    Raises:
        FormatError: these do not go together.
    """
    if numerics != RTL:
        if rtl is None:
            return None
        raise FormatError(f"what runs blocks goes with numerics 'rtl', got {numerics!r}")
    if rtl is None:
        raise FormatError(
            "numerics 'rtl' need what runs blocks: plena eval ppl and plena eval lm bring it; in "
            'Python give rtl=RtlNumerics.of("matmul") of plena_cosim.cosim.rtl_numerics'
        )
    if device is not None and device.partition(":")[0] != "cpu":
        raise FormatError(
            f"numerics 'rtl' run in Verilated blocks, on the CPU; got device {device!r}; leave it "
            "away"
        )
    if launched().count > 1:
        raise FormatError(
            "numerics 'rtl' run on one process, in as many threads as jobs says; start it without "
            "a launcher"
        )
    return rtl


def require_exact(network: Any, name: str) -> None:
    """Raise FormatError where blocks have nothing to compute.

    Args:
        network: that a recipe has quantised, or that was saved quantised.
        name: of the model, for messages.
    """
    config = getattr(network, "plena_config", None)
    if config is None:
        raise FormatError(
            f"numerics 'rtl' run what a recipe quantises, and model {name!r} is not quantised; "
            "give a recipe"
        )
    if config.numerics != "exact":
        raise FormatError(
            f"model {name!r} was saved with {config.numerics} numerics, and blocks have exact "
            "ones; save it with --numerics exact"
        )


def rtl_record(settings: Mapping[str, Any], log: SampleLog) -> dict[str, Any]:
    """Return what became of all operations of a run.

    Args:
        settings: from `InRtl.settings`.
        log: whose samples have what was taken under "rtl".

    Returns:
        The settings, `codes`, `mismatches`, `cycles`, `calls` and `known` in all and by operation,
        and the names of what exact torch computed.

    Raises:
        FormatError: nothing was in blocks.
    """
    parts: Iterable[Any] = [each["rtl"] for _, each in log.items() if "rtl" in each]
    rows: dict[str, dict[str, int]] = {}
    in_torch = set()
    for part in parts:
        in_torch.update(part["in_torch"])
        for name, counts in part["operations"].items():
            row = rows.setdefault(name, dict.fromkeys(_COUNTED, 0))
            for key in _COUNTED:
                row[key] += counts[key]
    if not rows:
        raise FormatError(
            f"ops {'+'.join(settings['ops'])} chooses no operation of this model; exact torch "
            f"computed {', '.join(sorted(in_torch)) or 'nothing'}"
        )
    return {
        **settings,
        **{key: sum(row[key] for row in rows.values()) for key in _COUNTED},
        "mismatches": 0,  # the first one ends a run
        "operations": rows,
        "in_torch": sorted(in_torch),
    }


def rtl_words(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was in RTL as names and values.

    Args:
        record: of a run; it need not have been in RTL.
    """
    found = record.get("rtl")
    if found is None:
        return []
    return [
        ("in RTL", ", ".join(found["ops"])),
        ("codes compared", f"{found['codes']:,}"),
        ("mismatches", f"{found['mismatches']:,}"),
        ("cycles", f"{found['cycles']:,}"),
        ("by exact torch", ", ".join(found["in_torch"]) or "nothing"),
    ]


def rtl_tables(record: Mapping[str, Any]) -> list[ReportTable]:
    """Return what was in RTL, an operation a row; none where nothing was.

    Args:
        record: of a run.
    """
    found = record.get("rtl")
    if found is None:
        return []
    return [
        ReportTable(
            caption="In RTL",
            header=_HEADER,
            rows=[
                (name, f"{row['codes']:,}", "0", f"{row['cycles']:,}")
                for name, row in found["operations"].items()
            ],
            numbers=(1, 2, 3),
            note=(
                "Each code is compared with exact torch's; the first that differs ends a run. "
                f"{found['known']:,} of {found['calls']:,} operations were compared before, on the "
                "same inputs and RTL. Cycles are of one block each, which takes one code a beat "
                "where it has one lane."
            ),
        )
    ]
