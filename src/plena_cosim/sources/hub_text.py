"""Texts on the Hugging Face hub: what calibration reads, and what evaluation reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .errors import TextSourceError, need


class HubPart(StrEnum):
    """Which part of a dataset is meant."""

    CALIBRATION = "calibration"
    """Of the training data."""

    EVALUATION = "evaluation"
    """What papers on quantisation measure, as the code of GPTQ reads it."""

    DOCUMENTS = "documents"
    """What lm-eval's tasks of these names measure, document by document."""


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


# The repository of PTB itself holds a script, which datasets 4 refuses: this is the hub's
# conversion.
_PTB = "hf://datasets/ptb-text-only/ptb_text_only@refs%2Fconvert%2Fparquet/penn_treebank"
_C4 = "hf://datasets/allenai/c4/en"
_C4_VALIDATION = {"validation": f"{_C4}/c4-validation.00000-of-00008.json.gz"}

HUB = {
    HubPart.CALIBRATION: {
        "wikitext2": HubDataset(path="Salesforce/wikitext", config="wikitext-2-raw-v1"),
        # One of 1024 files, and of that 10,000 pages (about 5 million tokens).
        "c4": HubDataset(
            path="json",
            split="train[:10000]",
            data_files={"train": f"{_C4}/c4-train.00000-of-01024.json.gz"},
        ),
        "ptb": HubDataset(
            path="parquet",
            column="sentence",
            data_files={"train": f"{_PTB}/train/0000.parquet"},
            joint=" ",
        ),
    },
    HubPart.EVALUATION: {
        "wikitext2": HubDataset(
            path="Salesforce/wikitext", config="wikitext-2-raw-v1", split="test"
        ),
        "c4": HubDataset(
            path="json", split="validation[:1100]", data_files=_C4_VALIDATION, joint=" "
        ),
        "ptb": HubDataset(
            path="parquet",
            split="test",
            column="sentence",
            data_files={"test": f"{_PTB}/test/0000.parquet"},
            joint=" ",
        ),
    },
    HubPart.DOCUMENTS: {
        "wikitext2": HubDataset(
            path="EleutherAI/wikitext_document_level",
            config="wikitext-2-raw-v1",
            split="test",
            column="page",
        ),
        "c4": HubDataset(path="json", split="validation", data_files=_C4_VALIDATION),
    },
}

_ELSE = {HubPart.CALIBRATION: "'demo' or 'file:PATH'"}


def hub_text(name: str, part: HubPart) -> str:
    """Return a text of the hub, from the network or from the cache of `datasets`.

    Args:
        name: a key of `HUB[part]`.
        part: of the dataset.

    Raises:
        TextSourceError: the hub cannot be reached, or its data is not as `HUB` says.
    """
    return HUB[part][name].joint.join(hub_rows(name, part))


def hub_rows(name: str, part: HubPart) -> list[str]:
    """Return what `hub_text` joins, row by row; arguments and errors are those of `hub_text`."""
    place = HUB[part][name]
    other = _ELSE.get(part, "'demo' or a file")
    datasets = need("datasets")
    try:
        rows = datasets.load_dataset(
            place.path, place.config, split=place.split, data_files=place.data_files
        )
    except Exception as error:  # datasets, huggingface_hub and httpx have errors of their own
        reason = str(error).strip().partition("\n")[0]
        raise TextSourceError(
            f"cannot load dataset {name!r} ({_address(place)}) from the Hugging Face hub: "
            f"{type(error).__name__}: {reason}; connect to a network, or give {other}"
        ) from None
    if place.column not in rows.column_names:
        raise TextSourceError(
            f"dataset {name!r} ({_address(place)}) has no column {place.column!r}, only "
            f"{', '.join(rows.column_names)}; give {other} instead"
        )
    return list(rows[place.column])


def _address(place: HubDataset) -> str:
    return ", ".join(place.data_files.values()) if place.data_files else place.path
