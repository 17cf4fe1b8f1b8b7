"""The table [token_collector] of a recipe: what a model is given is kept as calibration samples."""

from __future__ import annotations

from pydantic import Field

from .read_table import Table


class TokenCollectorTable(Table):
    """[token_collector]: an evaluation fills a file of calibration samples."""

    target_nsamples: int = Field(ge=1, description="Samples to collect.", examples=[64])
    seqlen: int = Field(ge=1, description="Tokens of a sample.", examples=[1024])
    save_path: str = Field(
        min_length=1,
        description='The torch file to write; `dataset = "file:PATH"` reads it.',
        examples=["calib/gsm8k.pt"],
    )
    overwrite: bool = Field(
        False, description="Replace a file that is there; else it is an error.", examples=[True]
    )
    min_prefill_tokens: int = Field(
        8, ge=1, description="Calls with fewer tokens are passed over.", examples=[1]
    )
    raise_on_full: bool = Field(
        False, description="End the evaluation once all samples are there.", examples=[True]
    )
