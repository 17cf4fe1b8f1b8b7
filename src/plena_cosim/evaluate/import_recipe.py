"""import_recipe: another quantiser's configuration as the text of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark import read_file, scheme, to_recipe
from plena_cosim.interop.quark.files import with_scheme

from .recipe_text import recipe_text


@dataclass(frozen=True, kw_only=True)
class ImportedRecipe:
    """A recipe made of another quantiser's configuration.

    Attributes:
        source: what it was made of.
        tables: as parsed from TOML.
        notes: what the recipe does not say, or says otherwise.
        text: TOML, which begins with source and notes.
    """

    source: str
    tables: Mapping[str, Any]
    notes: tuple[str, ...]
    text: str


def import_recipe(
    file: Path | None,
    *,
    scheme_name: str | None = None,
    exclude: Sequence[str] = (),
    model_name: str | None = None,
) -> ImportedRecipe:
    """Return the recipe that a configuration of AMD Quark means.

    Args:
        file: JSON of a configuration, a layer or an algorithm, a checkpoint's config.json or its
            folder; None: the scheme alone.
        scheme_name: what the global level is, where the file says none.
        exclude: names of modules, with wildcards, that stay as they are, beside the file's own.
        model_name: what GPTQ calibrates: a folder or a hub id.

    Raises:
        FormatError: neither file nor scheme, something wrong in the file, or what no recipe says.

    >>> import_recipe(None, scheme_name="mx6").tables["by"]
    'glob'
    """
    if file is None and scheme_name is None:
        raise FormatError("give a file of AMD Quark, or --scheme NAME such as int4_wo_128")
    config = None if file is None else read_file(file)
    if scheme_name is not None:
        config = with_scheme(config, scheme(scheme_name))
    assert config is not None
    if exclude:
        config = replace(config, exclude=list(dict.fromkeys((*config.exclude, *exclude))))
    source = ", ".join(
        [*([] if file is None else [str(file)]), *([] if scheme_name is None else [scheme_name])]
    )
    found = to_recipe(config, model_name=model_name)
    lines = [f"Made of {source} (AMD Quark).", *(f"Note: {each}" for each in found.notes)]
    return ImportedRecipe(
        source=source,
        tables=found.tables,
        notes=found.notes,
        text=recipe_text(found.tables, about="\n".join(lines)),
    )
