"""`plena eval agent`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .destination import folder_to_write

app = typer.Typer()


@app.command()
def agent(
    tasks: Annotated[
        Path, typer.Option(help="A file of tasks, JSON a line; or OSWorld's, with --osworld.")
    ],
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
    max_steps: Annotated[int, typer.Option(min=1, help="Answers of the model in a task.")] = 15,
    max_trajectory_length: Annotated[
        int, typer.Option(min=0, help="Earlier steps that the model is shown.")
    ] = 8,
    offer_tools: Annotated[
        bool,
        typer.Option(
            "--offer-tools", help="Hand tools to the API; else they stand in the system message."
        ),
    ] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of an answer.")] = 512,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0: always the likeliest token.")
    ] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of what is drawn from.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many tasks.")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Tasks at a time.")] = 1,
    wall: Annotated[float, typer.Option(min=0.5, help="Seconds that a program may take.")] = 20.0,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds for an answer.")] = 600.0,
    osworld: Annotated[
        Path | None, typer.Option(help="A checkout of OSWorld, whose runner is called.")
    ] = None,
    osworld_env: Annotated[
        str, typer.Option(help="Arguments of its DesktopEnv, as a JSON object.")
    ] = "{}",
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write, help="Folder of the run; else one of its own under results/."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Do again what the folder of the run holds.")
    ] = False,
) -> None:
    """Let a model work on tasks with files and a shell in a sandbox, step by step.

    The model is asked through plena serve, which is started for it, or through any other server of
    OpenAI's interface. Needs plena-cosim[serve,chat]. For example:

    plena eval agent --tasks configs/agent/files_and_shell.jsonl --max-steps 5 --max-tokens 64
    """
    from ..evaluate.agent.run import run_eval_agent
    from ..evaluate.agent.solve import Bounds
    from ..evaluate.chat.asked import Place, asked
    from ..evaluate.chat.client import Asking
    from ..golden import FormatError

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
        words += ["--max-tokens", str(max_tokens)]
    place = Place(
        serve=words, base_url=base_url, key_env=api_key_env, model=served_model, timeout_s=timeout
    )
    asking = Asking(max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
    if osworld is not None:
        from ..evaluate.agent.osworld import OsworldAgent, run_osworld

        try:
            given = json.loads(osworld_env)
        except ValueError as error:
            raise FormatError(f"--osworld-env is no JSON ({error})") from None
        if not isinstance(given, dict):
            raise FormatError("--osworld-env is no JSON object")
        folder = out or Path("results/osworld")
        with asked(place) as found:
            driven = OsworldAgent(found.client, asking, trajectory=max_trajectory_length)
            scores = run_osworld(
                osworld, driven, examples=tasks, out=folder, max_steps=max_steps, environment=given
            )
        count = len(scores)
        console.print(f"OSWorld: {sum(scores):g} of {count} tasks; trajectories in {folder}")
        return
    bounds = Bounds(
        max_steps=max_steps, trajectory=max_trajectory_length, offered=offer_tools, wall_s=wall
    )
    run_eval_agent(
        tasks=tasks,
        place=place,
        asking=asking,
        bounds=bounds,
        parallel=parallel,
        limit=limit,
        out=out,
        results=Path("results"),
        overwrite=overwrite,
        console=console,
    )
