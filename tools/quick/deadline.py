"""A pytest plugin that skips what has not begun when the time is over (`-p tools.quick.deadline`).

Recorded seconds say what should fit into the budget; a machine that is busy, or tests that nobody
has timed, would take longer.
"""

from __future__ import annotations

import time

import pytest

REASON = "the budget is spent"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option --quick-deadline."""
    parser.addoption("--quick-deadline", type=float, help="seconds since the epoch")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that would begin too late."""
    deadline = item.config.getoption("quick_deadline")
    if deadline is not None and time.time() > deadline:
        pytest.skip(REASON)
