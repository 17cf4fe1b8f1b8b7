"""The command that serves a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .models import Machine, MeasureDevice, ModelName, Numerics

app = typer.Typer()


@app.command()
def serve(
    model: ModelName = "demo",
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; without one the model runs as it is.")
    ] = None,
    numerics: Annotated[
        Numerics,
        typer.Option(help="fake: quantised values, torch arithmetic; exact: the machine's own."),
    ] = Numerics.FAKE,
    machine: Machine = None,
    device: MeasureDevice = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine only with a key.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0: a free one, which is printed.")
    ] = 8000,
    api_key_env: Annotated[
        str | None, typer.Option(help="The variable that holds the key which requests must have.")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="The file that holds the key which requests must have.")
    ] = None,
    max_batch: Annotated[int, typer.Option(min=1, help="Texts that are written at a time.")] = 16,
    max_queue: Annotated[int, typer.Option(min=0, help="Texts that may wait beside them.")] = 256,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens that a text may ask for; what chats get unasked.")
    ] = 1024,
    max_model_len: Annotated[
        int | None,
        typer.Option(min=2, help="Tokens of prompt and text; else what the model was made for."),
    ] = None,
    max_body: Annotated[
        int, typer.Option(min=1024, help="Bytes that the body of a request may have.")
    ] = 1 << 20,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds from a request's arrival to its end.")
    ] = 600.0,
    grace: Annotated[
        float, typer.Option(min=0.0, help="Seconds that texts have to their end after SIGTERM.")
    ] = 30.0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
) -> None:
    """Serve a model to clients of OpenAI's interface, quantised by a recipe.

    Needs plena-cosim[serve]. Every answer is what the same request would get alone. For example:

    plena serve --quant-config llama_w4a4_mxint.toml --numerics exact

    Then, in Python:

    openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="-").chat.completions.create(
    model="demo", messages=[{"role": "user", "content": "Hello"}])

    PUT /v1/config brings in another recipe for requests that begin later; GET shows the one that
    serves. /metrics is for Prometheus, /health for whoever starts servers. SIGTERM and Ctrl-C end
    it when what has begun is whole, or --grace is over.
    """
    from ..serve.limits import Limits
    from ..serve.run import run_serve

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    limits = Limits(
        max_batch=max_batch, max_queue=max_queue, max_tokens=max_tokens, timeout_s=timeout
    )
    run_serve(
        model=model,
        quant_config=quant_config,
        numerics=numerics.value,
        machine=machine,
        device=device,
        host=host,
        port=port,
        api_key_env=api_key_env,
        api_key_file=api_key_file,
        limits=limits,
        max_model_len=max_model_len,
        max_body=max_body,
        grace_s=grace,
        console=console,
    )
