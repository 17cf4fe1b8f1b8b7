"""A peer that is not there, or cannot be imported, is named and stops nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import peers
from benchmarks.peers import Peer, find_peers


def broken() -> dict[str, peers.Quantizer]:
    raise ImportError("no module named x")


def test_reasons_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    monkeypatch.setattr(peers.sys, "path", list(peers.sys.path))
    (tmp_path / "broken").mkdir()
    (tmp_path / "good" / "good-1.2.dist-info").mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: good\nVersion: 1.2\n"
    (tmp_path / "good" / "good-1.2.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.setattr(
        peers,
        "PEERS",
        (
            Peer(name="absent", install=(), quantizers=dict),
            Peer(name="broken", install=(), quantizers=broken),
            Peer(name="good", install=(), quantizers=lambda: {"mxint8": lambda x: x}),
        ),
    )
    found = find_peers()
    assert found["absent"].reason == "not installed: make bench installs it"
    assert found["broken"].reason == "ImportError: no module named x"
    assert found["good"].reason == ""
    assert found["good"].version == "1.2"
    assert set(found["good"].quantizers) == {"mxint8"}


def test_no_stub_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(peers.sys.meta_path)
    with peers._stubs(("a_module_that_nobody_has",)):
        import a_module_that_nobody_has.inner as stub

        assert stub.anything is not None
    assert list(peers.sys.meta_path) == before
