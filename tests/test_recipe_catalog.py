"""Shipped recipes are found, listed and copied; what is not there is named, with what was probably meant."""

from pathlib import Path

import pytest

from mixkit.recipe import catalog
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.gin_file import load_recipe


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of four."""
    for name in ("asm_rh.gin", "mixer.gin", "size/base.gin", "paper/table_6.gin"):
        path = tmp_path / "shelf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# About {name}.\ntrain.epochs = 1\n")
    monkeypatch.setattr(catalog, "shipped", lambda: tmp_path / "shelf")


def test_what_is_shipped() -> None:
    assert {"asm_rh", "asm_h", "asm_r", "mlp_mixer"} <= set(catalog.names())
    assert {"size/base", "size/small", "size/tiny", "task/demo"} <= set(catalog.fragments())
    assert not any(name.startswith("paper/") for name in catalog.fragments())
    for name in (*catalog.names(), *catalog.fragments(), *catalog.studies()):
        assert catalog.summary(catalog.find(name)), f"{name} does not say in its first line what it is"


def test_lists(small_shelf: None) -> None:
    assert catalog.names() == ("asm_rh", "mixer")
    assert catalog.fragments() == ("size/base",)
    assert catalog.studies() == ("paper/table_6",)
    assert catalog.find("paper/table_6") == catalog.shipped() / "paper" / "table_6.gin"
    assert catalog.summary(catalog.find("size/base")) == "About size/base.gin."


def test_an_installed_package_brings_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "mixkit"
    (package / "_recipes").mkdir(parents=True)
    monkeypatch.setattr("mixkit.recipe.catalog.__file__", str(package / "recipe" / "catalog.py"))
    assert catalog.shipped() == package / "_recipes"


def test_a_name_is_a_shipped_recipe_and_a_path_is_a_file(small_shelf: None) -> None:
    Path("asm_rh.gin").write_text("# Mine.\n")
    Path("odd").write_text("# No suffix.\n")
    assert catalog.find("asm_rh") == catalog.shipped() / "asm_rh.gin"
    assert catalog.find("asm_rh.gin") == Path("asm_rh.gin")
    assert catalog.find(Path("odd")) == Path("odd")


MISSING = {
    "asm_rg": "no recipe 'asm_rg'. Did you mean 'asm_rh'? Known: asm_rh, mixer, paper/table_6, size/base.",
    "zzz": "no recipe 'zzz'. Known: asm_rh, mixer, paper/table_6, size/base.",
    "size/bas": "no recipe 'size/bas'. Did you mean 'size/base'? Known: asm_rh, mixer, paper/table_6, size/base.",
    "mine": "no recipe 'mine'. Did you mean the file mine.gin?",
    "mixer.gin": "no file mixer.gin. Did you mean the shipped recipe 'mixer'?",
    "mime.gin": "no file mime.gin. Did you mean mine.gin?",
    "nowhere/x.gin": "no file nowhere/x.gin. Name a file, or a recipe of `mixkit list recipes`.",
    "folder": "'folder' is a folder. Name a recipe file, such as folder/inside.gin.",
    "empty": "'empty' is a folder. Name a recipe file.",
    "": "'' is a folder. Name a recipe file, such as mine.gin.",
    "x\x00": "no recipe 'x\\x00'. Known: asm_rh, mixer, paper/table_6, size/base.",
    "x" * 5000 + ".gin": f"no file {'x' * 5000}.gin. Name a file, or a recipe of `mixkit list recipes`.",
}


@pytest.mark.parametrize(("asked", "message"), MISSING.items(), ids=[name[:20].strip("\x00") for name in MISSING])
def test_what_is_not_there(small_shelf: None, asked: str, message: str) -> None:
    Path("mine.gin").write_text("")
    Path("folder").mkdir()
    Path("folder/inside.gin").write_text("")
    Path("empty").mkdir()
    for look in (catalog.find, load_recipe):
        with pytest.raises(RecipeError) as caught:
            look(asked)
        assert str(caught.value) == message
        assert caught.value.exit_code == 2


def test_layers(small_shelf: None) -> None:
    beside = Path("mine")
    (beside / "size").mkdir(parents=True)
    Path("other.gin").write_text("")
    assert catalog.find_layer("size/base", beside) == catalog.shipped() / "size" / "base.gin"
    (beside / "size" / "base.gin").write_text("")
    assert catalog.find_layer("size/base", beside) == beside / "size" / "base.gin"
    assert catalog.find_layer("size/base.gin", beside) == beside / "size" / "base.gin"
    assert catalog.find_layer("other", beside) == Path("other.gin")
    with pytest.raises(RecipeError) as caught:
        catalog.find_layer("size/bose", beside)
    assert str(caught.value) == (
        "no recipe to layer is named 'size/bose'. Did you mean 'size/base'? Known: asm_rh, mixer, size/base."
    )


def test_copies(small_shelf: None) -> None:
    original = (catalog.shipped() / "asm_rh.gin").read_bytes()
    assert catalog.copy("asm_rh", Path("deep/er/mine.gin")) == Path("deep/er/mine.gin")
    assert Path("deep/er/mine.gin").read_bytes() == original
    assert catalog.copy("asm_rh", Path("deep")) == Path("deep/asm_rh.gin")
    Path("deep/asm_rh.gin").write_text("changed")
    for target in ("deep/asm_rh.gin", "deep"):
        with pytest.raises(RecipeError) as caught:
            catalog.copy("asm_rh", Path(target))
        assert str(caught.value) == "deep/asm_rh.gin is already there. Choose another name, or remove it."
    assert Path("deep/asm_rh.gin").read_text() == "changed"
    with pytest.raises(RecipeError) as caught:
        catalog.copy("asm_rh", Path("deep/asm_rh.gin/below.gin"))
    assert str(caught.value) == "deep/asm_rh.gin/below.gin cannot be written: File exists. Choose another place."
    with pytest.raises(RecipeError, match=r"^no recipe 'asm_rg'"):
        catalog.copy("asm_rg", Path("x.gin"))
    assert not Path("x.gin").exists()


def test_a_wrong_letter_is_nearer_than_one_too_many(small_shelf: None) -> None:
    (catalog.shipped() / "asm_r.gin").write_text("# Another.\n")
    with pytest.raises(RecipeError, match=r"^no recipe 'asm_rg'\. Did you mean 'asm_rh'\?"):
        catalog.find("asm_rg")
