"""What `plena sim` chose: the seed, the folder for results, and the RTL under test."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sim.regression.run import RESULTS
from plena_cosim.sim.verilate.rtl_files import RTL_DIR


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
