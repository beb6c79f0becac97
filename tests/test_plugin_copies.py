"""A run keeps copies of its plugins; they only run when their very content was named."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixkit.errors import TrustError
from mixkit.plugins.copies import load_for_run, sources
from mixkit.plugins.load import load_plugins
from mixkit.registry import operator

pytestmark = pytest.mark.usefixtures("without_plugins")

PLUGIN = '''"""An operator."""
from torch import nn

from mixkit import operator

@operator("louder", mixes={{"channel"}})
class Louder(nn.Module):
    """Doubles."""

    def __init__(self, site, *, gain: float = 2.0):
        super().__init__()
        self.map = nn.Linear(site.width, site.width)
        self.gain = gain

    def forward(self, x):
        """Double."""
        return self.gain * self.map(x)

{more}
'''
SMALL = ["task.demo.clips = 4", "model.width = 16", "model.depth = 1", "train.epochs = 1", "train.batch_size = 16"]
LINES = [part for line in [*SMALL, "block.branches = [@operator.louder()]"] for part in ("--set", line)]


def forget() -> None:
    sys.modules.pop("louder_plugin", None)
    operator._entries.pop("louder", None)


@pytest.fixture
def run(mixkit_command: Callable[..., Any], tmp_path: Path) -> Path:
    """A run made with a plugin that is not there any more."""
    plugin = tmp_path / "louder_plugin.py"
    plugin.write_text(PLUGIN.format(more=""))
    said = mixkit_command("train", "asm_rh", *LINES, "--plugin", plugin, "--runs", tmp_path / "runs", "--name", "one")
    assert said.code == 0, said.err
    plugin.unlink()
    forget()
    return tmp_path / "runs" / "one"


def digest_in(message: str) -> str:
    return message.split("; --trust ")[1].split(" ")[0]


def test_a_run_keeps_a_copy_and_asks_before_it_runs_it(mixkit_command: Callable[..., Any], run: Path) -> None:
    copy = run / "plugins" / "louder_plugin.py"
    assert copy.read_text() == PLUGIN.format(more="")
    for command in (["evaluate", run], ["predict", run, run], ["export", run, "--to", "onnx"], ["look", run]):
        refused = mixkit_command(*command)
        assert refused.code == 3, refused
        assert refused.err.startswith(f"error: {run} was made with plugins that are not loaded. Name your own with")
        assert "  louder_plugin.py: 19 lines, SHA-256 " in refused.err
        assert "louder_plugin" not in sys.modules
    allowed = mixkit_command("evaluate", run, "--trust", digest_in(refused.err))
    assert allowed.code == 0, allowed.err
    assert "louder_plugin" in sys.modules


def test_trust_is_bound_to_every_byte(run: Path, tmp_path: Path) -> None:
    with pytest.raises(TrustError) as caught:
        load_for_run(run)
    digest = digest_in(str(caught.value))
    canary = tmp_path / "canary"
    copy = run / "plugins" / "louder_plugin.py"
    copy.write_text(PLUGIN.format(more=f"import pathlib; pathlib.Path({str(canary)!r}).touch()"))
    with pytest.raises(TrustError) as caught:
        load_for_run(run, trusted=digest)
    assert str(caught.value).startswith(f"--trust {digest} does not belong to what lies in {run / 'plugins'} now:")
    assert not canary.exists()
    load_for_run(run, trusted=digest_in(str(caught.value)))
    assert canary.exists(), "the control: what is trusted does run"


def test_a_compiled_file_beside_the_copy_is_not_run(run: Path, tmp_path: Path) -> None:
    """Python itself takes a .pyc for the source if its header says so; what was shown to the user is the source."""
    import importlib.util
    import py_compile

    canary, evil = tmp_path / "canary", tmp_path / "evil.py"
    evil.write_text(f"import pathlib; pathlib.Path({str(canary)!r}).touch()\n")
    copy = run / "plugins" / "louder_plugin.py"
    compiled = Path(importlib.util.cache_from_source(str(copy)))
    compiled.parent.mkdir()
    py_compile.compile(str(evil), str(compiled), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    with pytest.raises(TrustError) as caught:
        load_for_run(run)
    load_for_run(run, trusted=digest_in(str(caught.value)))
    assert not canary.exists()
    forget()
    spec = importlib.util.spec_from_file_location("louder_plugin", copy)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert canary.exists(), "the control: the usual way of loading runs it"


@pytest.mark.parametrize(
    ("name", "fault"),
    [("json.py", "has the name of a module that is in use"), ("a.b.py", "has a name that no recipe can import")],
)
def test_copies_that_cannot_take_the_place_of_a_module(tmp_path: Path, name: str, fault: str) -> None:
    path = tmp_path / "plugins" / name
    path.parent.mkdir(parents=True)
    path.write_text("raise SystemExit\n")
    with pytest.raises(TrustError) as caught:
        load_for_run(tmp_path)
    with pytest.raises(TrustError) as refused:
        load_for_run(tmp_path, trusted=digest_in(str(caught.value)))
    assert str(refused.value) == f"plugin {name} {fault}. Name your own with --plugin."


@pytest.mark.parametrize("trusted", [None, 32 * "0"])
def test_of_a_package_no_trust_is_offered_that_would_then_be_refused(tmp_path: Path, trusted: str | None) -> None:
    path = tmp_path / "plugins" / "choir" / "bass.py"
    path.parent.mkdir(parents=True)
    path.write_text("raise SystemExit\n")
    with pytest.raises(TrustError) as caught:
        load_for_run(tmp_path, trusted=trusted)
    assert str(caught.value) == (
        f"{tmp_path} was made with plugins that are not loaded. Name your own with --plugin. The run keeps copies in "
        f"{tmp_path}/plugins, code of whoever made it:\n  choir/bass.py: 1 line, SHA-256 "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        "No copy can take the place of a package. Install choir, or name its module with --plugin."
    )


def test_a_plugin_of_ones_own_takes_the_place_of_the_copy(run: Path, tmp_path: Path) -> None:
    own = tmp_path / "louder_plugin.py"
    own.write_text(PLUGIN.format(more=""))
    assert load_for_run(run, [str(own)]) == ("louder_plugin",)
    assert load_for_run(tmp_path) == ()


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_is_not_followed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "secret.py").write_text("secret = 1\n")
    copy = tmp_path / "plugins" / "copied_plugin.py"
    copy.symlink_to(tmp_path / "secret.py") if kind == "link" else copy.mkdir()
    with pytest.raises(TrustError) as caught:
        load_for_run(tmp_path)
    assert str(caught.value) == f"{copy} is not a regular file that can be read. Remove it."


def test_a_copy_is_never_run_in_part(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "long_plugin.py").write_bytes(b"x = 1\n" + b"#" * 2**20)
    with pytest.raises(TrustError) as caught:
        load_for_run(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'plugins'} holds more than 1,048,576 bytes. Name your own with --plugin."
    )


def test_the_module_of_a_package_is_known_by_its_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "choir" / "low").mkdir(parents=True)
    for name in ("__init__.py", "low/__init__.py", "low/bass.py"):
        (tmp_path / "choir" / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_plugins(["choir.low.bass"]) == ("choir.low.bass",)
    assert sources(["choir.low.bass"]) == {"choir/low/bass.py": b""}
    assert set(sources(["choir"])) == {"choir/__init__.py", "choir/low/__init__.py", "choir/low/bass.py"}
    copy = tmp_path / "run" / "plugins" / "choir" / "low" / "bass.py"
    copy.parent.mkdir(parents=True)
    copy.touch()
    assert load_for_run(tmp_path / "run", ["choir.low.bass"]) == ("choir.low.bass",)
    with pytest.raises(TrustError, match="was made with plugins that are not loaded"):
        load_for_run(tmp_path / "run")
