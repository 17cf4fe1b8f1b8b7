"""A folder with an evaluation task of lm-eval and its data, for tests without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_task(folder: Path, name: str, data: dict[str, list[Any]], **keys: Any) -> Path:
    """Write a task whose splits are JSON files; `keys` go into its YAML, which JSON is too."""
    files = {split: str(folder / f"{name}_{split}.json") for split in data}
    for split, rows in data.items():
        Path(files[split]).write_text("\n".join(map(json.dumps, rows)))
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "output_type": "generate_until",
        "doc_to_text": "{{q}}",
        "doc_to_target": "{{a}}",
    }
    (folder / f"{name}.yaml").write_text(json.dumps(task | keys))
    return folder
