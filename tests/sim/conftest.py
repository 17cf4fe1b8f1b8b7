"""Fixtures of the RTL tests: seed, results folder, and a toy block to test the machinery itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plena_cosim.sim.cache import cache_root
from plena_cosim.sim.player import load_op
from plena_cosim.sim.regression import RESULTS
from plena_cosim.sim.sources import RTL_DIR

from .toy import FORMATS, TOY, parameters, write_toy


@pytest.fixture(scope="session")
def sim_seed(request: pytest.FixtureRequest) -> int:
    """Seed of the random stimuli (`make sim SEED=7`)."""
    return int(request.config.getoption("sim_seed", 0))


@pytest.fixture(scope="session")
def sim_results(request: pytest.FixtureRequest) -> Path:
    """Folder for failing vectors and waveforms."""
    return Path(request.config.getoption("sim_results", None) or RESULTS)


@pytest.fixture(scope="session")
def sim_rtl(request: pytest.FixtureRequest) -> Path:
    """The RTL under test."""
    return Path(request.config.getoption("sim_rtl", None) or RTL_DIR)


@pytest.fixture
def empty_cache(tmp_path: Path) -> Path:
    """A build cache with nothing in it but Verilator's compiled runtime, which takes seconds."""
    load_op(TOY, FORMATS, parameters(8, 2), rtl_dir=write_toy(tmp_path))
    cache = tmp_path / "cache"
    for folder in (cache_root() / "verilated").glob("runtime-*"):
        shutil.copytree(folder, cache / "verilated" / folder.name)
    return cache
