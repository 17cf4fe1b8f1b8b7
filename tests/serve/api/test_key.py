"""Keys: a server that others can reach has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.serve.api.key import read_key
from plena_cosim.serve.errors import ServeError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_needs_no_key(host: str) -> None:
    assert read_key(env=None, file=None, host=host) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_others_need_one(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServeError, match="lets other machines in, which needs a key"):
        read_key(env=None, file=None, host=host)
    monkeypatch.setenv("SERVE_KEY", " secret\n")
    assert read_key(env="SERVE_KEY", file=None, host=host) == "secret"


def test_a_key_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERVE_KEY", raising=False)
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for env, file, words in (
        ("SERVE_KEY", None, "the variable SERVE_KEY holds no key"),
        (None, empty, "holds no key; put one there"),
        (None, tmp_path / "absent", "cannot be read"),
        ("SERVE_KEY", empty, "not both"),
    ):
        with pytest.raises(ServeError, match=words):
            read_key(env=env, file=file, host="127.0.0.1")
    (tmp_path / "key").write_text("secret\n")
    assert read_key(env=None, file=tmp_path / "key", host="0.0.0.0") == "secret"
