"""A model at work: its tools change real files in a real sandbox, and the check reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.evaluate.agent.box import LONGEST, Box
from plena_cosim.evaluate.agent.solve import Bounds, solve
from plena_cosim.evaluate.agent.task import AgentTask, Check, read_tasks
from plena_cosim.evaluate.chat.client import Asking
from plena_cosim.sandbox.at_hand import best
from plena_cosim.sandbox.method import Method
from plena_cosim.sources import TextSourceError

from .conftest import Scripted, call

SHIPPED = Path(__file__).parents[3] / "configs" / "agent" / "files_and_shell.jsonl"
TASK = AgentTask(
    id="t",
    instruction="Write 2 into b.txt and finish with yes.",
    files={"a.txt": "1\n"},
    check=Check(files={"b.txt": "2"}, absent=("a.txt",), answer="Yes"),
)


def solved(*texts, task: AgentTask = TASK, bounds: Bounds | None = None):
    client = Scripted(*texts)
    return solve(task, client, Asking(), bounds or Bounds()), client


def test_tools_in_the_text_of_a_model() -> None:
    found, client = solved(
        call("read_file", path="a.txt"),
        "I think " + call("write_file", path="b.txt", content="2"),
        call("python", code="import os; os.remove('a.txt'); print(os.listdir())"),
        call("finish", answer=" YES "),
    )
    assert (found.success, found.ended, found.why) == (True, "finished", None)
    assert found.files == {"b.txt": 1}
    assert found.tokens == 4
    system, user, *steps = client.seen[-1]
    assert '"name": "write_file"' in system["content"]
    assert user["content"] == TASK.instruction
    assert [each["content"] for each in steps if each["role"] == "user"] == [
        "1\n",
        "wrote 1 bytes",
        "['b.txt']",
    ]
    assert client.tools == [()] * 4


def test_tools_of_the_api() -> None:
    found, client = solved(
        [("write_file", {"path": "b.txt", "content": "2"}), ("read_file", {"path": "b.txt"})],
        [("finish", {"answer": "no"})],
        bounds=Bounds(offered=True),
    )
    assert (found.success, found.why) == (False, "a.txt is still there")
    *_, first, second = client.seen[-1]
    assert (first["tool_call_id"], first["content"]) == ("call_0", "wrote 1 bytes")
    assert (second["tool_call_id"], second["content"]) == ("call_1", "2")
    assert "<tool_call>" not in client.seen[0][0]["content"]
    assert {each["function"]["name"] for each in client.tools[0]} >= {"python", "finish"}


def test_what_is_missing_is_said() -> None:
    assert solved(call("finish", answer="yes"))[0].why == "there is no b.txt"
    wrong = call("write_file", path="b.txt", content="3")
    assert solved(wrong, call("finish", answer="yes"))[0].why == "b.txt holds something else"


def test_steps_and_what_is_shown_are_bounded() -> None:
    found, client = solved("Hm.", bounds=Bounds(max_steps=4, trajectory=1))
    assert (found.ended, found.answer, len(found.steps)) == ("max steps", None, 4)
    last = client.seen[-1]
    assert [each["role"] for each in last] == ["system", "user", "assistant", "user"]
    assert last[1]["content"].endswith("(2 earlier steps are not shown.)")
    assert last[-1]["content"] == "error: no tool was called"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("fly", {}, "error: there is no tool 'fly'; there are list_files, "),
        ("read_file", {}, "error: read_file takes path, as text"),
        ("read_file", {"path": 3}, "error: read_file takes path, as text"),
        ("read_file", {"path": "b"}, "error: there is no file 'b'"),
        ("read_file", {"path": "../x"}, "error: '../x' is not a file of this folder"),
        ("write_file", {"path": "/etc/x", "content": ""}, "error: '/etc/x' is not a file"),
        ("write_file", {"path": "b", "content": "x" * (17 << 20)}, "error: files of more than"),
        ("list_files", {}, "       1 a"),
        ("python", {"code": "1 / 0"}, "ZeroDivisionError: division by zero"),
        ("python", {"code": "raise SystemExit(3)"}, "(status 3)"),
        ("python", {"code": "print('x' * 9000)"}, f"(cut off: {2 * LONGEST} characters)"),
        ("python", {"code": "while True: pass"}, "error: the program was ended ("),
        ("python", {"code": "import os; os._exit(0)"}, "error: the program was ended (status 0)"),
        ("python", {"code": "open('/etc/passwd')"}, "Error"),
        (
            "python",
            {"code": "import socket; socket.create_connection(('1.1.1.1', 53), 1)"},
            "Error",
        ),
        ("python", {"code": "import os; os.symlink('/etc/passwd', 'c'); print(1)"}, "1"),
    ],
)
def test_whatever_a_model_writes(name: str, arguments: dict, said: str) -> None:
    box = Box({"a": b"1"}, wall_s=3)
    assert said in box.use(name, arguments)
    assert box.files == {"a": b"1"}


@pytest.mark.skipif(best() is Method.LANDLOCK, reason="one process: no shell")
def test_a_shell() -> None:
    box = Box({"a": b"2\n1\n"})
    assert box.use("shell", {"command": "sort a > b; echo done; exit 5"}) == "done\n(status 5)"
    assert box.files == {"a": b"2\n1\n", "b": b"1\n2\n"}


def test_a_check_by_program_changes_nothing() -> None:
    box = Box({"a": b"1"})
    assert box.succeeds("open('b', 'w').write('x'); assert open('a').read() == '1'")
    assert not box.succeeds("assert open('a').read() == '2'")
    assert box.files == {"a": b"1"}


ANSWERS = {
    "rename": [call("python", code="import os; os.rename('old.txt', 'new.txt')")],
    "sum": [],
    "mend": [call("write_file", path="area.py", content="print(3 * 4)")],
    "count": [call("write_file", path="count.txt", content="3\n")],
    "merge": [call("write_file", path="names.txt", content="Ada\nGrace\nRuth\n")],
}


def test_every_shipped_task_can_be_solved_and_is_not_from_the_start() -> None:
    tasks = read_tasks(SHIPPED)
    assert {task.id for task in tasks} == set(ANSWERS)
    for task in tasks:
        done = call("finish", answer="42")
        assert solved(*ANSWERS[task.id], done, task=task)[0].success, task.id
        assert not solved(call("finish", answer="41"), task=task)[0].success, task.id


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: Expecting property name"),
        ('{"id": "a"}', "line 1: instruction: Field required"),
        ('{"id": "a", "instruction": "", "check": {"file": {}}}', "check.file: Extra inputs"),
        (
            '{"id": "a", "instruction": "", "check": {}, "files": {"../x": ""}}',
            "'../x' is not a file of this folder",
        ),
        ('{"id": "a", "instruction": "", "check": {}}\n' * 2, "line 2: there is another task 'a'"),
        ("", "has no tasks"),
    ],
)
def test_files_that_are_no_tasks(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(line)
    with pytest.raises(TextSourceError) as caught:
        read_tasks(path)
    assert said in str(caught.value)
