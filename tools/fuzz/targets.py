"""What is read: for each kind of file its right contents, and the function that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.scratch_folder import scratch_folder

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A kind of file.

    Attributes:
        name: of the kind.
        suffix: of its files.
        right: contents that are read without an error.
        read: reads a file.
        refused: errors that it may raise.
    """

    name: str
    suffix: str
    right: Sequence[bytes]
    read: Callable[[Path], Any]
    refused: tuple[type[Exception], ...] = (PlenaError,)


def _recipes() -> Target:
    from plena_cosim.passes import load_quant_config

    files = sorted((ROOT / "configs" / "quant").glob("*.toml"))
    return Target(
        name="recipes",
        suffix=".toml",
        right=[path.read_bytes() for path in files],
        read=load_quant_config,
    )


def _quark() -> Target:
    from plena_cosim.interop.quark import scheme
    from plena_cosim.passes import load_quant_config

    names = ("int4_wo_32", "fp8", "mxfp4", "nvfp4")
    given = [{"global_quant_config": scheme(name).to_dict()} for name in names]
    return Target(
        name="Quark's configurations",
        suffix=".json",
        right=[json.dumps(each, indent=1, default=str).encode() for each in given],
        read=load_quant_config,
    )


def _tao() -> Target:
    from plena_cosim.passes import load_quant_config

    text = (
        "quantize:\n  backend: torchao\n  mode: weight_only_ptq\n"
        '  layers:\n    - module_name: "*.mlp.*"\n      weights: {dtype: int8}\n'
        '    - module_name: "Linear"\n      weights: {dtype: fp8_e4m3fn}\n'
        '  skip_names: ["lm_head"]\n  model_path: demo\n  results_dir: out\n'
    )
    return Target(
        name="TAO's specifications", suffix=".yaml", right=[text.encode()], read=load_quant_config
    )


def _machines() -> Target:
    from plena_cosim.golden import HardwareConfig

    files = sorted((ROOT / "configs" / "hw").glob("*.toml"))
    return Target(
        name="machines",
        suffix=".toml",
        right=[path.read_bytes() for path in files],
        read=HardwareConfig.load,
    )


def _tokens() -> Target:
    import torch

    from plena_cosim.sources.token_file import read_token_file, write_token_file

    with scratch_folder("fuzz") as folder:
        path = folder / "tokens.safetensors"
        write_token_file(path, torch.arange(64).reshape(4, 16), {"text": "demo", "seed": "0"})
        content = path.read_bytes()
    want = torch.arange(64).reshape(4, 16)

    def read(path: Path) -> None:
        tokens, metadata = read_token_file(str(path))
        if "sha256" in metadata and not torch.equal(tokens.flatten(), want.flatten()):
            raise AssertionError("other tokens were read without a word")

    return Target(name="token files", suffix=".safetensors", right=[content], read=read)


def _runs() -> Target:
    from plena_cosim.evaluate.results.run_folder import RunFile, read_run

    file = RunFile(
        command="eval ppl",
        arguments={"model": "demo", "limit": 4},
        samples={"text_sha256": "00", "seqlen": 512},
        key={"numerics": "fake", "seed": 0},
        baseline=False,
        environment={"commit": "abc", "threads": 1},
    )

    def read(path: Path) -> None:
        path.rename(path.with_name("run.json"))
        read_run(path.parent)

    return Target(
        name="run.json", suffix=".json", right=[file.model_dump_json(indent=2).encode()], read=read
    )


def _samples() -> Target:
    from plena_cosim.evaluate.results.sample_log import read_samples

    lines = [
        {"sample": f"window {number}", "negative_log_likelihood": 3.5, "tokens": 8}
        for number in range(6)
    ]
    content = "".join(json.dumps(each) + "\n" for each in lines).encode()
    return Target(name="samples", suffix=".jsonl", right=[content], read=read_samples)


def _images() -> Target:
    from plena_cosim.cosim.image.verify import read_manifest
    from plena_cosim.cosim.image.write import MANIFEST, VERSION

    tensor = {"name": "w", "address": 0, "shape": [4, 32], "scale_offset": 64, "scale_bytes": 4}
    manifest = {"version": VERSION, "tensors": [tensor], "machine": {"mlen": 32}}

    def read(path: Path) -> None:
        path.rename(path.with_name(MANIFEST))
        read_manifest(path.parent)

    return Target(
        name="manifests of images",
        suffix=".json",
        right=[json.dumps(manifest, indent=1).encode()],
        read=read,
    )


def _tasks() -> Target:
    from plena_cosim.evaluate.agent.task import read_tasks

    files = sorted((ROOT / "configs" / "agent").glob("*.jsonl"))
    return Target(
        name="tasks of agents",
        suffix=".jsonl",
        right=[path.read_bytes() for path in files],
        read=read_tasks,
    )


def _bodies() -> Target:
    from plena_cosim.serve.api.fields import ChatFields, CompletionFields, read_fields
    from plena_cosim.serve.errors import RequestError

    chat = {
        "model": "demo",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 8,
        "temperature": 0.5,
        "stop": ["\n"],
        "logprobs": True,
        "top_logprobs": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    }
    completion = {"model": "demo", "prompt": ["a", "b"], "n": 2, "seed": 3, "logprobs": 1}

    def read(path: Path) -> None:
        try:
            body = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return  # the server's own reader has said so before
        if not isinstance(body, dict):
            return
        read_fields(ChatFields if "messages" in body else CompletionFields, body)

    return Target(
        name="bodies of requests",
        suffix=".json",
        right=[json.dumps(each, indent=1).encode() for each in (chat, completion)],
        read=read,
        refused=(PlenaError, RequestError),
    )


MAKERS = (
    *(_recipes, _quark, _tao, _machines, _tokens),
    *(_runs, _samples, _images, _tasks, _bodies),
)
