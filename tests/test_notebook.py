"""The notebook of the docs runs from end to end in a kernel, and shows what it gives."""

import json
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install -e '.[dev]'")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -e '.[dev]'")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install -e '.[dev]'")

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the client's own event loop
]


def given(cells: list[Any], start: str) -> dict[str, str]:
    """What the cell that begins so gave last, by kind."""
    (cell,) = (cell for cell in cells if "".join(cell["source"]).startswith(start))
    return cell["outputs"][-1]["data"]


def execute(cells: list[str], folder: Path) -> list[Any]:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return book.cells


def test_it_runs_and_shows_what_it_gives(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    done = execute(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"], tmp_path)
    assert "train.batch_size" in given(done, "import mixkit")["text/html"]
    assert "<img" in given(done, "run = ")["text/html"], "the figures are drawn, and shown"
    assert "image/png" in given(done, "run.plot")
    for start in ("mixkit.evaluate", "mixkit.look", "import torch", "mixkit.compare", "mixkit.pool"):
        assert "<table>" in given(done, start)["text/html"] or "<img" in given(done, start)["text/html"], start
    (trained,) = (cell for cell in done if cell["source"].startswith("run = "))
    printed = "".join("".join(output.get("data", {}).get("text/plain", "")) for output in trained["outputs"])
    assert "epoch   2/2" in printed, "a notebook is told how it goes without asking"
    assert "cannot be assigned" in done[1]["outputs"][0]["text"]
    with pytest.raises(nbclient.exceptions.CellExecutionError):  # the control
        execute(["import mixkit", "mixkit.trian"], tmp_path)


def test_its_page_shows_what_it_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outputs that are kept are those of these cells."""
    monkeypatch.syspath_prepend(str(NOTEBOOK.parent / "generate"))
    import notebook

    pages = dict(notebook.pages())
    assert pages["notebook.md"].startswith("# mixkit in a notebook\n")
    assert '<div class="given">' in pages["notebook.md"]
    assert any(name.endswith(".png") and content.startswith(b"\x89PNG") for name, content in pages.items() if content)
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert cell["cell_type"] == "markdown" or cell["outputs"] or cell["execution_count"], cell["source"]
