"""The page: valid, complete in itself, and deaf to whatever a stranger writes into a run folder."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import html5lib
import pytest

from mixkit.errors import RunError
from mixkit.report import write
from tests.conftest import Said
from tests.fake_runs import fake_results, fake_run, fake_study

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "=HYPERLINK(1)",
    "a | b \\ $x_1^2$ & 50% #1 ~ {c}",
    "{{ 7 * 7 }}{% raw %}",
    "\ud800torn",
)
ARMS = {"ASM-RH": lambda seed: 0.85 + 0.025 * seed, "ASM-H": lambda _: 0.8, "shift": lambda _: 0.9}


class Tags(HTMLParser):
    """Every tag with its attributes, as a browser would see them."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fake_study(
        tmp_path_factory.mktemp("pages") / "table_6",
        ARMS,
        failed=(("shift", 1),),
        describe={"ASM-RH": {"value": {"accuracy": 95.8}, "note": "one shuffle"}},
        quick=True,
    )
    return write.report([folder])[0]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose names, labels, errors and commands are an attack."""
    folder = tmp_path_factory.mktemp("hostile") / '<b>"quoted" & \u202e'
    results = {"labels": list(HOSTILE[:4]), "recipe": HOSTILE[0], "task": HOSTILE[1], "protocol": HOSTILE[6]}
    names = [HOSTILE[0] + HOSTILE[1], HOSTILE[2] + HOSTILE[3], HOSTILE[4] + HOSTILE[5], HOSTILE[6]]
    fake_study(folder, {name: lambda _: 0.8 for name in names}, (0, 1), failed=((names[1], 1),), **results)
    record = (folder / "study.json").read_text()
    document = json.loads(record)
    document["note"] = HOSTILE[0]
    for arm, text in zip(document["arms"], HOSTILE, strict=False):
        arm["note"], arm["lines"] = text, [text]
    for trial, text in zip(document["trials"], HOSTILE * 2, strict=False):
        trial["command"] = text
        trial["error"] = text if trial["state"] == "failed" else None
    (folder / "study.json").write_text(json.dumps(document))
    for run in (folder / "runs").iterdir():
        (run / "environment.json").write_text(json.dumps({HOSTILE[0]: HOSTILE[1], "command": [*HOSTILE], "n": [1]}))
    return write.report([folder])[0]


def test_html_is_valid(written: Path, hostile: Path) -> None:
    for page in (written, hostile):
        html5lib.HTMLParser(strict=True).parse(page.read_text("utf-8"))
    with pytest.raises(html5lib.html5parser.ParseError):  # the control
        html5lib.HTMLParser(strict=True).parse(written.read_text().replace("</table>", "</div>", 1))


@pytest.mark.skipif(shutil.which("tidy") is None, reason="HTML Tidy is not installed: apt-get install tidy")
def test_tidy_has_nothing_to_say(written: Path, hostile: Path) -> None:
    for page in (written, hostile):
        done = subprocess.run(["tidy", "-q", "-e", "-utf8", str(page)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_page_needs_nothing_from_elsewhere(written: Path) -> None:
    tags = Tags(written.read_text()).found
    assert {"table", "picture", "img", "details", "th"} <= {tag for tag, _ in tags}
    assert not {"script", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in tags}
    addresses = [value for _, attrs in tags for key in ("src", "href", "srcset") if (value := attrs.get(key))]
    assert len(addresses) > 10
    assert all(address.startswith(("data:", "#")) for address in addresses)
    places = {f"#{attrs['id']}" for _, attrs in tags if "id" in attrs}
    assert {address for address in addresses if address[0] == "#"} == places
    style = re.search(r"<style>(.*?)</style>", written.read_text(), re.DOTALL)
    assert style
    assert not re.search(r"url\(|@import|//", style[1])
    policy = next(attrs["content"] for tag, attrs in tags if tag == "meta" and "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none';")


def test_the_page_says_what_it_must(written: Path) -> None:
    page = written.read_text()
    for part in (
        "quick: a short study to see that everything works. Its figures prove nothing.",
        "table_6 on demo (recorders held out): 8 runs of 9, 3 arms, 3 seeds; 40 test clips a run.",
        "3 pairs can never give p below 0.25, however large the difference",
        "mixkit train asm_rh --set &#39;model.depth = 4&#39; --seed 2",
        "failed: epoch 3, batch 7: the loss is nan. Lower train.learning_rate.",
        "one shuffle",
        "95.80",
        "air_conditioner",
        "2.14.1",
        "is missing: no epoch of that run has ended yet.",  # the weights, without which nothing can be heard
    ):
        assert part in page, part


def test_beside_the_page_lies_the_same_answer(written: Path) -> None:
    names = {path.name for path in written.parent.iterdir()}
    figures = {f"{name}.{kind}" for name in ("forest", "cost") for kind in ("svg", "pdf", "png")}
    assert names == {"report.html", "table.md", "table.tex", "runs.csv", "answer.json", *figures}
    assert (written.parent / "forest.svg").read_bytes().startswith(b"<?xml")
    assert (written.parent / "forest.pdf").read_bytes().startswith(b"%PDF")
    assert r"\toprule" in (written.parent / "table.tex").read_text()
    assert (written.parent / "table.md").read_text().count("\n| ASM-RH |") == 5


def test_a_report_is_the_same_when_it_is_made_again(written: Path, tmp_path: Path) -> None:
    again, _ = write.report([written.parents[1]], tmp_path / "again")
    assert again.read_bytes() == written.read_bytes()


def test_hostile_text_stays_text(hostile: Path) -> None:
    page = hostile.read_text("utf-8")
    tags = Tags(page).found
    assert "script" not in {tag for tag, _ in tags}
    assert not [attrs for _, attrs in tags if any(key.startswith("on") for key in attrs)]
    assert {attrs["src"][:5] for tag, attrs in tags if tag == "img" and attrs["src"]} == {"data:"}
    assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", page)  # no template in a name is carried out
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for path in hostile.parent.iterdir():
        if path.suffix in (".html", ".md", ".tex", ".csv", ".json"):
            text = path.read_text("utf-8")
            assert not [character for character in "\x1b\u202e\ud800" if character in text], path


def test_hostile_text_in_the_other_formats(hostile: Path) -> None:
    cells = [row["arm"] for row in csv.DictReader(io.StringIO((hostile.parent / "runs.csv").read_text()))]
    assert "'=HYPERLINK(1)a | b" in {cell[:19] for cell in cells}
    markdown = (hostile.parent / "table.md").read_text()
    assert r"\<script\>alert(1)\</script\>" in markdown
    widths = {
        line.replace(r"\|", "").count("|") for line in markdown.split("## ")[1].splitlines() if line.startswith("|")
    }
    assert len(widths) == 1  # a bar in a name opens no column
    latex = (hostile.parent / "table.tex").read_text()
    assert r"a \textbar{} b \textbackslash{} \$x\_1\textasciicircum{}2\$ \& 50\% \#1 \textasciitilde{} \{c\}" in latex


def test_hostile_text_in_the_terminal(hostile: Path, mixkit_command: Callable[..., Said]) -> None:
    said = mixkit_command("compare", hostile.parents[1])
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    assert "<script>" in said.out  # as text


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    folder = fake_run(tmp_path / "run", fake_results(0, 0.8))
    for name in ("metrics.jsonl", "times.jsonl", "environment.json"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    page, _ = write.report([folder], errors=0)
    assert "Learning curves" not in page.read_text()


def test_a_link_in_a_run_folder_does_not_lead_the_report_elsewhere(tmp_path: Path) -> None:
    folder = fake_run(tmp_path / "run", fake_results(0, 0.8))
    (tmp_path / "elsewhere").mkdir()
    (folder / "report").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError) as caught:
        write.report([folder], errors=0)
    assert str(caught.value) == f"{folder}/report is a link. Name the folder to write with --out."
    assert write.report([folder], tmp_path / "here", errors=0)[0] == tmp_path / "here" / "report.html"


def test_many_classes_are_told_and_not_drawn(tmp_path: Path) -> None:
    labels = tuple(f"class_{number}" for number in range(60))
    results = {**fake_results(0, 0.8), "labels": list(labels)}
    results["test"] = {
        **results["test"],
        "confusion": [[int(r == c) or int(c == 5) for c in range(60)] for r in range(60)],
    }
    results["valid"] = results["test"]
    page, _ = write.report([fake_run(tmp_path / "run", results)], errors=0)
    text = page.read_text()
    assert 'class="confusion"' not in text
    assert "60 classes are too many for a matrix that can be read" in text
    assert "<bdi>class_0</bdi> taken for <bdi>class_5</bdi> (1)" in text
