"""What was compared before and was equal, by content: a run that was killed goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.ground.cache import cache_root
from plena_cosim.sim.verilate.toolchain import find_toolchain

from .machine_blocks import Wanted, Work

_HERE = Path(__file__).parent


def rtl_key(rtl_dir: Path) -> str:
    """Return a hash of all RTL, of the player, of this package and of Verilator's version."""
    files = [*rtl_dir.rglob("*.sv"), *rtl_dir.rglob("*.svh"), *rtl_dir.rglob("*.vh")]
    parts = [(path.relative_to(rtl_dir).as_posix(), path.read_bytes()) for path in sorted(files)]
    ours = [*_HERE.glob("*.py"), *(_HERE.parent / "sim" / "player").glob("player.*")]
    parts += [(path.name, path.read_bytes()) for path in sorted(ours)]
    found = hashlib.blake2b(str(find_toolchain().version).encode(), digest_size=16)
    for name, content in parts:
        found.update(f"{name} {len(content)} ".encode())
        found.update(content)
    return found.hexdigest()


@dataclass(kw_only=True)
class Verified:
    """Operations whose blocks gave exact torch's bits, on these inputs and with this RTL.

    Each is one line of a file that is only appended to, by any number of processes; a line that a
    killed process left half-written does not count.

    Attributes:
        path: of the file.
        known: what blocks did, by key.
    """

    path: Path
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    _weights: dict[int, tuple[nn.Parameter, bytes]] = field(default_factory=dict)

    @classmethod
    def open(cls, rtl: str, *, cache: Path | None = None) -> Verified:
        """Read what is known of an RTL.

        Args:
            rtl: from `rtl_key`.
            cache: the user's cache directory when None.
        """
        path = (cache or cache_root()) / "cosim" / f"verified-{rtl}.jsonl"
        found = cls(path=path)
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    found.known[entry["key"]] = entry["work"]
                except (ValueError, KeyError, TypeError):
                    continue
        return found

    def key(self, name: str, settings: Iterable[object], given: Iterable[Any]) -> str:
        """Return the key of an operation.

        Args:
            name: of the operation.
            settings: of the machine; their `repr` counts.
            given: its arguments.
        """
        found = hashlib.blake2b(digest_size=20)
        found.update(repr((name, *settings)).encode())
        for each in given:
            found.update(self._digest(each))
        return found.hexdigest()

    def work(self, key: str) -> dict[str, Work] | None:
        """Return what blocks did when an operation was compared; None: it was not yet."""
        found = self.known.get(key)
        try:
            return None if found is None else {name: Work(**each) for name, each in found.items()}
        except TypeError:
            return None

    def add(self, key: str, work: dict[Wanted, Work]) -> None:
        """Note that an operation was equal.

        Args:
            key: from `key`.
            work: of its blocks.
        """
        plain = {wanted.label: asdict(done) for wanted, done in work.items()}
        self.known[key] = plain
        line = json.dumps({"key": key, "work": plain}) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def _digest(self, given: Any) -> bytes:
        if isinstance(given, MxTensor):
            scales = self._digest(given.scales)
            return self._digest(given.values) + scales + repr((given.mx, given.axis)).encode()
        if not isinstance(given, Tensor):
            return repr(given).encode()
        base = given if given._base is None else given._base
        if isinstance(base, nn.Parameter):
            known = self._weights.get(id(base))
            if known is None:
                known = self._weights[id(base)] = (base, _bytes_digest(base))
            return known[1] + repr((given.shape, given.stride())).encode()
        return _bytes_digest(given)


def _bytes_digest(x: Tensor) -> bytes:
    flat = x.detach().contiguous().flatten().view(torch.uint8)
    head = repr((x.dtype, x.shape)).encode()
    return hashlib.blake2b(flat.numpy().data, digest_size=20).digest() + head
