"""The page in a real browser, with the network off: on a desk and on a telephone, light and dark."""

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mixkit.report import write
from mixkit.report.comparison import compare_arms
from mixkit.report.page import page
from mixkit.report.runs_by_arm import gather
from mixkit.report.worst_errors import Mistake, WorstErrors, _png
from tests.fake_runs import fake_study

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")

LONG = "an_arm_with_a_name_that_is_longer_than_any_telephone_is_wide_and_has_no_place_to_break"
ARMS = {"ASM-RH": lambda seed: 0.85 + 0.025 * seed, "ASM-H": lambda _: 0.8, LONG: lambda _: 0.9}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch

    folder = tmp_path_factory.mktemp("browser")
    study = fake_study(folder / "study", ARMS, failed=((LONG, 1),), describe={"ASM-H": {"value": {"accuracy": 95.2}}})
    sound = BytesIO()
    soundfile.write(sound, 0.3 * np.sin(np.arange(32_000) / 10), 16_000, format="WAV", subtype="PCM_16")
    picture = _png(torch.rand(64, 200))
    mistake = Mistake("siren/1.wav", (("siren", 0.1),), (("dog_bark", 0.7),), 2.0, False, sound.getvalue(), picture)
    text = page(compare_arms(gather([study])), {"ASM-RH": WorstErrors((mistake, mistake), 2, 40)})
    (folder / write.PAGE).write_text(text, "utf-8")
    return (folder / write.PAGE).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield launched
        launched.close()


class Opened:
    """A page that was opened, and all that it asked for and complained of."""

    def __init__(self, browser: Any, address: str, width: int = 1200, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        self.page.evaluate("Promise.allSettled([...document.images].map(image => image.decode()))")

    def ask(self, script: str) -> Any:
        """What the page answers."""
        return self.page.evaluate(script)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_everything_is_there_and_nothing_is_asked_of_the_network(
    browser: Any, address: str, width: int, scheme: str
) -> None:
    opened = Opened(browser, address, width, scheme)
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("data:", address))] == []
    images = opened.ask("[...document.images].map(image => [image.naturalWidth, image.getBoundingClientRect().width])")
    assert len(images) == 2 + 3 + 2  # forest and cost, curves of three arms, two spectrograms
    assert all(natural > 60 and shown > 100 for natural, shown in images)
    assert opened.ask("document.querySelectorAll('table').length") == 3 + 1 + 1 + 3 + 1 + 1
    assert opened.ask("document.documentElement.scrollWidth") <= width
    assert opened.ask("[...document.querySelectorAll('p, li, summary')].every(e => e.scrollWidth <= e.clientWidth + 1)")


def test_a_page_that_is_too_wide_or_asks_for_more_is_found_out(browser: Any, address: str, tmp_path: Path) -> None:
    """The control of the test above."""
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='http://127.0.0.1:9/x.png'><pre>" + "wide " * 100 + "</pre><script>missing()</script>")
    opened = Opened(browser, bad.as_uri(), 390)
    assert opened.ask("document.documentElement.scrollWidth") > 390
    assert len(opened.said) == 2
    assert "http://127.0.0.1:9/x.png" in opened.asked


# Not wait_for_function: it evaluates text, which the page's policy forbids.
PLAY = """Promise.all([...document.querySelectorAll('audio')].map(player => new Promise(done => {
    player.ontimeupdate = () => player.currentTime > 0 && done(player.duration);
    player.play().catch(fault => done(fault.name));
})))"""


def test_players_play(browser: Any, address: str) -> None:
    opened = Opened(browser, address)
    assert opened.ask(PLAY) == [2.0, 2.0]
    assert opened.said == []
    opened.ask("document.querySelector('audio').src = 'data:audio/wav;base64,AAAA'")
    assert opened.ask(PLAY)[0] == "NotSupportedError"  # the control


def test_dark_is_dark_and_text_stands_out_in_both(browser: Any, address: str) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        opened = Opened(browser, address, scheme=scheme)
        ground, ink, soft, bad = (
            _brightness(opened.ask(f"getComputedStyle(document.querySelector('{part}')).{what}"))
            for part, what in (("body", "backgroundColor"), ("body", "color"), (".key", "color"), (".bad", "color"))
        )
        grounds[scheme] = ground
        for text, least in ((ink, 7), (soft, 4.5), (bad, 4.5)):
            assert (max(ground, text) + 0.05) / (min(ground, text) + 0.05) > least  # WCAG 2.1, contrast
    assert grounds["light"] > 0.9 > 0.1 > grounds["dark"]


def test_the_answer_stands_first_and_all_parts_are_a_step_away(browser: Any, address: str) -> None:
    opened = Opened(browser, address, 390)
    assert opened.ask("document.querySelector('.answer').getBoundingClientRect().bottom") < 900  # without scrolling
    links = opened.ask("[...document.querySelectorAll('nav a')].map(link => link.hash.slice(1))")
    assert links == opened.ask("[...document.querySelectorAll('main > section')].map(part => part.id)")
    opened.page.click("nav a[href='#runs']")
    assert 0 <= opened.ask("document.querySelector('#runs').getBoundingClientRect().top") < 900
    assert opened.said == []


def test_commands_can_be_read_on_a_telephone(browser: Any, address: str) -> None:
    """Without scrolling sideways, however wide the table is above them."""
    opened = Opened(browser, address, 390)
    ends = "[...document.querySelectorAll('.runs code')].map(code => code.getBoundingClientRect().right)"
    assert all(right <= 390 for right in opened.ask(ends))
    opened.ask("document.querySelectorAll('.runs code').forEach(code => code.style.maxWidth = 'none')")
    assert max(opened.ask(ends)) > 390  # the control


def test_the_figures_follow_width_and_scheme(browser: Any, address: str) -> None:
    shown = {
        (width, scheme): Opened(browser, address, width, scheme).ask("document.images[0].currentSrc")
        for width in (1200, 390)
        for scheme in ("light", "dark")
    }
    assert len(set(shown.values())) == 4


def test_it_can_be_read_without_a_pointer(browser: Any, address: str) -> None:
    opened = Opened(browser, address, 390)
    assert opened.ask("[...document.images].every(image => image.alt.length > 10)")
    assert opened.ask("[...document.querySelectorAll('.scroll')].every(e => e.tabIndex === 0 && e.ariaLabel)")
    assert opened.ask("document.querySelectorAll('h1').length") == 1
    cells = "[...document.querySelectorAll('tbody tr:not(.command)')].every(row => row.querySelector('th[scope=row]'))"
    assert opened.ask(cells)


def _brightness(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    channels = [int(part) / 255 for part in colour.strip("rgb()").split(",")]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
