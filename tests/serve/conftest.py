"""What the tests of serve share: one thread, and a tiny model that chats."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.one_thread import one_thread

from plena_cosim.serve import ModelMaker

__all__ = ["one_thread"]


@pytest.fixture(scope="session")
def maker(chat_model: Path) -> ModelMaker:
    """What makes models of the tiny one."""
    return ModelMaker.load(str(chat_model))
