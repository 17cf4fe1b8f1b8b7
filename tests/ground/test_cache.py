"""One cache folder for builds and downloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.ground.cache import cache_root


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "plena-cosim"
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", None):  # the specification: empty is unset
        if unset is None:
            monkeypatch.delenv("XDG_CACHE_HOME")
        else:
            monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_root() == tmp_path / ".cache" / "plena-cosim"
