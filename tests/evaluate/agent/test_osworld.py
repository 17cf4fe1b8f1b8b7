"""OSWorld's runner, of which a session is played: its interface, not its desktops."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from plena_cosim.evaluate.agent.osworld import OsworldAgent, actions_of, run_osworld
from plena_cosim.evaluate.chat.client import Asking
from plena_cosim.sources import TextSourceError

from .conftest import Scripted

RUNNER = """
import json
from pathlib import Path

def run_single_example(agent, env, example, max_steps, instruction, args, result_dir, scores):
    agent.reset(None, vm_ip="10.0.0.1")
    obs, done, step = env.reset(task_config=example), False, 0
    lines = []
    while not done and step < max_steps:
        response, actions = agent.predict(instruction, obs)
        for action in actions:
            obs, reward, done, info = env.step(action, args.sleep_after_execution)
            lines.append(json.dumps({"action": action, "done": done}))
        step += 1
    Path(result_dir, "traj.jsonl").write_text("\\n".join(lines))
    scores.append(env.evaluate())
"""
DESKTOP = """
class DesktopEnv:
    made = []

    def __init__(self, **given):
        self.given, self.closed = given, False
        self.made.append(self)

    def reset(self, task_config):
        self.seen = iter(task_config["recorded"])
        return {"screenshot": b"", "accessibility_tree": next(self.seen)}

    def step(self, action, pause):
        done = action in ("DONE", "FAIL")
        tree = next(self.seen, "the end")
        return {"screenshot": b"", "accessibility_tree": tree}, 0, done, {}

    def evaluate(self):
        return 1.0

    def close(self):
        self.closed = True
"""


@pytest.fixture
def checkout(tmp_path: Path):
    folder = tmp_path / "OSWorld"
    (folder / "desktop_env").mkdir(parents=True)
    (folder / "lib_run_single.py").write_text(RUNNER)
    (folder / "desktop_env" / "desktop_env.py").write_text(DESKTOP)
    (folder / "desktop_env" / "__init__.py").write_text("")
    examples = folder / "evaluation_examples"
    (examples / "examples" / "os").mkdir(parents=True)
    task = {"instruction": "Open the menu.", "recorded": ["<menu/>", "<open/>"]}
    (examples / "examples" / "os" / "t1.json").write_text(json.dumps(task))
    (examples / "test_small.json").write_text(json.dumps({"os": ["t1"]}))
    yield folder
    for name in ("lib_run_single", "desktop_env", "desktop_env.desktop_env"):
        sys.modules.pop(name, None)


def test_a_session(checkout: Path, tmp_path: Path) -> None:
    client = Scripted("```python\nimport pyautogui\npyautogui.click(3, 4)\n```", "```DONE```")
    scores = run_osworld(
        checkout,
        OsworldAgent(client, Asking(), trajectory=1),
        examples=checkout / "evaluation_examples" / "test_small.json",
        out=tmp_path / "out",
        max_steps=5,
        environment={"provider_name": "docker"},
    )
    assert scores == [1.0]
    lines = (tmp_path / "out" / "os" / "t1" / "traj.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == [
        "import pyautogui\npyautogui.click(3, 4)",
        "DONE",
    ]
    [env] = sys.modules["desktop_env.desktop_env"].DesktopEnv.made
    assert env.closed
    assert env.given["require_a11y_tree"] is True
    assert env.given["provider_name"] == "docker"
    assert client.seen[0][-1]["content"].endswith("<menu/>")
    assert [each["role"] for each in client.seen[1]] == ["system", "user", "assistant", "user"]
    assert client.seen[1][-1]["content"].endswith("<open/>")


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("DONE", ["DONE"]),
        ("```\nFAIL\n```", ["FAIL"]),
        ("First ```python\na\n``` then ```b```", ["a", "b"]),
        ("```python\na()\nDONE\n```", ["a()", "DONE"]),
        ("I would click.", ["WAIT"]),
        ("``````", ["WAIT"]),
    ],
)
def test_actions(text: str, actions: list[str]) -> None:
    assert actions_of(text) == actions


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    agent = OsworldAgent(Scripted("DONE"), Asking())
    with pytest.raises(TextSourceError, match="require_a11y_tree=True"):
        agent.predict("x", {"screenshot": b""})
    with pytest.raises(TextSourceError, match="OSWorld is not installed in"):
        run_osworld(tmp_path, agent, examples=tmp_path, out=tmp_path, max_steps=1, environment={})
