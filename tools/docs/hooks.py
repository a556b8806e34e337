"""Hooks of MkDocs: pages that are generated at build time, and links that leave `docs/`.

Generated are a page for each verb (`verbs`), the keys of configurations (`configuration`), a page for each module
(`modules`), the drawing of the architecture (`picture`), and copies of the Markdown files beside the code. Nothing of
it is committed.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import configuration
import modules
import picture
import verbs
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
COPIES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "RESULTS.md": "results/index.md",
    "vqspeech/pretrained/voice.md": "models/voice.md",
    "vqspeech/pretrained/units.md": "models/units.md",
    "vqspeech/pretrained/units-small.md": "models/units-small.md",
    "vqspeech/pretrained/world.md": "models/world.md",
}
"""Markdown files of the repository that are pages too, and where."""
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
_LINKED = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


def list_copies() -> dict[str, str]:
    """Return the files of the repository that become pages or pictures: path in the repository, path in the site."""
    found = dict(COPIES)
    for results in sorted(ROOT.glob("egs/*/RESULTS.md")):
        recipe = results.parent.name
        found[f"egs/{recipe}/RESULTS.md"] = f"results/{recipe}.md"
        for path in sorted(results.parent.glob("pictures/**/*.png")):
            inner = path.relative_to(results.parent).as_posix()
            found[f"egs/{recipe}/{inner}"] = f"results/{recipe}/{inner}"
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and put them into the navigation, in place of the names that stand there for them."""
    copies = list_copies()
    for source, target in copies.items():
        if target.endswith(".md"):
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, target, content=relink(text, source, target, copies)))
        else:
            files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    generated = {"verbs": verbs.make_pages(), "python": modules.make_pages()}
    generated["configuration"] = {"reference/configuration.md": configuration.make_page()}
    recipes = [target for target in copies.values() if target.startswith("results/") and target.endswith(".md")]
    entries: dict[str, list[Any]] = {name: _nest(pages) for name, pages in generated.items()}
    entries["results"] = recipes
    for pages in generated.values():
        for path, text in pages.items():
            files.append(File.generated(config, path, content=text))
    config.nav = [_fill(entry, entries) for entry in config.nav or []]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Draw the architecture, and lead links to files outside `docs/` to their copies, or make them plain names."""
    path = page.file.src_uri
    if path == "architecture.md":
        markdown = re.sub(r"```mermaid\n.*?```", lambda _: picture.draw(), markdown, flags=re.DOTALL)
    if (Path(config.docs_dir) / path).is_file():
        markdown = relink(markdown, f"docs/{path}", path, list_copies())
    return markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Load the script of the theme's search from the site, not from elsewhere."""
    return output.replace("https://unpkg.com/iframe-worker/shim", _relative("iframe-worker.js", page.file.dest_uri))


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:  # noqa: ARG001
    """As `on_post_page`, for pages that are no Markdown, such as 404.html."""
    return output.replace("https://unpkg.com/iframe-worker/shim", "iframe-worker.js")


def relink(text: str, source: str, target: str, copies: dict[str, str]) -> str:
    """Return Markdown whose links fit its place in the site.

    Args:
        text: Markdown.
        source: Its path in the repository, which its links are relative to.
        target: Its path in the site.
        copies: Files of the repository that are in the site; links to others become names without a link.
    """

    def lead(match: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        if place.startswith("docs/") and (ROOT / place).exists():
            return _LINK.sub(lambda link: _relative(place.removeprefix("docs/"), target) + (link[2] or ""), match[0])
        if place in copies:
            return _LINK.sub(lambda link: _relative(copies[place], target) + (link[2] or ""), match[0])
        # A link of docs/ to a generated page, which no file in the repository has.
        return match[0] if source == f"docs/{target}" and place.startswith("docs/") else match[1]

    return _LINKED.sub(lead, text)


def _relative(path: str, page: str) -> str:
    return posixpath.relpath(path, posixpath.dirname(page) or ".")


def _fill(entry: Any, pages: dict[str, list[Any]]) -> Any:
    """Return an entry of the navigation with the generated pages in place of `<name>`."""
    if isinstance(entry, dict):
        return {title: _fill(inner, pages) for title, inner in entry.items()}
    if isinstance(entry, list):
        return list(_flatten(_fill(one, pages) for one in entry))
    name = re.fullmatch(r"<(\w+)>", entry)
    return pages[name[1]] if name else entry


def _flatten(entries: Iterator[Any]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, list):
            yield from entry
        else:
            yield entry


def _nest(pages: dict[str, str]) -> list[Any]:
    """Return the entries of pages: those of a folder below one entry with its name."""
    entries: list[Any] = []
    folders: dict[str, list[Any]] = {}
    for path in pages:
        parts = path.split("/")[2:]
        if len(parts) < 2:
            entries.append(path)
            continue
        if parts[0] not in folders:
            folders[parts[0]] = []
            entries.append({parts[0]: folders[parts[0]]})
        folders[parts[0]].append(path)
    return entries
