"""Exported files: they compute what the run computes, say what they need to, run without mixkit, and hide no code."""

import importlib.util
import json
import logging
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import onnxruntime
import pytest
import soundfile
import torch
from torch import Tensor, nn

import mixkit
from mixkit.errors import MixkitError
from mixkit.export import export
from mixkit.export.onnx import onnx_program, onnx_runner
from mixkit.export.package import Whole
from mixkit.export.torch import torch_program, torch_runner
from mixkit.model import norms
from mixkit.recipe import catalog
from mixkit.recipe.schema import Recipe
from tests.conftest import Said
from tests.nursery import Nursery
from tests.test_recipes import small

Command = Callable[..., Said]
SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}
SNIPPET = "To run it without mixkit, in Python with "


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tiny(recipe: str) -> mixkit.model.classifier.Classifier:
    path = catalog.find(recipe)
    model = mixkit.build(shallow(mixkit.load_recipe(path, settings=small(path))), classes=3)
    model.labels = ("a", "b", "c")
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(norms, "MOMENTUM", 1.0)  # fresh statistics let next to nothing through a deep network
        for part in model.network.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                part.momentum = 1.0
        model.network.train()(torch.randn(4, model.features.bins, model.features.frames))
    return model.eval()


def shallow(recipe: Recipe) -> Recipe:
    """Each of its blocks once; of a pyramid the first two stages, and what is between them."""
    model = recipe.model
    if model is None:
        return recipe
    if model.stages:
        stages = tuple(replace(stage, depth=len(stage.pattern)) for stage in model.stages[:2])
        return replace(recipe, model=replace(model, stages=stages))
    return replace(recipe, model=replace(model, depth=len(model.pattern)))


@pytest.fixture(scope="module")
def files(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind."""
    folder = tmp_path_factory.mktemp("exported")
    model = mixkit.load(small_run)
    return {to: export(model, to, folder / f"model{suffix}").path for to, suffix in SUFFIX.items()}


@pytest.mark.parametrize("name", catalog.names())
def test_every_recipe_computes_the_same_in_onnx(name: str) -> None:
    model = tiny(name)
    whole = Whole(model)
    sounds = 0.1 * torch.randn(3, model.features.samples, generator=torch.Generator().manual_seed(0))
    run = onnx_runner(onnx_program(whole, torch.zeros_like(sounds[:2]), {}))
    with torch.no_grad():
        wanted = whole(sounds)
    assert float((run(sounds) - wanted).abs().max()) <= 1e-5
    assert float((run(sounds[:1]) - wanted[:1]).abs().max()) <= 1e-5
    assert float((wanted[0] - wanted[1]).abs().max()) > 1e-5, "it would not show if it did not listen"


@pytest.mark.parametrize("loss", ["cross_entropy", "bce"])
def test_the_other_kind_of_file_computes_the_same(loss: str) -> None:
    path = catalog.find("asm_rh")
    recipe = mixkit.load_recipe(path, settings=[*small(path), f"train.loss = @loss.{loss}()"])
    whole = Whole(mixkit.build(recipe, classes=3)).eval()
    sounds = 0.1 * torch.randn(3, whole.model.features.samples, generator=torch.Generator().manual_seed(0))
    run = torch_runner(torch_program(whole, torch.zeros_like(sounds[:2]), {}))
    with torch.no_grad():
        wanted = whole(sounds)
        logits = whole.model(sounds)
    assert torch.equal(wanted, logits.softmax(-1) if loss == "cross_entropy" else logits.sigmoid())
    assert float((run(sounds) - wanted).abs().max()) <= 1e-5


@pytest.mark.parametrize(
    ("to", "needs"), [("onnx", "onnxruntime, numpy and soundfile"), ("torch", "torch and soundfile")]
)
def test_the_command_and_what_it_says_to_run(
    mixkit_command: Command, nursery: Nursery, small_run: Path, tmp_path: Path, to: str, needs: str
) -> None:
    said = mixkit_command("export", small_run, "--to", to)
    assert (said.code, said.err) == (0, "")
    written, checked, hint, _, snippet = said.out.split("\n", 4)
    assert written.startswith(f"Wrote model{SUFFIX[to]} (")
    assert checked.startswith("Checked on 10 test clips of the run, in a batch and one by one: probabilities differ ")
    assert checked.endswith("(allowed: 0.0001).")
    assert hint == f"{SNIPPET}{needs}:"

    sound = 0.1 * torch.randn(6000, generator=torch.Generator().manual_seed(0))
    soundfile.write("clip.wav", sound.numpy(), 16_000, subtype="FLOAT")
    alone = f"import sys\nsys.modules['mixkit'] = None\n{snippet}"
    ended = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    label, probability = ended.stdout.split()
    found = mixkit.load(small_run).predict("clip.wav")
    assert label == found.label
    assert float(probability) == pytest.approx(found.probability, abs=1e-5)

    assert max(map(len, snippet.splitlines())) <= 80
    soundfile.write("clip.wav", sound.numpy(), 44_100)
    assert nursery.run("-c", alone, folder=tmp_path).err.endswith("AssertionError: 44100 Hz: resample to 16000 Hz\n")


def test_torch_says_nothing_of_packages_that_are_not_needed(
    small_run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torchvision" else find(name, *rest)
    )
    export(mixkit.load(small_run), "onnx", Path("model.onnx"))
    assert [record.getMessage() for record in caplog.records if "torchvision" in record.getMessage()] == []
    logging.getLogger("torch.onnx._internal.exporter._registration").warning("torchvision is missed")
    assert "torchvision is missed" in caplog.text, "the control: afterwards it may speak again"


def test_what_the_files_say_of_themselves(small_run: Path, files: dict[str, Path]) -> None:
    model = mixkit.load(small_run)
    session = onnxruntime.InferenceSession(files["onnx"], providers=["CPUExecutionProvider"])
    (given,), (answered,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("waveform", ["batch", 8000])
    assert (answered.name, answered.shape) == ("probabilities", ["batch", 10])
    with zipfile.ZipFile(files["torch"]) as archive:
        (place,) = (name for name in archive.namelist() if name.endswith("extra/mixkit.json"))
        in_torch = json.loads(archive.read(place))
    facts = session.get_modelmeta().custom_metadata_map
    assert facts == in_torch
    assert tuple(json.loads(facts["labels"])) == model.labels
    assert (facts["sample_rate"], facts["samples"], facts["name"]) == ("16000", "8000", "asm_rh")
    assert facts["recipe"] == mixkit.to_gin(model.recipe)


def test_the_files_hold_no_code_and_no_place_of_this_machine(files: dict[str, Path]) -> None:
    home = str(Path(mixkit.__file__).parents[1]).encode()
    with zipfile.ZipFile(files["torch"]) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert not any(b'"use_pickle": true' in part for part in parts.values())
    (example,) = (part for name, part in parts.items() if name.endswith("sample_inputs/model.pt"))
    ((waveform,), _) = torch.load(BytesIO(example), weights_only=True)
    assert not waveform.any(), "nobody's recording is in it"
    assert not any(home in part for part in (*parts.values(), files["onnx"].read_bytes()))


class Wrong(nn.Module):
    """Stands for an operator that exports to something else than it computes."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out + 0.1 * x[:, :10].sum(1, keepdim=True) if torch.compiler.is_exporting() else out


@pytest.mark.parametrize("to", ["onnx", "torch"])
def test_a_file_that_computes_otherwise_is_not_kept(small_run: Path, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mixkit.load(small_run)
    monkeypatch.setattr("mixkit.export.package.Whole", lambda model: Wrong(Whole(model)))
    with pytest.raises(MixkitError) as caught:
        export(model, to, Path(f"model{SUFFIX[to]}"))
    before, after = str(caught.value).split(" on test clips of the run, more than 0.0001. ")
    assert before.startswith("the exported network differs from its run by ")
    assert after == "Nothing was written. Look for an operator that exports wrongly: `mixkit check` tests it."
    assert list(Path().iterdir()) == []


def test_a_network_that_cannot_be_exported(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reads(nn.Module):
        def __init__(self, model: nn.Module):
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x) if float(x.sum()) > 0 else x

    model = mixkit.load(small_run)
    monkeypatch.setattr("mixkit.export.package.Whole", lambda model: Reads(Whole(model)))
    with pytest.raises(MixkitError) as caught:
        export(model, "onnx", Path("model.onnx"))
    assert str(caught.value).startswith("torch.export does not take the network: GuardOnDataDependentSymNode: ")
    assert list(Path().iterdir()) == []


def test_real_clips_of_the_demo_where_the_runs_own_are_gone(small_run: Path) -> None:
    model = mixkit.load(small_run)
    lines = ["task.folder.root = 'gone'", "task.folder.seconds = 0.5"]
    model.recipe = mixkit.load_recipe("asm_rh", layers=["task/folder"], settings=lines)
    exported = export(model, "torch", Path("model.pt2"))
    assert (exported.clips, exported.sounds) == (10, "clips of the demo, since the run's own are not here")
    assert exported.difference <= 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--to", "onnx", "--out", "model.pt2"],
            "error: --out model.pt2 is for --to onnx. Name a file that ends in .onnx.\n",
        ),
        (
            ["--to", "torch", "--out", "no/model.pt2"],
            "error: no/model.pt2 cannot be written: its folder no has gone. Name another file with --out.\n",
        ),
    ],
)
def test_places_where_it_cannot_be(
    mixkit_command: Command, small_run: Path, arguments: list[str], message: str
) -> None:
    said = mixkit_command("export", small_run, *arguments)
    assert (said.code, said.out, said.err) == (2, "", message)
    assert list(Path().iterdir()) == []


def test_without_the_extra(mixkit_command: Command, small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    missing = ("onnxscript", "onnxruntime")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in missing else find(name, *rest))
    said = mixkit_command("export", small_run, "--to", "onnx")
    assert (said.code, said.out) == (2, "")
    assert said.err == "error: --to onnx needs onnxscript, onnxruntime. Install them: pip install 'mixkit[onnx]'.\n"
    assert mixkit_command("export", small_run, "--to", "torch").code == 0
