"""An evaluation task of lm-eval by name, and the documents in it that calibration may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.shipped import TASKS

from .errors import TextSourceError, need


@dataclass(frozen=True, kw_only=True)
class TaskSplit:
    """The part of a task that calibration reads.

    Attributes:
        task: lm-eval's object.
        name: of the task.
        split: that is read.
        evaluated: the split that the task measures; `split` only where there is no other.
        documents: the rows of `split`, as the task prepares them.
    """

    task: Any
    name: str
    split: str
    evaluated: str
    documents: Sequence[dict[str, Any]]


def load_task(name: str, *, folder: Path | None = None) -> TaskSplit:
    """Load a task with its data.

    Args:
        name: as lm-eval knows it.
        folder: of the task's YAML file; only tasks in there are known then. Without it those that
            come with lm-eval, whose list takes seconds to read, and those of this package.

    Raises:
        TextSourceError: there is no such task, it is a group of tasks, or its data cannot be had.
    """
    tasks = need("lm_eval.tasks", extra="eval")
    if folder is not None and not folder.is_dir():
        raise TextSourceError(f"there is no folder of tasks {str(folder)!r}")
    manager = tasks.TaskManager(
        include_path=str(folder if folder is not None else TASKS), include_defaults=folder is None
    )
    if name not in manager.all_tasks:
        hint = did_you_mean(name, manager.all_tasks)
        where = f"in {folder}" if folder is not None else "among those of lm-eval"
        raise TextSourceError(f"there is no task {name!r} {where}{hint}")
    if name not in manager.all_subtasks:
        raise TextSourceError(f"{name!r} is a group of tasks; give one of the tasks in it")
    try:
        (task,) = manager.load(name)["tasks"].values()
        return _split_for_calibration(task, name)
    except Exception as error:  # lm-eval, datasets and the task's own code have errors of their own
        reason = str(error).strip().partition("\n")[0]
        raise TextSourceError(
            f"cannot load task {name!r}: {type(error).__name__}: {reason}"
        ) from None


def _split_for_calibration(task: Any, name: str) -> TaskSplit:
    config = task.config
    evaluated = config.test_split or config.validation_split
    named = [config.training_split, config.validation_split]
    further = sorted(task.dataset, key=lambda split: (not split.startswith("train"), split))
    split = next(
        (split for split in (*named, *further) if split not in (None, evaluated)), evaluated
    )
    rows = task.dataset[split]
    if config.process_docs is not None:
        rows = config.process_docs(rows)
    return TaskSplit(task=task, name=name, split=split, evaluated=evaluated, documents=rows)
