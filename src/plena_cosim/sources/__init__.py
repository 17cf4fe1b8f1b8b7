"""Finding models, tokenizers and texts: a file, something on the hub, or the demo."""

from plena_cosim import fakequant as _fakequant  # noqa: F401  (first: says so when torch is missing)

from .errors import SourceError
from .text import load_text, text_digest
from .tokenizer import load_tokenizer, tokenize

__all__ = [
    "SourceError",
    "load_text",
    "load_tokenizer",
    "text_digest",
    "tokenize",
]
