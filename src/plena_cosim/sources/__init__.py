"""Where tokenizers, texts and calibration tokens come from: a file, the hub, the demo, a task."""

from plena_cosim import fakequant as _fakequant  # noqa: F401  (first: says so when torch is missing)

from .calibration_set import CalibrationSet, calibration_set
from .errors import SourceError, TextSourceError
from .text import load_text, text_digest
from .tokenizer import load_tokenizer, token_bytes, tokenize

__all__ = [
    "CalibrationSet",
    "SourceError",
    "TextSourceError",
    "calibration_set",
    "load_text",
    "load_tokenizer",
    "text_digest",
    "token_bytes",
    "tokenize",
]
