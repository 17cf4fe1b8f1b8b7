"""OSWorld's tasks: an agent for its runner, which is called where it is installed.

OSWorld (https://github.com/xlang-ai/OSWorld) is a checkout, no package: its desktops run in virtual
machines. Its `lib_run_single.run_single_example` drives an object with `reset` and `predict` over
one task, and writes trajectory and score.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from plena_cosim.sources import TextSourceError

from ..chat.client import Asking
from .solve import Asks

WORDS = ("WAIT", "DONE", "FAIL")
"""What an answer may say in the place of code."""
_RULES = (
    "You control a desktop with Python and pyautogui. You see its accessibility tree. Answer with "
    "one block of Python between ``` that does the next step, or with one of the words WAIT (look "
    "again), DONE (the task is done) or FAIL (it cannot be done) between ```. Your code knows "
    "nothing of earlier steps; pyautogui has to be imported. "
)
_BLOCK = re.compile(r"```(?:[\w+-]*[ \t]*\n)?(.*?)```", re.DOTALL)
_LONGEST_TREE = 20_000


class OsworldAgent:
    """An agent as OSWorld's runner takes it: what it sees is the accessibility tree."""

    action_space = "pyautogui"

    def __init__(self, client: Asks, asking: Asking, *, trajectory: int = 3) -> None:
        """Make an agent.

        Args:
            client: of the model.
            asking: how it writes.
            trajectory: earlier steps that it is shown.
        """
        self._client, self._asking, self._trajectory = client, asking, trajectory
        self._steps: list[tuple[str, str]] = []

    def reset(self, *_: Any, **__: Any) -> None:
        """Begin another task; what runners of different years hand over is not needed."""
        self._steps.clear()

    def predict(self, instruction: str, obs: Mapping[str, Any]) -> tuple[str, list[str]]:
        """Return what the model says of a desktop, and the actions in it.

        Args:
            instruction: of the task.
            obs: with `accessibility_tree`.

        Raises:
            TextSourceError: there is no tree, or the server is gone.
        """
        tree = obs.get("accessibility_tree")
        if not isinstance(tree, str):
            raise TextSourceError(
                "the desktop gives no accessibility tree; start OSWorld's environment with "
                "require_a11y_tree=True"
            )
        seen = f"The accessibility tree:\n{tree[:_LONGEST_TREE]}"
        system = f"{_RULES}The task: {instruction}"
        messages = [{"role": "system", "content": system}]
        kept = self._steps[len(self._steps) - self._trajectory :] if self._trajectory else []
        for before, said in kept:
            messages.append({"role": "user", "content": before})
            messages.append({"role": "assistant", "content": said})
        messages.append({"role": "user", "content": seen})
        text = self._client.ask(messages, self._asking).text
        self._steps.append((seen, text))
        return text, actions_of(text)


def actions_of(text: str) -> list[str]:
    """Return the actions of an answer: pieces of code, and words of WORDS; WAIT where none is.

    Args:
        text: of the answer.
    """
    if text.strip() in WORDS:
        return [text.strip()]
    found = []
    for block in _BLOCK.findall(text):
        lines = block.strip().splitlines()
        # A word may stand behind code, on a line of its own.
        word = lines.pop() if lines and lines[-1].strip() in WORDS else None
        code = "\n".join(lines).strip()
        found += [each for each in (code, word and word.strip()) if each]
    return found or ["WAIT"]


def run_osworld(
    checkout: Path,
    agent: OsworldAgent,
    *,
    examples: Path,
    out: Path,
    max_steps: int,
    environment: Mapping[str, Any],
) -> list[float]:
    """Let OSWorld's runner drive an agent over a file of its examples.

    Args:
        checkout: of OSWorld, with its packages installed.
        agent: that acts.
        examples: JSON of OSWorld's: ids by domain, such as evaluation_examples/test_small.json.
        out: where it writes trajectories and scores.
        max_steps: of a task.
        environment: arguments of its DesktopEnv, such as provider_name and path_to_vm.

    Returns:
        The scores in the order of the examples.

    Raises:
        TextSourceError: OSWorld is not installed there.
    """
    sys.path.insert(0, str(checkout))
    try:
        single = importlib.import_module("lib_run_single")
        desktop = importlib.import_module("desktop_env.desktop_env")
    except ImportError as error:
        raise TextSourceError(
            f"OSWorld is not installed in {checkout} ({error}); clone "
            "https://github.com/xlang-ai/OSWorld and install its requirements.txt"
        ) from None
    finally:
        sys.path.remove(str(checkout))
    chosen = _read(examples)
    env = desktop.DesktopEnv(
        **{"action_space": agent.action_space, "require_a11y_tree": True, **environment}
    )
    scores: list[float] = []
    arguments = SimpleNamespace(max_steps=max_steps, sleep_after_execution=1.0, result_dir=str(out))
    try:
        for domain, names in chosen.items():
            for name in names:
                example = _read(examples.parent / "examples" / domain / f"{name}.json")
                folder = out / domain / name
                folder.mkdir(parents=True, exist_ok=True)
                single.run_single_example(
                    agent, env, example, max_steps, example["instruction"], arguments,
                    str(folder), scores,
                )  # fmt: skip
    finally:
        env.close()
    return scores


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TextSourceError(f"cannot read {path}: {error}") from None
