"""A page that follows what trains: written when something has changed, it refreshes itself, and ends with the runs."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.errors import RunError
from mixkit.report import watch as watching
from mixkit.report.watch import watch
from mixkit.report.write import PAGE
from mixkit.study.record import read_study, write_study
from tests.conftest import Said
from tests.fake_runs import fake_results, fake_run, fake_study
from tests.test_report_browser import BROWSER, api, browser  # noqa: F401

REFRESHES = '<meta http-equiv="refresh" content="5">'


class Training:
    """A run that goes on by an epoch whenever somebody sleeps, and now and then not."""

    def __init__(self, folder: Path, stay: tuple[int, ...] = (), interrupt: int | None = None):
        self.run = fake_run(folder, fake_results(), settings=("train.epochs = 12", "train.steps = None"))
        self.lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
        self.page = folder / "report" / PAGE
        self.stay, self.interrupt = stay, interrupt
        self.pages: list[tuple[str, int]] = []
        self.slept = 0
        (folder / "results.json").unlink()
        self._go_to(2)

    def _go_to(self, epochs: int) -> None:
        self.epochs = epochs
        (self.run / "metrics.jsonl").write_text("".join(self.lines[:epochs]))

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 5
        self.slept += 1
        self.pages.append((self.page.read_text(), self.page.stat().st_ino))
        if self.slept == self.interrupt:
            raise KeyboardInterrupt
        if self.slept not in self.stay:
            self._go_to(self.epochs + 1)
        if self.epochs == 5:
            (self.run / "results.json").write_text(json.dumps(fake_results()))


def test_the_page_goes_on_with_the_run_and_ends_with_it(tmp_path: Path) -> None:
    training, said = Training(tmp_path / "one", stay=(2,)), list[str]()
    assert watch([training.run], say=said.append, sleep=training.sleep)
    (line,) = said
    assert line.startswith(f"Wrote {training.page}, which follows what goes on. ")
    texts = [text for text, _ in training.pages]
    shown = [re.search(r"after (\d+) of 12 epochs", text)[1] for text in texts]  # type: ignore[index]
    assert shown == ["2", "3", "3", "4"]
    assert all(REFRESHES in text and text.count("data:image/svg") == 4 for text in texts)
    places = [place for _, place in training.pages]
    assert places[1] == places[2], "where nothing has changed nothing is written"
    assert places[0] != places[1] != places[3], "the control"
    last = training.page.read_text()
    assert "The run is complete, after 5 of 12 epochs." in last
    assert 'http-equiv="refresh"' not in last


def test_ctrl_c_leaves_a_page_that_is_still(tmp_path: Path) -> None:
    training = Training(tmp_path / "one", interrupt=2)
    assert not watch([training.run], sleep=training.sleep)
    last = training.page.read_text()
    assert "after 3 of 12 epochs" in last
    assert REFRESHES in training.pages[-1][0]
    assert REFRESHES not in last


def test_a_study_is_followed_run_by_run(tmp_path: Path) -> None:
    study = fake_study(tmp_path / "study", {"A <b>": lambda _: 0.8, "B": lambda _: 0.7}, (0,), failed=(("B", 0),))
    first = read_study(study).trials[0].folder
    kept = (first / "results.json").read_text()
    (first / "results.json").unlink()
    page = study / "report" / PAGE

    def sleep(_: float) -> None:
        text = page.read_text()
        assert "2 runs: 1 waiting, 1 failed." in text
        assert "A &lt;b&gt;" in text
        assert REFRESHES in text
        (first / "results.json").write_text(kept)

    record = read_study(study)
    write_study(record)
    assert watch([study], sleep=sleep)
    assert "2 runs: 1 complete, 1 failed." in page.read_text()


def test_the_report_takes_its_place(mixkit_command: Callable[..., Said], tmp_path: Path) -> None:
    run = fake_run(tmp_path / "one", fake_results())
    said = mixkit_command("report", run, "--watch", "--errors", 0)
    assert said.code == 0, said.err
    text = (run / "report" / PAGE).read_text()
    assert "What these figures support" in text
    assert 'http-equiv="refresh"' not in text


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no run: it has no recipe\.gin"):
        watch([tmp_path])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
def test_a_browser_follows_it(browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    monkeypatch.setattr(watching, "REFRESH", 1)
    training, faults = Training(tmp_path / "one"), list[str]()
    watching._write(_made(training.page), [training.run], watching.progress([training.run]))
    context = browser.new_context(viewport={"width": 390, "height": 900}, offline=True)
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text))
    page.goto(training.page.as_uri())
    assert "after 2 of 12 epochs" in page.inner_text(".answer")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    training._go_to(3)
    watching._write(training.page, [training.run], watching.progress([training.run]))
    page.get_by_text("after 3 of 12 epochs").wait_for(timeout=20_000)
    (training.run / "results.json").write_text(json.dumps(fake_results()))
    watching._write(training.page, [training.run], watching.progress([training.run]))
    page.get_by_text("The run is complete").wait_for(timeout=20_000)
    assert page.evaluate("document.querySelector('meta[http-equiv=refresh]')") is None
    assert faults == []
    context.close()


def _made(page: Path) -> Path:
    page.parent.mkdir()
    return page
