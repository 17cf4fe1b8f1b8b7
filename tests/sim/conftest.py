"""A toy block to test the machinery itself, and a build cache to build it in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plena_cosim.ground.cache import cache_root
from plena_cosim.sim.player.player import load_op

from .toy import FORMATS, TOY, parameters, write_toy


@pytest.fixture
def empty_cache(tmp_path: Path) -> Path:
    """A build cache with nothing in it but Verilator's compiled runtime, which takes seconds."""
    load_op(TOY, FORMATS, parameters(8, 2), rtl_dir=write_toy(tmp_path))
    cache = tmp_path / "cache"
    for folder in (cache_root() / "verilated").glob("runtime-*"):
        shutil.copytree(folder, cache / "verilated" / folder.name)
    return cache
