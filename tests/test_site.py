"""The documentation builds strictly, holds all that is registered, and asks nothing of the network."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import mixkit
from mixkit.cli.app import app
from mixkit.model.formulas import formulas
from mixkit.recipe import catalog
from mixkit.registry import REGISTRIES, operator
from tests.site import ROOT, build, built

pytest.importorskip("material", reason="mkdocs-material is not installed: pip install -e '.[docs]'")
pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: pip install -e '.[docs]'")
pytestmark = pytest.mark.slow

ASSETS = {("script", "src"), ("link", "href"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("audio", "src")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.getbasetemp())


class Page(HTMLParser):
    """What a page refers to, and the places in it that others may refer to."""

    def __init__(self, path: Path):
        super().__init__()
        self.assets: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = {""}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif (tag, name) in ASSETS and value and ("rel", "canonical") not in attrs:
                self.assets.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)


def outside(page: Page) -> list[str]:
    return [address for address in page.assets if re.match(r"(\w+:)?//", address)]


def broken(site: Path) -> list[str]:
    """Links of all pages that lead to no page, file or place of the site."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        for link in (*page.links, *page.assets):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = target in pages and unquote(parts.fragment) in pages[target].ids
            if not (known or (target.is_file() and target not in pages)):
                found.append(f"{path.relative_to(site)}: {link}")
    return found


def test_every_operator_has_a_card(site: Path) -> None:
    names = operator.names()
    assert len(names) > 10
    overview = (site / "operators" / "index.html").read_text("utf-8")
    for name in names:
        card = (site / "operators" / f"{name}.html").read_text("utf-8")
        assert f'href="{name}.html"' in overview
        for setting in operator.entry(name).settings:
            assert f"<code>{setting.name}</code>" in card, (name, setting.name)
        for line in formulas(operator.entry(name)):
            shown = line.text.replace("**2", "²").replace("*", "·")
            assert f"<code>{html.escape(shown, quote=False)}</code>" in card.replace("&quot;", '"'), (name, line)
        for part in ("Shape", "Mixes", "Equation", "parameters", "MFLOP", "torch.compile", "torch.export", "bf16"):
            assert part in card, (name, part)
        for scheme in ("light", "dark"):
            assert (site / "operators" / f"{name}-{scheme}.png").read_bytes().startswith(b"\x89PNG")


def test_every_recipe_has_a_page_with_its_text(site: Path) -> None:
    for name in (*catalog.names(), *catalog.fragments(), *catalog.studies()):
        page = html.unescape(re.sub(r"<[^>]+>", "", (site / "recipes" / f"{name}.html").read_text("utf-8")))
        assert catalog.summary(catalog.find(name)) in page, name


def test_every_command_and_every_public_name_has_an_entry(site: Path) -> None:
    commands = (site / "reference" / "cli.html").read_text("utf-8")
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    inner = [f"data-{command.name or command.callback.__name__}" for command in data_commands() if command.callback]
    assert len(names) > 10
    for name in (*names, *inner):
        assert f'id="mixkit-{name}"' in commands, name
    for option in ("--engine", "--timeline", "--allow-changes"):
        assert option in commands
    python = (site / "reference" / "api.html").read_text("utf-8")
    for name in mixkit.__all__:
        assert re.search(rf'id="mixkit\.[\w.]*\b{name}"|mixkit\.{name}<', python), name


def test_all_else_that_a_recipe_can_name_is_described(site: Path) -> None:
    page = (site / "reference" / "names.html").read_text("utf-8")
    assert set(REGISTRIES) >= {"task", "features", "loss", "metric", "weights"}
    for kind, registry in REGISTRIES.items():
        for name in registry.names() if kind != "operator" else ():
            _, found, part = page.partition(f'id="{kind}{name}"')
            assert found, (kind, name)
            for setting in registry.entry(name).settings:
                assert f"<code>{setting.name}</code>" in part.split("<h3")[0], (kind, name, setting.name)


def data_commands() -> list[object]:
    (group,) = (group.typer_instance for group in app.registered_groups if group.name == "data")
    return list(group.registered_commands) if group else []


def test_nothing_is_asked_of_the_network(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    assert {path.name: outside(Page(path)) for path in pages if outside(Page(path))} == {}
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text("utf-8")), style


def test_every_link_leads_somewhere(site: Path) -> None:
    assert broken(site) == []


def test_what_is_broken_or_outside_is_found_out(tmp_path: Path) -> None:
    """The control of the two tests above."""
    (tmp_path / "a.html").write_text("<a href='b.html#here'>b</a><a href='b.html#gone'>b</a><img src='gone.png'>")
    (tmp_path / "b.html").write_text("<p id='here'><script src='https://x.org/a.js'></script><img src='//x.org/b.png'>")
    assert broken(tmp_path) == ["a.html: b.html#gone", "a.html: gone.png"]
    assert outside(Page(tmp_path / "b.html")) == ["https://x.org/a.js", "//x.org/b.png"]


def test_a_page_that_is_in_no_list_or_links_nowhere_stops_the_build(tmp_path: Path) -> None:
    """The control of the build itself, without the generated pages."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# One\n\n[gone](gone.md)\n")
    (tmp_path / "docs" / "lost.md").write_text("# Two\n")
    rules = (ROOT / "mkdocs.yml").read_text().partition("validation:")[2]
    text = f"site_name: x\ntheme: {{name: material, font: false}}\nnav: [index.md]\nvalidation:{rules}"
    (tmp_path / "mkdocs.yml").write_text(text)
    done = build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert done.returncode != 0
    assert "lost.md" in done.stderr
    assert "gone.md" in done.stderr
