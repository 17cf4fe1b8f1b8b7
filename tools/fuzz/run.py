"""fuzz: read files with mistakes, and count what came of it."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.scratch_folder import scratch_folder

from .mutate import mutated
from .targets import Target


@dataclass(kw_only=True)
class Count:
    """What came of the files of a kind.

    Attributes:
        name: of the kind.
        read: files that were read.
        refused: files that got one clear error.
        failed: content and what happened, of those that got something else.
    """

    name: str
    read: int = 0
    refused: int = 0
    failed: list[tuple[bytes, str]] = field(default_factory=list)


def fuzz_files(target: Target, *, count: int, seed: int = 0) -> Count:
    """Read files of a kind with mistakes in them.

    Args:
        target: the kind.
        count: files.
        seed: of the mistakes.

    Raises:
        PlenaError: contents that are to be right are not.
    """
    random_, found = random.Random(f"{target.name} {seed}"), Count(name=target.name)
    for content in target.right:
        with scratch_folder("fuzz") as folder:
            path = folder / f"file{target.suffix}"
            path.write_bytes(content)
            target.read(path)  # or the target itself is wrong
    for _ in range(count):
        content = mutated(random_.choice(list(target.right)), random_)
        with scratch_folder("fuzz") as folder:
            path = folder / f"file{target.suffix}"
            path.write_bytes(content)
            _tried(lambda path=path: target.read(path), target.refused, content, found)  # type: ignore[misc]
    return found


def fuzz_folder(
    folder: Path, load: Callable[[Path], Any], same: Callable[[Any], bool], *, count: int, seed: int
) -> Count:
    """Load copies of a saved model, in each of which one file has mistakes or is gone.

    Args:
        folder: of the model.
        load: loads one.
        same: whether what was loaded is the model that was saved.
        count: copies.
        seed: of the mistakes.
    """
    random_, found = random.Random(f"folder {seed}"), Count(name="saved models")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    for _ in range(count):
        with scratch_folder("fuzz") as scratch:
            copy = scratch / "model"
            shutil.copytree(folder, copy)
            name = random_.choice(names)
            if random_.random() < 0.1:
                (copy / name).unlink()
                content = f"{name}: removed".encode()
            else:
                new = mutated((copy / name).read_bytes(), random_)
                (copy / name).write_bytes(new)
                content = f"{name}: ".encode() + new

            def attempt(copy: Path = copy, name: str = name) -> None:
                loaded = load(copy)
                # Another rope_theta in config.json is another model, and nobody's mistake to find.
                if not same(loaded) and name != "config.json":
                    raise AssertionError("another model was loaded without a word")

            _tried(attempt, (PlenaError,), content, found)
    return found


def _tried(
    attempt: Callable[[], Any], refused: tuple[type[Exception], ...], content: bytes, found: Count
) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempt()
        found.read += 1
    except refused as error:
        if str(error).strip():
            found.refused += 1
        else:
            found.failed.append((content, f"{type(error).__name__} without a word"))
    except Exception as error:
        found.failed.append((content, f"{type(error).__name__}: {error}"))
