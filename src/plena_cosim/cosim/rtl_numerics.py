"""RtlNumerics: the third kind of numerics for any code that runs a model, such as evaluations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from plena_cosim.fakequant.cast import native_dtype
from plena_cosim.golden import HardwareConfig
from plena_cosim.sim.verilate.model import PLAYER, BuildProfile
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

from .errors import CosimError
from .machine_blocks import MachineBlocks
from .possible import require_possible
from .report import operation_name
from .rtl_backend import RtlBackend
from .selection import Selection, layers_text
from .verified import Verified, rtl_key

FOLDER = Path("results/cosim")
_SUMS = "residual sums and gate · up"


@dataclass(kw_only=True)
class RtlNumerics:
    """Runs a model that was quantised with exact numerics in blocks, and compares every code.

    Attributes:
        selection: what runs in blocks.
        jobs: threads; None: one a core.
        fresh: compare again what was compared before.
        folder: where a difference goes if nobody says another.
        rtl_dir: where the RTL is.
        profile: how blocks are built.
        cache: where is noted what was equal; the user's cache directory when None.
    """

    selection: Selection
    jobs: int | None = None
    fresh: bool = False
    folder: Path = FOLDER
    rtl_dir: Path = RTL_DIR
    profile: BuildProfile = PLAYER
    cache: Path | None = None
    _made: list[tuple[Any, RtlBackend]] = field(default_factory=list, init=False)

    @classmethod
    def of(
        cls,
        ops: str | None = None,
        *,
        jobs: int | str | None = None,
        fresh: bool = False,
        folder: Path | None = None,
    ) -> RtlNumerics:
        """Read what a command line says.

        Args:
            ops: names of operations, joined with commas or +; None: matmul.
            jobs: threads; None: one a core.
            fresh: compare again what was compared before.
            folder: where a difference goes.

        Returns:
            Numerics whose blocks come from the project's own RTL.

        Raises:
            CosimError: an unknown name, or no such number.
        """
        selection = Selection.of("matmul" if ops is None else ops)
        return cls(selection=selection, jobs=_jobs(jobs), fresh=fresh, folder=folder or FOLDER)

    @cached_property
    def _rtl(self) -> str:
        return rtl_key(self.rtl_dir)

    def settings(self) -> dict[str, Any]:
        """Return what was chosen, and the hash of all RTL."""
        return {
            "ops": sorted(self.selection.ops),
            "layers": layers_text(self.selection.layers),
            "rtl": self._rtl,
        }

    def require_possible(self, network: Any) -> None:
        """Raise CosimError where an operand cannot enter the matrix unit of the model's machine.

        Args:
            network: quantised with exact numerics.
        """
        require_possible(network, _machine(network))

    @contextmanager
    def running(
        self, network: Any, *, phase: str = "model", folder: Path | None = None
    ) -> Iterator[None]:
        """Compute a model's operations in blocks within.

        Args:
            network: quantised with exact numerics.
            phase: what goes on, for messages.
            folder: where a difference goes.

        Returns:
            A context manager.

        Raises:
            CosimMismatchError: a code differs from exact torch's; the message says where, and the
                folder has its replay.
        """
        backend = self._backend(network)
        backend.phase, backend.folder = phase, folder or self.folder
        with backend.running(network):
            yield

    def taken(self) -> dict[str, Any]:
        """Return operations since the last call: counts by name, and what exact torch computed."""
        rows: dict[str, Counter[str]] = {}
        in_torch = set()
        for network, backend in self._made:
            for (_, part, op), row in backend.rows.items():
                counts = {"calls": row.calls, "known": row.known, "codes": row.codes}
                sums = rows.setdefault(operation_name(part, op), Counter())
                sums.update({**counts, "cycles": row.work.cycles})
            in_torch |= {operation_name(part, op) for _, part, op in backend.in_torch}
            if _dtype(network) != native_dtype(backend.hw.vector_format):
                in_torch.add(_SUMS)
            backend.rows, backend.in_torch = {}, {}
        return {
            "operations": {name: dict(row) for name, row in rows.items()},
            "in_torch": sorted(in_torch),
        }

    def _backend(self, network: Any) -> RtlBackend:
        """Return the backend of a model, which keeps the tiles of its weights."""
        for known, backend in self._made:
            if known is network:
                return backend
        hw = _machine(network)
        blocks = MachineBlocks(vlen=hw.vlen, rtl_dir=self.rtl_dir, profile=self.profile)
        if self.jobs is not None:
            blocks.jobs = self.jobs
        backend = RtlBackend(
            hw=hw,
            blocks=blocks,
            selection=self.selection,
            folder=self.folder,
            verified=None if self.fresh else Verified.open(self._rtl, cache=self.cache),
        )
        self._made.append((network, backend))
        return backend


def _machine(network: Any) -> HardwareConfig:
    """Return the machine that a model was quantised for."""
    config = getattr(network, "plena_config", None)
    found = None if config is None else config.machine()
    if found is None:
        raise CosimError(
            "blocks compute what was quantised with exact numerics, for a machine; quantise the "
            'model with numerics="exact"'
        )
    assert isinstance(found, HardwareConfig)
    return found


def _dtype(network: Any) -> torch.dtype:
    """Return the dtype of a quantised model's activations; that of some weight may be another."""
    found: torch.dtype = getattr(torch, network.plena_config.dtype or "", network.dtype)
    return found


def _jobs(given: int | str | None) -> int | None:
    """Return a number of threads, which lm-eval gives as it was written."""
    if given is None:
        return None
    try:
        count = int(given)
    except ValueError:
        count = 0
    if count < 1:
        raise CosimError(f"jobs: need a number of threads from 1, got {given!r}")
    return count
