"""A page for each module of the library, filled from its docstrings by mkdocstrings."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make_pages() -> dict[str, str]:
    """Return the pages by their path in the site, those of a package in a folder of its name."""
    pages: dict[str, str] = {}
    for path in sorted((ROOT / "vqspeech").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        inner = parts[1:]
        folder = f"{inner[0]}/" if (ROOT / "vqspeech" / (inner or ("",))[0]).is_dir() and inner else ""
        name = ".".join(inner) or "vqspeech"
        pages[f"reference/python/{folder}{name}.md"] = f"# {name}\n\n::: {'.'.join(parts)}\n"
    return pages
