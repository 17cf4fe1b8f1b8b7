"""What mkdocs calls while it builds: pages from where they stand in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

from tools.site.api import PACKAGES, api_page
from tools.site.chain import draw
from tools.site.repository import Kind, linked_paths, text_of


class PageFile(File):
    """A file that is a page although its name does not end in .md."""

    def is_documentation_page(self) -> bool:
        """Return True: what it holds is Markdown."""
        return True


def on_config(config: MkDocsConfig) -> None:
    """Fill in what YAML cannot say: pages by pattern, and how chains are drawn."""
    config.nav = _spread(config.nav, _root(config))
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "mermaid", "class": "chain", "format": draw}]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Put the repository's own paths in the place of those below docs/, so that links hold.

    Args:
        files: what mkdocs found in docs/, and the theme's.
        config: the site's.

    Returns:
        The same collection.
    """
    for file in [*files]:
        if file.src_dir == config.docs_dir:
            files.remove(file)
    root = _root(config)
    linked = linked_paths(root)
    shown = {each.path for each in linked}
    for each in linked:
        if each.kind in (Kind.PAGE, Kind.ASSET):
            file = File(each.path, str(root), config.site_dir, config.use_directory_urls)
        else:
            file = _page(each.path, text_of(each, root, shown=shown), config)
        files.append(file)
    for package in PACKAGES:
        path = f"api/{package}.md"
        files.append(File.generated(config, path, content=api_page(root, package)))
    return files


def on_post_page(output: str, **_: Any) -> str:
    """Return a page's HTML with a name for the search dialogue, which the theme gives none."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def _page(path: str, text: str, config: MkDocsConfig) -> PageFile:
    """Return a page for a path that holds no Markdown; links to the path mean this page."""
    file = PageFile(
        path,
        src_dir=None,
        dest_dir=config.site_dir,
        use_directory_urls=config.use_directory_urls,
        dest_uri=f"{path}.html",
        inclusion=InclusionLevel.NOT_IN_NAV,
    )
    file.content_string = text
    file.generated_by = __name__
    return file


def _spread(entry: Any, root: Path) -> Any:
    """Return a part of the navigation with the pages that each pattern (docs/decisions/*) means."""
    if isinstance(entry, dict):
        return {name: _spread(value, root) for name, value in entry.items()}
    if not isinstance(entry, list):
        return entry
    spread: list[Any] = []
    for each in entry:
        if isinstance(each, str) and "*" in each:
            spread += [path.relative_to(root).as_posix() for path in sorted(root.glob(each))]
        else:
            spread.append(_spread(each, root))
    return spread


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent
