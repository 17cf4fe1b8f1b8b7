"""A fault put into the RTL on purpose: what comparisons, benches and proofs have to find."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .rtl_files import RTL_DIR, RtlNotFoundError


@dataclass(frozen=True)
class Fault:
    """One piece of RTL text replaced.

    Attributes:
        file: relative to the RTL folder.
        old: text that stands there exactly once.
        new: what it becomes.
        name: what is wrong then, in a few words.
    """

    file: str
    old: str
    new: str
    name: str = ""

    def apply(self, text: str) -> str:
        """Return a text with the fault; RtlNotFoundError unless `old` stands there once."""
        if (count := text.count(self.old)) != 1:
            raise RtlNotFoundError(
                f"{self.old!r} stands {count} times in {self.file}, not once; name another piece"
            )
        return text.replace(self.old, self.new)

    def write(self, folder: Path, *, rtl_dir: Path = RTL_DIR) -> Path:
        """Copy the RTL into `folder`/rtl with the fault; return the copy.

        Args:
            folder: where the copy goes; `rtl` must not be there yet.
            rtl_dir: what is copied.

        Raises:
            RtlNotFoundError: `old` does not stand in the file exactly once.
        """
        text = self.apply((rtl_dir / self.file).read_text(encoding="utf-8"))
        rtl = folder / "rtl"
        shutil.copytree(rtl_dir, rtl)
        (rtl / self.file).write_text(text, encoding="utf-8")
        return rtl
