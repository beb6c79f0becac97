"""Pages that are made from the registry, the recipes and the commands whenever the site is built."""

from collections.abc import Iterator
from typing import Any

import api
import cards
import columns
import commands
import names
import notebook
import recipe_pages
import rooms
import settings
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

SECTIONS = {"Operators": cards, "Recipes": recipe_pages}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages and pictures, and lists them where the navigation leaves room."""
    for path, content in _pages():
        files.append(File.generated(config, path, content=content))
    for entry in config.nav or []:
        for title, part in SECTIONS.items():
            if title in entry:
                entry[title] = part.nav()
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Puts the rooms where a page leaves a place for them."""
    return markdown.replace(rooms.MARK, rooms.table())


def on_page_content(html: str, **_: Any) -> str:
    """Says how wide the tables drawn in a terminal are."""
    return columns.measured(html)


def _pages() -> Iterator[tuple[str, Any]]:
    for part in (cards, recipe_pages, names, settings, commands, api, notebook):
        yield from part.pages()
