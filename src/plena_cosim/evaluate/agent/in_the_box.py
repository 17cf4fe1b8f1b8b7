"""What runs in the sandbox: unpack the files, run one command on them, send them back.

A program of its own, started as a file; standard library only. It reads state.tar and command.json
beside it, works in the scratch folder, and writes one line of JSON and a tar to standard output.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the command of command.json."""
    here = Path.cwd()
    command = json.loads((here / "command.json").read_text(encoding="utf-8"))
    work = Path(os.environ.get("HOME", here / "scratch")) / "work"
    work.mkdir()
    with tarfile.open(here / "state.tar") as archive:
        # Before Python 3.11.4 there is no filter; the names are plain, as Box has checked them.
        settings: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(work, **settings)
    answer, said = os.dup(1), Path(work.parent, "said")
    # The descriptors themselves: what the command writes past Python goes there, too.
    with said.open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir(work)
    status = _run(command)
    sys.stdout.flush()
    sys.stderr.flush()
    text = said.read_bytes()[: command["longest"]].decode(errors="replace")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(work.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.add(path, str(path.relative_to(work)), recursive=False)
    with os.fdopen(answer, "wb") as out:
        out.write(json.dumps({"status": status, "said": text}).encode() + b"\n")
        out.write(packed.getvalue())


def _run(command: dict[str, str]) -> int:
    if "shell" in command:
        return subprocess.run(
            ["/bin/sh", "-c", command["shell"]], stdin=subprocess.DEVNULL, check=False
        ).returncode
    try:
        # Not as a child: where Landlock alone isolates, there is one process.
        exec(compile(command["python"], "<python>", "exec"), {"__name__": "__main__"})
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc(limit=-3)
        return 1
    return 0


if __name__ == "__main__":
    main()
