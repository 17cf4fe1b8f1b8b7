"""`plena eval functions`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .destination import folder_to_write

app = typer.Typer()


@app.command()
def functions(
    categories: Annotated[
        str, typer.Option(help="BFCL's, joined with commas; simple, or all.")
    ] = "simple,multiple,parallel,irrelevance",
    model: Annotated[
        str | None, typer.Option(help="What plena serve serves; demo where no --base-url is given.")
    ] = None,
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; without one the model runs as it is.")
    ] = None,
    numerics: Annotated[str, typer.Option(help="fake or exact.")] = "fake",
    machine: Annotated[
        Path | None, typer.Option(help="A machine, for exact numerics: see plena machine.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where the model runs and is calibrated, such as cuda.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="A server that is there, such as http://127.0.0.1:8000/v1.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="The variable that holds the key of that server.")
    ] = None,
    served_model: Annotated[
        str | None, typer.Option(help="The model's name there; else the first one.")
    ] = None,
    style: Annotated[
        str, typer.Option(help="text: functions stand in the system message; tools: in the API.")
    ] = "text",
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many questions of each category.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens of an answer.")] = 256,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0: always the likeliest token.")
    ] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of what is drawn from.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    parallel: Annotated[int, typer.Option(min=1, help="Questions that are asked at a time.")] = 4,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds for an answer.")] = 600.0,
    data: Annotated[
        Path | None, typer.Option(help="The wheel of bfcl-eval; else it comes from PyPI.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write, help="Folder of the run; else one of its own under results/."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Ask again what the folder of the run holds.")
    ] = False,
) -> None:
    """Ask for calls of functions, and judge them by the rules of BFCL v4.

    The model is asked through plena serve, which is started for it, or through any other server of
    OpenAI's interface. Needs plena-cosim[serve,chat]. For example:

    plena eval functions --categories simple --limit 20 --quant-config llama_w4a4_mxint.toml
    """
    from ..evaluate.chat.asked import Place
    from ..evaluate.chat.client import Asking
    from ..evaluate.functions.run import Style, run_eval_functions
    from ..golden import FormatError

    if style not in list(Style):
        raise FormatError(f"unknown style {style!r}; known: {', '.join(Style)}")
    words: list[str] = []
    chosen = {
        "--model": model,
        "--quant-config": quant_config,
        "--machine": machine,
        "--device": device,
    }
    for name, value in chosen.items():
        words += [] if value is None else [name, str(value)]
    if base_url is None:
        words += ["--numerics", numerics, "--max-batch", str(parallel), "--timeout", str(timeout)]
        words += ["--max-tokens", str(max_new_tokens)]
    asking = Asking(max_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed)
    run_eval_functions(
        categories=[word.strip() for word in categories.split(",") if word.strip()],
        place=Place(
            serve=words,
            base_url=base_url,
            key_env=api_key_env,
            model=served_model,
            timeout_s=timeout,
        ),
        style=Style(style),
        asking=asking,
        parallel=parallel,
        limit=limit,
        data=data,
        out=out,
        results=Path("results"),
        overwrite=overwrite,
        console=console,
    )
