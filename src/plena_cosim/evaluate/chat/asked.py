"""Asked: the model that questions go to, and how it is quantised."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from plena_cosim.golden import FormatError

from .client import ChatClient
from .server import chat_server


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model is to be asked.

    Attributes:
        serve: options of `plena serve`, which is started with them; not with `base_url`.
        base_url: of a server that is there; None: one is started.
        key_env: the variable that holds its key.
        model: its name there; None: the first.
        timeout_s: seconds for an answer.
    """

    serve: Sequence[str] = ()
    base_url: str | None = None
    key_env: str | None = None
    model: str | None = None
    timeout_s: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The model.

    Attributes:
        client: that asks it.
        setting: what `plena serve` says of its quantisation; None: another server.
    """

    client: ChatClient
    setting: dict[str, Any] | None

    @property
    def arguments(self) -> dict[str, Any]:
        """Model and recipe, for run.json."""
        recipe = None if self.setting is None else self.setting["toml"]
        return {"model": self.client.model, "base_url": self.client.base_url, "recipe": recipe}

    @property
    def key(self) -> dict[str, Any]:
        """What answers depend on; of a foreign server its address."""
        served = None if self.setting is None else self.setting["fingerprint"]
        return {"model": self.client.model, "served": served or self.client.base_url}

    @property
    def unquantised(self) -> bool:
        """Whether it is known that nothing is quantised."""
        return self.setting is not None and self.setting["recipe"] is None

    def words(self) -> str:
        """How it is quantised, in a few words."""
        if self.setting is None:
            return "as its server has it"
        return "unquantised" if self.unquantised else f"a recipe, {self.setting['numerics']}"


@contextmanager
def asked(place: Place) -> Iterator[Asked]:
    """Give the model of a place, which is served for as long as the block runs.

    Args:
        place: where it is, or how it is to be served.

    Raises:
        FormatError, TextSourceError: it cannot be asked; with one clear message each.
    """
    if place.base_url is not None and place.serve:
        raise FormatError(
            f"--base-url is of a server that has its model; {place.serve[0]} goes without it"
        )
    key = None
    if place.key_env is not None:
        key = os.environ.get(place.key_env)
        if not key:
            raise FormatError(f"the variable {place.key_env}, of --api-key-env, is not set")
    with ExitStack() as stack:
        address = place.base_url or stack.enter_context(chat_server(place.serve))
        client = ChatClient(address, key=key, model=place.model, timeout_s=place.timeout_s)
        yield Asked(client=client, setting=client.setting())
