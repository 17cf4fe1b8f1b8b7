"""Saved models are read by programs that never heard of plena: torch tells transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from plena_cosim.passes import quantize_module_transform_pass

from ..task_folder import write_task

TABLE = {
    "name": "mxint",
    "weight_block_size": 16,
    "weight_width": 4,
    "data_in_block_size": 16,
    "data_in_width": 4,
}
KV_CACHE = {"name": "mxint", "kv_cache": {"data_in_block_size": 8, "data_in_width": 4}}
RECIPE = {r"model\.layers\.\d+\..*_proj": TABLE, r".*self_attn": KV_CACHE}
IDS = torch.arange(20)[None]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process in which plena is installed as pyproject.toml says."""
    folder = tmp_path_factory.mktemp("site")
    groups = tomllib.loads(Path("pyproject.toml").read_text())["project"]["entry-points"]
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {where}" for name, where in entries.items()))
    ]
    metadata = folder / "plena_cosim-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plena-cosim\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    path = os.pathsep.join([str(folder), str(Path("src").resolve())])
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def run(program: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_at_the_import_of_torch_nearly_nothing_happens(installed: dict[str, str]) -> None:
    program = "import sys, torch; print([m for m in sys.modules if m.startswith('plena_cosim.')])"
    names = "['plena_cosim.passes._registration', 'plena_cosim.passes']\n"
    assert run(program, installed) == names


@pytest.mark.parametrize(
    "first", ["import transformers.modeling_utils", "from transformers.quantizers import auto"]
)
def test_torch_may_be_imported_by_transformers(first: str, installed: dict[str, str]) -> None:
    program = (
        f"{first}\n"
        "import sys, transformers.modeling_utils\n"
        "from transformers.quantizers import auto\n"
        "for known in auto.AUTO_QUANTIZATION_CONFIG_MAPPING, auto.AUTO_QUANTIZER_MAPPING:\n"
        "    assert 'plena' in known\n"
        "assert 'plena_cosim.passes.hf_quantizer' not in sys.modules\n"
        "assert not any('Waiting' in type(finder).__name__ for finder in sys.meta_path)\n"
    )
    run(program, installed)


def test_a_saved_model_is_equal_in_every_bit(
    installed: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    expected = {}
    for numerics in ("fake", "exact"):
        model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
        quantize_module_transform_pass(model, RECIPE, numerics=numerics)
        model.save_pretrained(tmp_path / numerics)
        with torch.no_grad():
            expected[numerics] = model(IDS).logits
    program = (
        "import torch\n"
        "from transformers import AutoModelForCausalLM\n"
        "found = {}\n"
        "for name in ('fake', 'exact'):\n"
        f"    model = AutoModelForCausalLM.from_pretrained({str(tmp_path)!r} + '/' + name)\n"
        "    with torch.no_grad(): found[name] = model(torch.arange(20)[None]).logits\n"
        f"torch.save(found, {str(tmp_path / 'found.pt')!r})\n"
    )
    run(program, installed)
    found = torch.load(tmp_path / "found.pt")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_lm_eval_reads_it_as_any_model(
    installed: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    quantize_module_transform_pass(model, RECIPE)
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model, eos_token="[UNK]")
    tokenizer.save_pretrained(folder)
    rows = [
        {"q": " ".join(f"w{(i * i + k) % 60}" for i in range(6)), "choices": ["w3", f"w{k}"]}
        for k in range(4, 9)
    ]
    keys = {"output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": 0}
    metrics = {"metric_list": [{"metric": "acc"}]}
    write_task(tmp_path, "quiz", {"test": rows}, test_split="test", **keys, **metrics)
    program = (
        "import json, lm_eval\n"
        "from lm_eval.tasks import TaskManager\n"
        f"tasks = TaskManager(include_path={str(tmp_path)!r}, include_defaults=False)\n"
        f"given = 'pretrained={folder},dtype=float32'\n"
        "found = lm_eval.simple_evaluate(model='hf', model_args=given, tasks=['quiz'],\n"
        "    task_manager=tasks, device='cpu', batch_size=1, bootstrap_iters=0)\n"
        "answers = [[answer[0] for answer in each['filtered_resps']]\n"
        "           for each in found['samples']['quiz']]\n"
        "print(json.dumps([found['results']['quiz']['acc,none'], answers]))\n"
    )
    accuracy, answers = json.loads(run(program, installed).splitlines()[-1])
    expected = [
        [log_probability(model, tokenizer, row["q"], choice) for choice in row["choices"]]
        for row in rows
    ]
    assert answers == [pytest.approx(pair, abs=1e-5) for pair in expected]
    assert accuracy == sum(first > second for first, second in expected) / len(rows)
    plain = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    assert abs(log_probability(plain, tokenizer, rows[0]["q"], "w3") - answers[0][0]) > 1e-4


def log_probability(model, tokenizer, question: str, answer: str) -> float:
    ids = tokenizer(f"{question} {answer}", return_tensors="pt").input_ids
    with torch.no_grad():
        scores = model(ids[:, :-1]).logits[0, -1].log_softmax(-1)
    return float(scores[ids[0, -1]])
