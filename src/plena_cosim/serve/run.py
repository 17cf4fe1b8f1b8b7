"""The work behind `plena serve`."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.layers.device import on_device
from plena_cosim.sources.errors import need

from .engine import Engine
from .errors import ServeError
from .limits import Limits
from .model_maker import ModelMaker
from .setting import Setting


def run_serve(
    *,
    model: str,
    quant_config: Path | None = None,
    numerics: str = "fake",
    machine: Path | None = None,
    device: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key_env: str | None = None,
    api_key_file: Path | None = None,
    limits: Limits | None = None,
    max_model_len: int | None = None,
    max_body: int = 1 << 20,
    grace_s: float = 30.0,
    console: Console | None = None,
) -> None:
    """Serve a model until SIGTERM or SIGINT.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        quant_config: a recipe; None: the model runs as it is, or as it was saved.
        numerics: "fake" or "exact".
        machine: a file of configs/hw, for exact numerics.
        device: where the model runs and calibrates.
        host, port: where to listen; port 0: one that is free, which is printed.
        api_key_env, api_key_file: where the key stands that requests must have.
        limits: what is taken on at most, but for `max_model_len`.
        max_model_len: tokens of a prompt and what follows; None: what the model was made for.
        max_body: bytes of a request's body.
        grace_s: seconds that answers have to their end after a signal.
        console: where is printed that the server is ready.

    Raises:
        ServeError: the key is missing, or the address cannot be had.
        FormatError, TextSourceError: of recipe and model; or a package is missing.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        need(package, extra="serve")
    from .api.app import Service, make_app
    from .api.key import KeyGuard, read_key
    from .api.metrics import Metrics
    from .api.server import Server

    console = console or Console()
    guard = KeyGuard(read_key(env=api_key_env, file=api_key_file, host=host))
    listening = _bound(host, port)
    hardware = None if machine is None else HardwareConfig.load(machine)
    recipe = None if quant_config is None else on_device(load_quant_config(quant_config), device)
    maker = ModelMaker.load(model, machine=hardware, device=device)
    with progress_bars(console) as progress:
        setting = Setting(base=recipe, numerics=numerics)
        served = maker.make(setting, progress=progress)
    limits = replace(limits or Limits(), max_model_len=_context(maker, max_model_len))
    metrics = Metrics()
    engine = Engine(served, maker.tokenizer, ends=maker.ends, limits=limits, on_step=metrics.step)
    service = Service(maker, engine, metrics, max_body=max_body)
    place = listening.getsockname()
    shown = f"[{place[0]}]" if ":" in place[0] else place[0]
    how = "as it is" if served.recipe is None else f"{served.recipe.source}, {served.numerics}"
    del served  # it goes when another one has taken its place
    line = f"serving {model} ({how}) at http://{shown}:{place[1]}/v1"
    app = make_app(service, guard, metrics)
    server = Server(app, engine, grace_s=grace_s, ready=lambda: _say(console, line))
    try:
        server.run_on(listening)
    finally:
        engine.close()
        listening.close()
    _say(console, "served: all requests have ended")


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address, which does not listen yet: loading takes its time."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, proto)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ServeError(
            f"cannot listen on {host} port {port}: {error}; give another --host or --port"
        ) from None
    return made


def _context(maker: ModelMaker, wanted: int | None) -> int:
    """Return how many tokens a prompt and what follows may have."""
    most = maker.context
    if wanted is not None and most is not None and wanted > most:
        raise FormatError(
            f"--max-model-len {wanted} is more than the {most} tokens that {maker.name} was made "
            "for; give fewer"
        )
    return wanted or most or Limits().max_model_len


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False, markup=False)
