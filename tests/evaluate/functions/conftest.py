"""A small wheel of the kind that holds BFCL's questions."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

PROMPTS = """
OUTPUT_FORMAT_MAPPING = {"python": "[f(a=1)]"}
PARAM_TYPE_MAPPING = {"python": ""}
PROMPT_STYLE_TEMPLATES = {
    "classic": {
        "persona": "You call.",
        "task": "Call.",
        "tool_call_no_tag": "As {output_format}. {param_types}",
        "multiturn_behavior": "Go on.",
        "available_tools": "Functions in {format}:\\n{functions}\\n",
    }
}
_PLAINTEXT_SYSTEM_PROMPT_TEMPLATE = (
    "{persona} {task}\\n{tool_call_format}\\n{multiturn_behavior}\\n{available_tools}"
)
other = len("never executed")
"""
UTILS = """
def _get_language_specific_hint(category):
    if category == "java":
        return " In Java."
    else:
        return " In Python."
"""


def function(name: str, required: list[str] | None = None, **types: Any) -> dict[str, Any]:
    """A function's description, of parameters with their types."""
    properties = {
        key: {"type": kind} if isinstance(kind, str) else kind for key, kind in types.items()
    }
    parameters = {
        "type": "dict",
        "properties": properties,
        "required": list(types) if required is None else required,
    }
    return {"name": name, "description": f"Does {name}.", "parameters": parameters}


def asked(text: str, name: str, *functions: dict[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"id": name, "question": [messages], "function": list(functions)}


ADD = function("math.add", a="integer", b="integer")
SAY = function("say", text="string")
QUESTIONS: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {
    "simple_python": (
        [asked("one and two", "simple_python_0", ADD), asked("w3 w4", "simple_python_1", SAY)],
        [[{"math.add": {"a": [1], "b": [2]}}], [{"say": {"text": ["w3"]}}]],
    ),
    "parallel": (
        [asked("twice", "parallel_0", ADD)],
        [[{"math.add": {"a": [1], "b": [2]}}, {"math.add": {"a": [3], "b": [4]}}]],
    ),
    "irrelevance": ([asked("nothing", "irrelevance_0", ADD)], []),
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wheel") / "bfcl.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bfcl_eval/constants/default_prompts.py", PROMPTS)
        archive.writestr("bfcl_eval/utils.py", UTILS)
        for category, (questions, answers) in QUESTIONS.items():
            name = f"BFCL_v4_{category}.json"
            archive.writestr(f"bfcl_eval/data/{name}", "\n".join(map(json.dumps, questions)))
            lines = [
                json.dumps({"id": each["id"], "ground_truth": truth})
                for each, truth in zip(questions, answers, strict=False)
            ]
            if lines:
                archive.writestr(f"bfcl_eval/data/possible_answer/{name}", "\n".join(lines))
    return path
