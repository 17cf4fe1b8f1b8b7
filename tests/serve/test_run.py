"""run_serve: what keeps a server from starting is said before a model is loaded."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.serve.errors import ServeError
from plena_cosim.serve.run import run_serve
from plena_cosim.sources import TextSourceError


def test_a_missing_package_is_said_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(TextSourceError, match=r"pip install 'plena-cosim\[serve\]'"):
        run_serve(model="absent")


def test_an_address_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"cannot listen on 127.0.0.1 port {port}: .*in use"):
            run_serve(model="absent", port=port)


def test_others_are_let_in_with_a_key_alone() -> None:
    with pytest.raises(ServeError, match=r"--host 0\.0\.0\.0 lets other machines in"):
        run_serve(model="absent", host="0.0.0.0", port=0)


def test_a_model_is_not_asked_for_more_than_it_was_made_for(chat_model: Path) -> None:
    with pytest.raises(FormatError, match="--max-model-len 4096 is more than the 2048 tokens"):
        run_serve(model=str(chat_model), port=0, max_model_len=4096)
