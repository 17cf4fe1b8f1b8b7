"""Serving a quantised model: an engine that writes tokens, and OpenAI's interface over HTTP."""

from plena_cosim import fakequant as _fakequant  # noqa: F401  (first: says so when torch is missing)

from .engine import Engine
from .errors import RequestError, ServeError
from .limits import Limits
from .model_maker import ModelMaker
from .request import Request
from .sampler import Sampling
from .served_model import ServedModel
from .setting import Setting
from .stream import Piece, Score, Stream

__all__ = [
    "Engine",
    "Limits",
    "ModelMaker",
    "Piece",
    "Request",
    "RequestError",
    "Sampling",
    "Score",
    "ServeError",
    "ServedModel",
    "Setting",
    "Stream",
]
