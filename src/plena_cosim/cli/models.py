"""Commands that measure, change and save models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.ground.progress_bar import progress_bars

from .console import console
from .destination import file_to_write, folder_to_write
from .eval_agent import app as agent_app
from .eval_diffusion import app as diffusion_app
from .eval_functions import app as functions_app

if TYPE_CHECKING:
    from ..cosim.rtl_numerics import RtlNumerics

app = typer.Typer()
eval_app = typer.Typer(no_args_is_help=True, help="Measure a model under a quantisation recipe.")
app.add_typer(eval_app, name="eval")
eval_app.add_typer(functions_app)
eval_app.add_typer(agent_app)
eval_app.add_typer(diffusion_app)
calib_app = typer.Typer(no_args_is_help=True, help="Collect and show calibration tokens.")
app.add_typer(calib_app, name="calib")
search_app = typer.Typer(no_args_is_help=True, help="Search what a recipe leaves open.")
app.add_typer(search_app, name="search")


class Numerics(StrEnum):
    """How a quantised model computes."""

    FAKE = "fake"
    EXACT = "exact"


class MeasuredNumerics(StrEnum):
    """How a quantised model computes, in RTL too."""

    FAKE = "fake"
    EXACT = "exact"
    RTL = "rtl"


class Protocol(StrEnum):
    """How perplexity is measured."""

    WINDOWS = "windows"
    LM_EVAL = "lm-eval"


ModelName = Annotated[
    str, typer.Option(help="A folder, a Hugging Face hub id, or demo (SmolLM2-135M).")
]
TextName = Annotated[
    str,
    typer.Option(
        help="A UTF-8 file, demo (Wikipedia articles), or wikitext2, c4, ptb of the hub: what "
        "papers evaluate on."
    ),
]
Machine = Annotated[
    Path | None, typer.Option(help="A machine, for exact numerics: see plena machine.")
]
RunOut = Annotated[
    Path | None,
    typer.Option(
        callback=folder_to_write, help="Folder of the run; else one of its own under results/."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Measure again what the folder of the run holds.")
]
RESULTS = Path("results")
Device = Annotated[
    str | None,
    typer.Option(help="Where calibration and search run, such as cpu; else as the recipe says."),
]
MeasureDevice = Annotated[
    str | None,
    typer.Option(
        help="Where the model is measured and calibrated, such as cuda; else the CPU (a GPU each "
        "under accelerate), calibrated as the recipe says."
    ),
]


@eval_app.command()
def ppl(
    model: ModelName = "demo",
    text: TextName = "demo",
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; without one the model runs as it is.")
    ] = None,
    numerics: Annotated[
        MeasuredNumerics,
        typer.Option(
            help="fake: quantised values, torch arithmetic; exact: the hardware's GEMM; rtl: "
            "exact, in Verilated blocks, each code compared."
        ),
    ] = MeasuredNumerics.FAKE,
    ops: Annotated[
        str | None,
        typer.Option(help="With rtl: what runs in blocks, as for plena cosim run; else matmul."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="With rtl: threads; one a core by default.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="With rtl: compare again what was compared before.")
    ] = False,
    hardware: Machine = None,
    packed: Annotated[
        bool,
        typer.Option(
            "--keep-packed",
            help="Keep weights as codes: the same figures in less memory, and more time.",
        ),
    ] = False,
    device: MeasureDevice = None,
    seqlen: Annotated[
        int | None,
        typer.Option(min=2, help="Tokens in a window: 512; with lm-eval all that the model sees."),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens from one window to the next: windows overlap."),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(help="windows: of one stream; lm-eval: whole documents, as its wikitext."),
    ] = Protocol.WINDOWS,
    batch_size: Annotated[
        int, typer.Option(min=1, help="With lm-eval: windows that the model sees at once.")
    ] = 1,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Read only so many tokens; with lm-eval: documents."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of torch; recorded.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
    out: RunOut = None,
    overwrite: Overwrite = False,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", callback=file_to_write, help="Write the record here, too."),
    ] = None,
) -> None:
    """Measure token and word perplexity of a causal language model.

    Figures, samples and a report go into a folder under results/; interrupted, the same command
    goes on there. See plena report for what to do with several.

    For example, MXINT4 weights and activations with the matrix unit's own arithmetic:

    plena eval ppl --quant-config configs/quant/llama_w4a4_mxint.toml --numerics exact --limit 4096

    The same in RTL, to the last digit; the first code that differs ends the run with status 1:

    plena eval ppl --quant-config configs/quant/llama_w4a4_mxint.toml --numerics rtl --limit 512

    Documents of a .jsonl file (objects with "page" or "text"), to the last digit as lm-eval:

    plena eval ppl --text pages.jsonl --protocol lm-eval

    On several GPUs, each with a part of the windows, to the same digits:

    accelerate launch --multi_gpu --num_processes 4 -m plena_cosim eval ppl
    """
    from ..evaluate import run_eval_ppl

    _set_threads(threads)
    in_rtl = numerics is MeasuredNumerics.RTL
    if not in_rtl and (ops is not None or jobs is not None or fresh):
        raise typer.BadParameter("--ops, --jobs and --fresh go with --numerics rtl")
    with _a_difference_is_status_1():
        run_eval_ppl(
            model=model,
            text=text,
            quant_config=quant_config,
            numerics=numerics.value,
            hardware=hardware,
            device=device,
            seqlen=seqlen,
            stride=stride,
            protocol=protocol.value,
            batch_size=batch_size,
            limit=limit,
            seed=seed,
            out=out,
            results=RESULTS,
            overwrite=overwrite,
            json_path=json_path,
            console=console,
            rtl=_in_rtl(ops, jobs=jobs, fresh=fresh) if in_rtl else None,
            packed=packed,
        )


def _in_rtl(
    ops: str | None = None,
    *,
    jobs: int | str | None = None,
    fresh: bool = False,
    folder: Path | None = None,
) -> RtlNumerics:
    """Return what runs operations in blocks, which evaluations are handed."""
    from ..cosim.rtl_numerics import RtlNumerics

    return RtlNumerics.of(ops, jobs=jobs, fresh=fresh, folder=folder)


@contextmanager
def _a_difference_is_status_1() -> Iterator[None]:
    """End with status 1 and what differs where RTL and exact torch do, as plena cosim run does."""
    from ..cosim.errors import CosimMismatchError

    try:
        yield
    except CosimMismatchError as error:
        typer.echo(f"NOT equal: {error}", err=True)
        raise typer.Exit(1) from None


Width = Annotated[
    int | None,
    typer.Option(
        min=1, show_default=False, help="Of activations in MXINT: bits, or elements of a block."
    ),
]


@eval_app.command()
def phase(
    model: ModelName = "demo",
    text: TextName = "demo",
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; without one the model runs as it is.")
    ] = None,
    prefill_width: Width = None,
    decode_width: Width = None,
    prefill_attn_width: Width = None,
    prefill_ffn_width: Width = None,
    decode_attn_width: Width = None,
    decode_ffn_width: Width = None,
    prefill_block_size: Width = None,
    decode_block_size: Width = None,
    prefill_attn_block_size: Width = None,
    prefill_ffn_block_size: Width = None,
    decode_attn_block_size: Width = None,
    decode_ffn_block_size: Width = None,
    numerics: Annotated[Numerics, typer.Option(help="fake or exact.")] = Numerics.FAKE,
    hardware: Machine = None,
    device: MeasureDevice = None,
    seqlen: Annotated[int, typer.Option(min=4, help="Tokens in a window.")] = 256,
    prompt: Annotated[int, typer.Option(min=2, help="Tokens of it that are read at once.")] = 192,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows at once.")] = 4,
    limit: Annotated[int, typer.Option(min=4, help="Read only so many tokens.")] = 4096,
    seed: Annotated[int, typer.Option(min=0, help="Seed of torch; recorded.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
    out: RunOut = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure prefill and decode, each with activations of its own.

    The beginning of each window is read at once, the rest is decoded token by token through the
    cache. Widths and block sizes are of the inputs of linear layers, attn inside attention and ffn
    elsewhere in decoder layers; without either word they are of both. Weights stay as in the
    recipe. accelerate launch shares windows among GPUs, as for eval ppl. For example, four bits
    while reading, eight while writing:

    plena eval phase --quant-config R.toml --prefill-width 4 --decode-width 8
    """
    from ..evaluate.phase.phase_recipe import Activations, Part
    from ..evaluate.phase.run import run_eval_phase
    from ..passes.recipe.recipe import Phase

    def first(*given: int | None) -> int | None:
        return next((each for each in given if each is not None), None)

    _set_threads(threads)
    run_eval_phase(
        model=model,
        text=text,
        quant_config=quant_config,
        wanted={
            (Phase.PREFILL, Part.ATTENTION): Activations(
                width=first(prefill_attn_width, prefill_width),
                block_size=first(prefill_attn_block_size, prefill_block_size),
            ),
            (Phase.PREFILL, Part.FFN): Activations(
                width=first(prefill_ffn_width, prefill_width),
                block_size=first(prefill_ffn_block_size, prefill_block_size),
            ),
            (Phase.DECODE, Part.ATTENTION): Activations(
                width=first(decode_attn_width, decode_width),
                block_size=first(decode_attn_block_size, decode_block_size),
            ),
            (Phase.DECODE, Part.FFN): Activations(
                width=first(decode_ffn_width, decode_width),
                block_size=first(decode_ffn_block_size, decode_block_size),
            ),
        },
        numerics=numerics.value,
        hardware=hardware,
        device=device,
        seqlen=seqlen,
        prompt=prompt,
        batch_size=batch_size,
        limit=limit,
        seed=seed,
        out=out,
        results=RESULTS,
        overwrite=overwrite,
        console=console,
    )


@eval_app.command()
def attribute(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe.")],
    model: ModelName = "demo",
    text: TextName = "demo",
    by: Annotated[
        str, typer.Option(help="Groups: op, layer, role, or two of them as op×layer; with commas.")
    ] = "op,layer,role",
    heat: Annotated[
        str, typer.Option(help="Two of these for the heat map, such as op×layer; none: no map.")
    ] = "op×role",
    bits: Annotated[
        float | None,
        typer.Option(help="Propose a mixed recipe of so many bits a weight, scales included."),
    ] = None,
    numerics: Annotated[Numerics, typer.Option(help="fake or exact.")] = Numerics.FAKE,
    hardware: Machine = None,
    device: Device = None,
    seqlen: Annotated[int, typer.Option(min=2, help="Tokens in a window.")] = 512,
    limit: Annotated[int, typer.Option(min=2, help="Tokens that parts are measured on.")] = 2048,
    test_tokens: Annotated[
        int, typer.Option(min=2, help="Tokens after these that a mixed recipe is measured on.")
    ] = 8192,
    seed: Annotated[int, typer.Option(min=0, help="Seed of torch; recorded.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
    out: RunOut = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure what each part of a recipe costs: each alone, and each left out.

    With --bits a recipe of mixed weight widths is proposed, and measured beside the uniform one of
    the same bits on text that follows; where it does not win there, the command says so. For
    example, MXINT weights of 4 bits in blocks of 32 are 4.25 bits each:

    plena eval attribute --quant-config R.toml --bits 4.25
    """
    from ..evaluate.attribution.run import run_eval_attribute

    _set_threads(threads)
    run_eval_attribute(
        model=model,
        text=text,
        quant_config=quant_config,
        by=[axis.strip() for axis in by.split(",") if axis.strip()],
        heat=None if heat == "none" else heat,
        bits=bits,
        numerics=numerics.value,
        hardware=hardware,
        device=device,
        seqlen=seqlen,
        limit=limit,
        test_tokens=test_tokens,
        seed=seed,
        out=out,
        results=RESULTS,
        overwrite=overwrite,
        console=console,
    )


@eval_app.command()
def code(
    model: ModelName = "demo",
    dataset: Annotated[
        str,
        typer.Option(
            help="humaneval (164 problems), mbpp (of the hub), or a .jsonl file in the form of one."
        ),
    ] = "humaneval",
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; without one the model runs as it is.")
    ] = None,
    numerics: Annotated[Numerics, typer.Option(help="fake or exact.")] = Numerics.FAKE,
    hardware: Machine = None,
    device: MeasureDevice = None,
    samples: Annotated[int, typer.Option(min=1, help="Completions of each problem.")] = 1,
    k: Annotated[str, typer.Option(help="For pass@k; with commas, such as 1,10.")] = "1",
    temperature: Annotated[
        float, typer.Option(min=0, help="0: the most likely token; else logits are divided by it.")
    ] = 0.0,
    top_p: Annotated[
        float, typer.Option(help="The most likely tokens of this probability together are kept.")
    ] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a completion.")] = 512,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first problems.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=86400, help="Seconds of a program.")
    ] = 10.0,
    memory: Annotated[int, typer.Option(min=64, help="MiB of a program.")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Run programs even where nothing isolates them."),
    ] = False,
    out: RunOut = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure pass@k of programs that a model completes, each run in a sandbox.

    Programs have no network, see no files but Python's and their own, and are ended when they use
    too much; plena doctor says what isolates them here. For example, ten samples of each problem:

    plena eval code --quant-config R.toml --samples 10 --k 1,10 --temperature 0.8 --top-p 0.95
    """
    from ..evaluate.code.run import run_eval_code
    from ..evaluate.code.write import Sampling
    from ..sandbox.limits import MIB, Limits

    words = [each.strip() for each in k.split(",")]
    if not all(each.isdigit() for each in words):
        raise typer.BadParameter(f"--k takes numbers with commas, such as 1,10; got {k!r}")
    _set_threads(threads)
    run_eval_code(
        model=model,
        dataset=dataset,
        quant_config=quant_config,
        numerics=numerics.value,
        hardware=hardware,
        device=device,
        samples=samples,
        ks=[int(each) for each in words],
        sampling=Sampling(
            temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens, seed=seed
        ),
        limits=Limits(wall_s=timeout, cpu_s=max(1, math.ceil(timeout)), memory_bytes=memory * MIB),
        limit=limit,
        unsafe=unsafe,
        out=out,
        results=RESULTS,
        overwrite=overwrite,
        console=console,
    )


@eval_app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lm(context: typer.Context) -> None:
    """Evaluate a quantised model with lm-eval: all arguments are those of `lm_eval run`.

    --model plena is understood. --model_args takes pretrained=, recipe=, numerics=, machine=,
    calibration_device=, dtype= (float32), and what lm-eval's own "hf" takes; with numerics=rtl also
    ops= (matmul+softmax), jobs= and fresh=. For example:

    plena eval lm --model_args pretrained=demo,recipe=R.toml,numerics=exact --tasks arc_easy

    Without a network, questions about the demo text: --tasks plena_demo_cloze --limit 20
    """
    from ..evaluate.harness.command import run_eval_lm

    with _a_difference_is_status_1():
        run_eval_lm(context.args, rtl=_in_rtl)


@calib_app.command()
def collect(
    task: Annotated[str, typer.Option(help="A task of lm-eval.")],
    out: Annotated[
        Path, typer.Option(callback=file_to_write, help="The safetensors file to write.")
    ],
    include_path: Annotated[
        Path | None, typer.Option(help="Folder of the task's YAML file, if it is not lm-eval's.")
    ] = None,
    model: ModelName = "demo",
    nsamples: Annotated[int, typer.Option(min=1, help="Samples.")] = 128,
    seqlen: Annotated[int, typer.Option(min=1, help="Tokens of a sample.")] = 2048,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of documents.")] = 0,
) -> None:
    """Collect calibration tokens from the prompts and answers of an evaluation task.

    They come from its training data, or from another split that it does not evaluate on. A recipe
    takes them with dataset = "tokens:PATH" and the same nsamples and seqlen. For example:

    plena calib collect --task arc_easy --nsamples 128 --seqlen 512 --out calib.safetensors
    """
    from ..evaluate.calibration_data import run_collect

    run_collect(
        task=task,
        out=out,
        include_path=include_path,
        model=model,
        nsamples=nsamples,
        seqlen=seqlen,
        seed=seed,
        console=console,
    )


@calib_app.command()
def show(
    source: Annotated[
        str, typer.Argument(help="A recipe's dataset, or a .safetensors, .txt or .jsonl file.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Whose tokenizer counts; the file's own model, or demo.")
    ] = None,
    nsamples: Annotated[int, typer.Option(min=1, help="Samples of a text.")] = 128,
    seqlen: Annotated[int, typer.Option(min=1, help="Tokens of a sample of a text.")] = 2048,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the places in a text.")] = 0,
) -> None:
    """Show what a calibration set is, where it comes from and how it begins.

    For example: plena calib show demo --nsamples 32 --seqlen 512
    """
    from ..evaluate.calibration_data import run_show

    run_show(source, model=model, nsamples=nsamples, seqlen=seqlen, seed=seed, console=console)


@search_app.command()
def rotation(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe with a table rotation_search.")],
    model: Annotated[
        str | None,
        typer.Option(help="A folder, a hub id, or demo; else the recipe's model_name, or demo."),
    ] = None,
    device: Device = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=file_to_write, help="Write the recipe with the rotations here, as TOML."
        ),
    ] = None,
    json_path: Annotated[
        Path,
        typer.Option("--json", callback=file_to_write, help="Write the record of the search here."),
    ] = Path("results/search/rotation.json"),
    picture: Annotated[
        Path, typer.Option(callback=file_to_write, help="Draw the rounds here.")
    ] = Path("results/search/rotation.png"),
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
) -> None:
    """Search the online Hadamard rotations that lower a model's perplexity, one after another.

    Each perplexity is noted as soon as it is measured: after Ctrl-C the same command goes on, and
    once finished it answers in seconds. For example:

    plena search rotation --quant-config configs/quant/X.toml --out X-rotated.toml
    """
    from ..evaluate.rotation_search.run import run_search_rotation

    _set_threads(threads)
    run_search_rotation(
        model=model,
        quant_config=quant_config,
        device=device,
        json_path=json_path,
        picture=picture,
        out=out,
        console=console,
    )


@app.command()
def inspect(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe.")],
    model: ModelName = "demo",
    numerics: Annotated[Numerics, typer.Option(help="fake or exact.")] = Numerics.FAKE,
    hardware: Machine = None,
    device: Device = None,
    every: Annotated[bool, typer.Option("--all", help="A line for each module.")] = False,
    json_path: Annotated[
        Path | None,
        typer.Option(
            "--json", callback=file_to_write, help="Write the record of all modules here."
        ),
    ] = None,
) -> None:
    """Show what a recipe makes of every module of a model: formats, bits, errors, clipping.

    For example: plena inspect --quant-config configs/quant/llama_w4a4kv4_mxint.toml
    """
    from ..evaluate.inspect import run_inspect

    run_inspect(
        model=model,
        quant_config=quant_config,
        numerics=numerics.value,
        hardware=hardware,
        device=device,
        every=every,
        json_path=json_path,
        console=console,
    )


@app.command()
def quantize(
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; it goes with --out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(callback=folder_to_write, help="The folder to make.")
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(help="In place of a recipe: an experiment file of NVIDIA TAO.")
    ] = None,
    results_dir: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write, help="With --spec: the folder to make, not the file's."
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(help="With --spec: a folder of images, or the text for a language model."),
    ] = None,
    calibration_images: Annotated[
        int, typer.Option(min=1, help="With --spec: so many images of the folder at most.")
    ] = 128,
    model: Annotated[
        str | None,
        typer.Option(help="A folder, a hub id, or demo; else the --spec's model_path, or demo."),
    ] = None,
    numerics: Annotated[
        Numerics, typer.Option(help="How the saved model computes: fake, or exact as hardware.")
    ] = Numerics.FAKE,
    hardware: Machine = None,
    device: Device = None,
    dequantized: Annotated[
        bool,
        typer.Option("--dequantized", help="Save plain values, which need no plena to be loaded."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model that is in the folder.")
    ] = False,
) -> None:
    """Quantise a model by a recipe and save it: packed codes and the recipe.

    plena quantize --quant-config configs/quant/llama_w4a4_mxint.toml --out build/demo-w4a4

    plena eval ppl --model build/demo-w4a4

    With the section quantize of a TAO experiment file, models of images too (docs/tao.md):

    plena quantize --spec experiment.yaml --model resnet --calibration images --results-dir build/q
    """
    if spec is not None:
        if quant_config is not None or out is not None:
            raise typer.BadParameter(
                "--spec has a recipe in it and goes with --results-dir; leave --quant-config and "
                "--out away"
            )
        from ..evaluate.experiment.run import run_quantize_experiment

        run_quantize_experiment(
            spec=spec,
            model=model,
            calibration=calibration,
            calibration_images=calibration_images,
            results_dir=results_dir,
            numerics=numerics.value,
            hardware=hardware,
            device=device,
            dequantized=dequantized,
            overwrite=overwrite,
            console=console,
        )
        return
    if quant_config is None or out is None:
        raise typer.BadParameter("give --quant-config and --out, or --spec")
    if results_dir is not None or calibration is not None:
        raise typer.BadParameter(
            "--results-dir and --calibration go with --spec; a recipe has --out and [ranges]"
        )
    from ..evaluate.quantize import run_quantize

    run_quantize(
        model=model or "demo",
        quant_config=quant_config,
        out=out,
        numerics=numerics.value,
        hardware=hardware,
        device=device,
        dequantized=dequantized,
        overwrite=overwrite,
        console=console,
    )


@app.command()
def ladder(
    model: ModelName = "demo",
    recipes: Annotated[
        Path, typer.Option(help="A folder of recipes; its ladder.toml orders and names the steps.")
    ] = Path("configs/quant/ladder"),
    text: TextName = "demo",
    limit: Annotated[int, typer.Option(min=2, help="Read only so many tokens.")] = 12288,
    seqlen: Annotated[int, typer.Option(min=2, help="Tokens in a window.")] = 512,
    out: Annotated[
        Path,
        typer.Option(
            callback=folder_to_write,
            help="Folder of ladder.json, ladder.png, logs and what is kept.",
        ),
    ] = Path("results/ladder"),
    only: Annotated[
        list[str] | None, typer.Option(help="Only this step (and fp32); may be given again.")
    ] = None,
    exact: Annotated[
        list[str] | None,
        typer.Option(help="This step with exact numerics, too; may be given again."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
    device: Device = None,
    markdown: Annotated[
        bool, typer.Option(help="Print the last run's table in Markdown; measure nothing.")
    ] = False,
) -> None:
    """Measure a model under one recipe after another: what each step of a quantisation costs.

    It begins with fp32 and takes the recipes of a folder in the order of ladder.toml, or of their
    names: round to nearest, GPTQ, clipping, rotation. A row shows perplexity, its change to the
    step before, times, and the peak memory of the step's own process; see docs/ladder.md.

    Run again, it goes on: a row is measured anew if its recipe, the model, the text, --limit,
    --seqlen, --threads or the code has changed. Exit code 1 if a row failed.

    plena ladder

    plena ladder --only 30_a --exact 30_a --limit 2048 --out results/try
    """
    from ..evaluate.ladder.run import ladder_markdown, run_ladder

    if markdown:
        typer.echo(ladder_markdown(recipes=recipes, out=out))
        return
    complete = run_ladder(
        model=model,
        recipes=recipes,
        text=text,
        limit=limit,
        seqlen=seqlen,
        out=out,
        only=only or [],
        exact=exact or [],
        threads=threads,
        device=device,
        console=console,
    )
    if not complete:
        raise typer.Exit(1)


@app.command()
def families(
    check: Annotated[
        bool, typer.Option("--check", help="Try them now; else the table of docs/recipe.md.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this family; may be given again.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of a table; with --check.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Check all, and renew the table of docs/recipe.md.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Families at a time.")] = 1,
) -> None:
    """Show what becomes of each family of causal language models that transformers knows.

    Each is built small, with random weights and without a network; a recipe of four bits takes
    every weight matrix and, one after another, cache, scores and outputs of attention. All take
    some ten minutes. Exit code 1 if a family has met a fault of this project.

    plena families --check --only llama --only mamba
    """
    from ..docs import family_table

    if write and only:
        raise typer.BadParameter("--write needs all families; leave --only away")
    if as_json and not (check or write):
        raise typer.BadParameter("--json needs --check: the table that is written has only words")
    if not (check or write):
        heading, rows = family_table.stored()
        _show_families(heading, [row for row in rows if not only or row[0] in only])
        return
    from ..evaluate.families.run import run_families

    with progress_bars(Console(stderr=True)) as progress:
        record = run_families(only or (), jobs=jobs, progress=progress)
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        _show_families(family_table.heading(record), family_table.rows(record))
    if write:
        renewed = family_table.write(record)
        typer.echo(f"{'renewed' if renewed else 'fresh'}: {family_table.DOCUMENT}", err=as_json)
    if any(result["fault"] for result in record["families"]):
        raise typer.Exit(1)


def _show_families(heading: str, rows: list[tuple[str, ...]]) -> None:
    from ..docs.family_table import HEADER

    table = Table(title=heading, show_lines=True)
    for name, ratio in zip(HEADER, (3, 2, 6, 5), strict=True):
        table.add_column(name, overflow="fold", ratio=ratio)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
