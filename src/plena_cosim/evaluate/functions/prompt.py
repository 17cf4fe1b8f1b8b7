"""How a question is put to a model: as text in BFCL's words, or with tools."""

from __future__ import annotations

import ast
import copy
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plena_cosim.sources import TextSourceError

from .questions import Question

JSON_TYPES = {
    "integer": "integer",
    "float": "number",
    "string": "string",
    "boolean": "boolean",
    "array": "array",
    "dict": "object",
    "tuple": "array",
    "any": "string",
}
_WORDS = ("OUTPUT_FORMAT_MAPPING", "PARAM_TYPE_MAPPING", "PROMPT_STYLE_TEMPLATES")
_LAYOUT = "_PLAINTEXT_SYSTEM_PROMPT_TEMPLATE"


@dataclass(frozen=True)
class Wording:
    """BFCL's default words, read from its wheel and never executed.

    Attributes:
        system: of the system message, with a place for `functions`.
        hint: what is said behind a function's description.
    """

    system: str
    hint: str

    @classmethod
    def of_wheel(cls, wheel: Path) -> Wording:
        """Return the words of a wheel.

        Raises:
            TextSourceError: they are not where they are expected.
        """
        try:
            with zipfile.ZipFile(wheel) as archive:
                prompts = ast.parse(archive.read("bfcl_eval/constants/default_prompts.py"))
                utils = ast.parse(archive.read("bfcl_eval/utils.py"))
            known = _constants(prompts)
            formats, types, styles = (known[name] for name in _WORDS)
            style = styles["classic"]
            call = style["tool_call_no_tag"].format(
                output_format=formats["python"], param_types=types["python"]
            )
            system = known[_LAYOUT].format(
                persona=style["persona"],
                task=style["task"],
                tool_call_format=call,
                multiturn_behavior=style["multiturn_behavior"],
                available_tools=style["available_tools"].replace("{format}", "json"),
            )
            return cls(system=system, hint=_hint(utils))
        except (KeyError, ValueError, OSError, SyntaxError, zipfile.BadZipFile) as error:
            raise TextSourceError(f"{wheel} has no words to ask with ({error})") from None


def as_text(question: Question, wording: Wording) -> list[dict[str, str]]:
    """Return messages that describe the functions in a system message.

    Args:
        question: to be asked.
        wording: BFCL's.

    Returns:
        Messages with `role` and `content`, the system message first.
    """
    functions = [
        {**each, "description": each["description"] + wording.hint} for each in question.functions
    ]
    system = wording.system.replace("{functions}", json.dumps(functions, indent=4))
    messages = [dict(each) for each in question.messages]
    if messages[0]["role"] == "system":
        messages[0]["content"] = f"{system}\n\n{messages[0]['content']}"
        return messages
    return [{"role": "system", "content": system}, *messages]


def as_tools(
    question: Question, wording: Wording
) -> tuple[list[dict[str, str]], list[dict[str, Any]], dict[str, str]]:
    """Return messages, and functions as tools of the chat API.

    A name may hold no dots there; they become underscores.

    Args:
        question: to be asked.
        wording: BFCL's.

    Returns:
        Messages, tools, and the functions' own names by those under which they are offered.
    """
    tools, names = [], {}
    for each in question.functions:
        name = re.sub(r"\.", "_", each["name"])
        names[name] = each["name"]
        parameters = {
            "type": "object",
            "properties": _json_properties(each["parameters"]["properties"]),
            "required": list(each["parameters"]["required"]),
        }
        function = {
            "name": name,
            "description": each["description"] + wording.hint,
            "parameters": parameters,
        }
        tools.append({"type": "function", "function": function})
    return [dict(each) for each in question.messages], tools, names


def _json_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return BFCL's types in JSON Schema's words."""
    found = {}
    for name, described in properties.items():
        made = copy.deepcopy(dict(described))
        made["type"] = JSON_TYPES.get(described["type"], "string")
        if "properties" in made:
            made["properties"] = _json_properties(made["properties"])
        elif "items" in made:
            made["items"] = _json_properties({"items": made["items"]})["items"]
        found[name] = made
    return found


def _constants(module: ast.Module) -> dict[str, Any]:
    """Return the module's names that stand for constants."""
    found = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def _hint(module: ast.Module) -> str:
    """Return what BFCL says of functions in Python: the last text that its function returns."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "_get_language_specific_hint":
            texts = [
                each.value.value
                for each in ast.walk(node)
                if isinstance(each, ast.Return)
                and isinstance(each.value, ast.Constant)
                and isinstance(each.value.value, str)
                and "Python" in each.value.value
            ]
            return texts[-1]
    raise KeyError("_get_language_specific_hint")
