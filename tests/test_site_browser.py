"""The documentation in a real browser with no network but this machine: on a desk and a telephone, light and dark."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.site import built, served

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
pytest.importorskip("material", reason="mkdocs-material is not installed: pip install -e '.[docs]'")
pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: pip install -e '.[docs]'")
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium"),
]

DESK, TELEPHONE = 1280, 390
WIDE = (
    "[...document.querySelectorAll('pre > code')].filter(c => c.scrollWidth > c.clientWidth + 1).map(c => c.innerText)"
)
"""Code that does not fit its column."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as where:
        yield where


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


class Visitor:
    """Somebody who reads the site, and all that the pages asked for and complained of meanwhile."""

    def __init__(self, browser: Any, width: int = DESK, scheme: str = "light"):
        allowed = ["clipboard-read", "clipboard-write"]
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, permissions=allowed
        )
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "response", lambda answer: answer.status < 400 or self.said.append(f"{answer.status} {answer.url}")
        )

    def open(self, address: str) -> "Visitor":
        self.page.goto(address)
        self.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        return self

    def arrive(self, heading: str) -> None:
        """Waits for a page: a click returns before the next one is read."""
        self.page.wait_for_function("start => document.querySelector('h1')?.innerText.startsWith(start)", arg=heading)

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


def addresses(site: Path, address: str) -> list[str]:
    return [address + path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (TELEPHONE, "dark")])
def test_every_page_fits_and_is_silent(browser: Any, site: Path, address: str, width: int, scheme: str) -> None:
    visitor = Visitor(browser, width, scheme)
    pages = addresses(site, address)
    assert len(pages) > 50
    for page in pages:
        visitor.open(page)
        assert visitor.ask("document.documentElement.scrollWidth") <= width, page
        shown = visitor.ask(
            "[...document.images].filter(i => i.offsetParent).every(i => i.complete && i.naturalWidth > 20)"
        )
        assert shown, page
        assert visitor.ask("[...document.images].every(image => image.alt.length > 3)"), page
        assert visitor.ask("document.querySelectorAll('h1').length") == 1, page
        assert visitor.ask(WIDE) == [], page
    assert visitor.said == []
    assert [url for url in visitor.asked if not url.startswith(("data:", address))] == []
    visitor.context.close()


def test_a_page_that_is_too_wide_or_noisy_is_found_out(browser: Any, tmp_path: Path) -> None:
    """The control of the test above."""
    code = "<code style='display: block; overflow: auto'>"
    wide = f"<pre>{'wide ' * 100}</pre><pre style='width: 4em'>{code}too wide for it</code></pre>"
    (tmp_path / "bad.html").write_text(f"<img src='gone.png'>{wide}<script>missing()</script>")
    with served(tmp_path) as where:
        visitor = Visitor(browser, TELEPHONE).open(f"{where}bad.html")
        assert visitor.ask("document.documentElement.scrollWidth") > TELEPHONE
        assert visitor.ask(WIDE) == ["too wide for it"]
        assert any("missing is not defined" in line for line in visitor.said)
        assert any(line.startswith("404 ") and "gone.png" in line for line in visitor.said)
        visitor.context.close()


def test_one_gets_about(browser: Any, address: str) -> None:
    visitor = Visitor(browser).open(f"{address}index.html")
    visitor.page.click(".md-tabs >> text=Operators")
    visitor.page.click(".md-sidebar--primary >> text=roll_time")
    visitor.arrive("roll_time")
    visitor.page.click(".md-footer__link--next")
    visitor.arrive("shift")
    visitor.context.close()


def test_one_gets_about_on_a_telephone(browser: Any, address: str) -> None:
    visitor = Visitor(browser, TELEPHONE).open(f"{address}index.html")
    visitor.page.click("label.md-header__button[for=__drawer]")
    visitor.page.click(".md-nav--primary label.md-nav__title[for=__nav_1]")  # back, out of the section of this page
    visitor.page.click(".md-nav--primary .md-nav__item--nested > label >> text=Use")
    visitor.page.click(".md-nav--primary >> text=Write an operator")
    visitor.arrive("Write an operator")
    visitor.context.close()


@pytest.mark.parametrize("opened", ["served", "file"])
def test_search_finds_and_leads_there(browser: Any, site: Path, address: str, opened: str) -> None:
    """Also in pages that are opened as files, where a browser starts no worker."""
    visitor = Visitor(browser).open((address if opened == "served" else f"{site.as_uri()}/") + "index.html")
    visitor.page.click(".md-search__input")
    visitor.page.type(".md-search__input", "hermit_frequency", delay=20)
    visitor.page.wait_for_selector(".md-search-result__link")
    found = visitor.ask("[...document.querySelectorAll('.md-search-result__link')].map(link => link.href)")
    assert any("operators/hermit_frequency.html" in link for link in found)
    visitor.page.click(".md-search-result__link >> nth=0")
    visitor.page.wait_for_url("**/*.html*")
    assert "hermit_frequency" in visitor.ask("document.body.innerText")
    assert visitor.said == []
    visitor.context.close()


def test_code_is_copied(browser: Any, address: str) -> None:
    visitor = Visitor(browser).open(f"{address}first_recipe.html")
    visitor.page.hover(".language-sh.highlight >> nth=0")
    visitor.page.click(".language-sh.highlight [data-md-type=copy] >> nth=0")
    visitor.page.wait_for_timeout(100)
    copied = visitor.ask("navigator.clipboard.readText()")
    assert copied.startswith("mixkit copy asm_rh mine.gin\nmixkit check mine.gin")
    visitor.context.close()


def test_dark_is_dark_by_the_system_and_by_the_button(browser: Any, address: str) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        visitor = Visitor(browser, scheme=scheme).open(f"{address}operators/roll_time.html")
        ground, ink, link = (
            brightness(visitor.ask(f"getComputedStyle(document.querySelector('{part}')).{what}"))
            for part, what in (
                ("body", "backgroundColor"),
                (".md-content p", "color"),
                (".md-content p a:not(.headerlink)", "color"),
            )
        )
        grounds[scheme] = ground
        assert contrast(ground, ink) > 7
        assert contrast(ground, link) > 3.5
        pictures = "[...document.images].filter(image => image.offsetParent).map(image => image.src)"
        assert [name.partition("#")[0].rpartition("-")[2] for name in visitor.ask(pictures)] == [f"{scheme}.png"]
        visitor.context.close()
    assert grounds["light"] > 0.9 > 0.1 > grounds["dark"]
    visitor = Visitor(browser).open(f"{address}index.html")
    for _ in range(2):  # from "as the system" to light, and on to dark
        visitor.page.click("label[for^=__palette]:visible")
    assert brightness(visitor.ask("getComputedStyle(document.body).backgroundColor")) < 0.1
    visitor.open(f"{address}plugins.html")
    assert brightness(visitor.ask("getComputedStyle(document.body).backgroundColor")) < 0.1
    visitor.context.close()


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)  # WCAG 2.1


def brightness(colour: str) -> float:
    """Relative luminance, as WCAG defines it, of `rgb(...)` over what is there; alpha is mixed with mid-ground."""
    parts = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")]
    linear = [
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in (p / 255 for p in parts)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
