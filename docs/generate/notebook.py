"""The notebook as a page: its cells, and what they gave when it was last run; the tests run it again.

python docs/generate/notebook.py    runs it, and keeps what came of it in docs/notebook.ipynb
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1] / "notebook.ipynb"
COLOURS = re.compile(r"\x1b\[[\d;]*m")
HEAD = "This page is [a notebook](notebook.ipynb){ download } that tests run; below each cell stands what it gave."


def pages() -> Iterator[tuple[str, str | bytes]]:
    """The page, and its pictures."""
    parts, pictures = [], dict[str, bytes]()
    for number, cell in enumerate(json.loads(SOURCE.read_text())["cells"]):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        for place, output in enumerate(cell["outputs"]):
            name = f"notebook-{number}-{place}.png"
            parts.append(_shown(output, name, pictures))
    title, rest = parts[0].split("\n", 1)
    yield "notebook.md", "\n\n".join([title, HEAD, rest, *parts[1:]]) + "\n"
    yield from pictures.items()


def _shown(output: Any, name: str, pictures: dict[str, bytes]) -> str:
    """What a cell printed or gave."""
    data = output.get("data", {"text/plain": output.get("text", "")})
    page = "".join(data.get("text/html", ""))
    if page and not page.startswith("<pre"):  # which is text that rich has coloured
        return f'<div class="given">\n{page}\n</div>'
    if "image/png" in data:
        pictures[name] = base64.b64decode("".join(data["image/png"]))
        return f"![What the cell above draws]({name}){{ .picture }}"
    return "```text\n" + COLOURS.sub("", "".join(data["text/plain"])).strip("\n") + "\n```"


def run() -> None:
    """Runs every cell in a folder that is thrown away."""
    from tempfile import TemporaryDirectory

    import nbformat
    from nbclient import NotebookClient

    found = nbformat.read(SOURCE, 4)  # type: ignore[no-untyped-call]
    with TemporaryDirectory() as folder:
        NotebookClient(found, timeout=300, resources={"metadata": {"path": folder}}).execute()
    for cell in found.cells:
        cell.metadata = {}
        if "outputs" in cell:  # what libraries grumble about on the way is of this machine alone
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(found, SOURCE)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    run()
