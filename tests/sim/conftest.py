"""Fixtures of the RTL tests: seed, results folder, and a toy block to test the machinery itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sim.regression import RESULTS


@pytest.fixture(scope="session")
def sim_seed(request: pytest.FixtureRequest) -> int:
    """Seed of the random stimuli (`make sim SEED=7`)."""
    return int(request.config.getoption("sim_seed", 0))


@pytest.fixture(scope="session")
def sim_results(request: pytest.FixtureRequest) -> Path:
    """Folder for failing vectors and waveforms."""
    return Path(request.config.getoption("sim_results", None) or RESULTS)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "plena-cosim"
