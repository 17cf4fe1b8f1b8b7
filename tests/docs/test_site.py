"""`make docs`: the site is built without a warning, is whole, and needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from tools.site.api import PACKAGES

ROOT = Path(__file__).parents[2]
BUILD = ("-m", "mkdocs", "build", "--strict")
PAGES = ["README.md", "CHANGELOG.md", "rtl/README.md"]
PAGES += [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *BUILD, "--site-dir", str(site)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def html_of(page: str) -> str:
    return re.sub(r"\.md$", ".html", page.replace("README", "index"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the command of `make docs`."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_make_docs_runs_this_command() -> None:
    target = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndocs:")[2]
    assert " ".join(BUILD) in target.partition("\n\n")[0]


def test_every_page_and_linked_file_is_there(site: Path) -> None:
    paths = [html_of(page) for page in PAGES] + [f"api/{name}.html" for name in PACKAGES]
    paths += ["configs/quant.html", "configs/quant/llama_w4a4_mxint.toml.html", "docs/ladder.png"]
    assert [path for path in paths if not (site / path).is_file()] == []


def test_api_pages_have_what_docstrings_say(site: Path) -> None:
    ops = (site / "api" / "golden.ops.html").read_text(encoding="utf-8")
    assert 'id="plena_cosim.golden.ops.exp.exp"' in ops
    assert "correctly rounded for every code" in ops
    section = ops.partition('id="plena_cosim.golden.ops.exp.exp"')[2].partition("<h2")[0]
    for name in ("a", "fmt", "rounding", "overflow"):
        assert f"<code>{name}</code>" in section
    assert "Raises:" in section
    assert ">>>" not in re.sub(r"<[^>]*>", "", ops.replace("&gt;&gt;&gt;", ""))


def test_nothing_is_loaded_from_the_network(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    loading = re.compile(
        r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?(?:https?:)?//'
        r'|<link\b[^>]*\bhref="?(?:https?:)?//|class="mermaid"'
    )
    assert [path for path in pages if loading.search(path.read_text(encoding="utf-8"))] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert styles
    assert not any(re.search(r"(url\(|@import )['\"]?(https?:)?//", style) for style in styles)


def test_pages_have_a_language_and_a_named_search(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    assert '<html lang="en"' in text
    assert 'role="dialog" aria-label="Search"' in text
    assert (site / "search" / "search_index.js").is_file()


class Shape(HTMLParser):
    """Counts the elements of a page whose number depends on how Markdown is read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"h1", "h2", "h3", "li", "tr", "td", "th", "pre", "code", "strong", "img"}:
            self.count[tag] += 1


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_as_on_github(site: Path, page: str) -> None:
    html = (site / html_of(page)).read_text(encoding="utf-8")
    html = html.partition("<article")[2].partition("</article")[0]
    html = re.sub(r'<div class="chain".*?</div>', "", html, flags=re.DOTALL)
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```mermaid.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    expected = MarkdownIt("commonmark").enable("table").render(text)
    assert Shape(html).count == Shape(expected).count


def test_a_link_to_nothing_stops_the_build(tmp_path: Path) -> None:
    """In a copy that has only a page, built without the plugins, which take most of the time."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    (tmp_path / "README.md").write_text(
        "# Start\n\n[lost](docs/lost.md) [none](docs/page.md#lost)\n[good](docs/page.md#there)\n"
    )
    (tmp_path / "docs" / "page.md").write_text("# Page\n\n## There\n\n[up](../README.md#start)\n")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = re.sub(r"^(nav|plugins):\n(?:[ ].*\n|\n)+", "", settings, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(f"{settings}\nplugins: []\n")
    source = tmp_path / "src" / "plena_cosim"
    for name in PACKAGES:
        folder = source / name.replace(".", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("__all__ = []\n")
    done = build(tmp_path, tmp_path / "site")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "link 'docs/lost.md', but the target" in said
    assert "does not contain an anchor '#lost'" in said
    assert "Aborted with 2 warnings in strict mode" in said
