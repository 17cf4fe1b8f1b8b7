"""Calibration texts on the Hugging Face hub: always the part for training."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import TextSourceError, need


@dataclass(frozen=True, kw_only=True)
class HubDataset:
    """What `datasets.load_dataset` takes, and how the rows become one text.

    Attributes:
        path: a repository on the hub, or a reader such as "json" with `data_files`.
        config: the dataset's configuration, if it has several.
        split: the rows to take.
        column: of the text.
        data_files: only these files; addresses begin with hf://.
        joint: what stands between two rows.
    """

    path: str
    config: str | None = None
    split: str = "train"
    column: str = "text"
    data_files: dict[str, str] | None = None
    joint: str = "\n\n"


_PTB = "hf://datasets/ptb-text-only/ptb_text_only@refs%2Fconvert%2Fparquet/penn_treebank"

HUB = {
    "wikitext2": HubDataset(path="Salesforce/wikitext", config="wikitext-2-raw-v1"),
    # One of 1024 files, and of that 10,000 pages (about 5 million tokens).
    "c4": HubDataset(
        path="json",
        split="train[:10000]",
        data_files={"train": "hf://datasets/allenai/c4/en/c4-train.00000-of-01024.json.gz"},
    ),
    # The repository itself holds a script, which datasets 4 refuses: this is the hub's conversion.
    "ptb": HubDataset(
        path="parquet",
        column="sentence",
        data_files={"train": f"{_PTB}/train/0000.parquet"},
        joint=" ",
    ),
}


def hub_text(name: str) -> str:
    """Return a text of the hub, from the network or from the cache of `datasets`.

    Args:
        name: a key of `HUB`.

    Raises:
        TextSourceError: the hub cannot be reached, or its data is not as `HUB` says.
    """
    place = HUB[name]
    datasets = need("datasets")
    try:
        rows = datasets.load_dataset(
            place.path, place.config, split=place.split, data_files=place.data_files
        )
    except Exception as error:  # datasets, huggingface_hub and httpx have errors of their own
        reason = str(error).strip().partition("\n")[0]
        raise TextSourceError(
            f"cannot load dataset {name!r} ({_address(place)}) from the Hugging Face hub: "
            f"{type(error).__name__}: {reason}; connect to a network, or give 'demo' or 'file:PATH'"
        ) from None
    if place.column not in rows.column_names:
        raise TextSourceError(
            f"dataset {name!r} ({_address(place)}) has no column {place.column!r}, only "
            f"{', '.join(rows.column_names)}; give 'file:PATH' instead"
        )
    return place.joint.join(rows[place.column])


def _address(place: HubDataset) -> str:
    return ", ".join(place.data_files.values()) if place.data_files else place.path
