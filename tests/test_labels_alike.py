"""Labels and paths that look alike are alike, or it is said; cells of several labels are told, and read if asked."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from mixkit.errors import SettingError
from mixkit.registry import Clip, task
from mixkit.tasks.alike import label_notes
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.folder import Folder

COMPOSED = "caf\u00e9"
APART = unicodedata.normalize("NFD", COMPOSED)
ADVICE = "If that is several labels a clip, set task.folder."
ALIKE = "labels that look alike, each a class of its own: "


def folder(root: Path, **settings: Any) -> Folder:
    made = task.build(task.spec("folder", root=str(root), **settings))
    assert isinstance(made, Folder)
    return made


def table(root: Path, *cells: str, **settings: Any) -> Folder:
    """The folder task over a table with those labels; the files are empty."""
    for number in range(len(cells)):
        (root / f"{number}.wav").touch()
    (root / "clips.csv").write_text("\n".join(["path,label", *(f'{n}.wav,"{cell}"' for n, cell in enumerate(cells))]))
    return folder(root, table="clips.csv", **settings)


def every(made: Folder) -> dict[str, Clip]:
    return {clip.path.name: clip for split in SPLITS for clip in made.clips(split)}


def test_both_forms_of_a_label_are_one_class(tmp_path: Path) -> None:
    assert APART != COMPOSED
    made = table(tmp_path, COMPOSED, APART, "tea")
    assert made.labels == (COMPOSED, "tea")
    assert made.notes == ()


def test_folders_in_both_forms_are_one_class_and_keep_their_bytes(tmp_path: Path) -> None:
    for name in (COMPOSED, APART, "tea"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.wav").touch()
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system holds one of the two forms only")
    made = folder(tmp_path, skip=[f"{COMPOSED}/2*"])
    assert made.labels == (COMPOSED, "tea")
    parents = {clip.path.parent.name for split in SPLITS for clip in made.clips(split)}
    assert parents == {COMPOSED, APART, "tea"}
    assert all(clip.path.is_file() for split in SPLITS for clip in made.clips(split))
    assert len(every(made)) == 3
    assert sum(one.count for one in made.left_out) == 2, "both forms are skipped"


def test_a_table_names_files_in_either_form(tmp_path: Path) -> None:
    (tmp_path / APART).mkdir()
    (tmp_path / APART / f"{APART}.wav").touch()
    (tmp_path / "tea.wav").touch()
    (tmp_path / "clips.csv").write_text(f"path,label\n{COMPOSED}/{COMPOSED}.wav,a\ntea.wav,b\n")
    clips = every(folder(tmp_path, table="clips.csv", valid_share=0.0, test_share=0.0))
    assert set(clips) == {f"{APART}.wav", "tea.wav"}
    assert clips[f"{APART}.wav"].path.is_file()


def test_groups_and_patterns_in_either_form(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for speaker in (APART, "tea", "milk"):
            (tmp_path / f"{label}-{speaker}-1.wav").touch()
    pattern = rf"(?P<label>\w)-(?P<group>{COMPOSED}|tea|milk)-\d\.wav"
    made = folder(tmp_path, pattern=pattern, test_groups=[APART], valid_groups=["tea"])
    assert {clip.group for clip in made.clips("test")} == {COMPOSED}
    assert len(made.clips("test")) == 2


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("Dog", "cat", "dog"), ALIKE + "'Dog' and 'dog'. If they are one, write them alike."),
        (("1", "1.0", "2"), ALIKE + "'1' and '1.0'. If they are one, write them alike."),
        (("01", "1", "1.00"), ALIKE + "'01' and '1' and '1.00'. If they are one, write them alike."),
        (("big dog", "big  dog"), ALIKE + "'big dog' and 'big  dog'. If they are one, write them alike."),
        (("0", "1", "10", "1.5", "100", "1e1"), None),
        (("12345678901234567890", "12345678901234567891"), None),
        (("v1", "v1.0", "nan", "NaN "), ALIKE + "'nan' and 'NaN '. If they are one, write them alike."),
    ],
)
def test_labels_that_look_alike_are_told(labels: tuple[str, ...], said: str | None) -> None:
    assert list(label_notes(labels, None)) == ([said] if said else [])


@pytest.mark.parametrize(
    ("cell", "note"),
    [
        ("dog;rain", f"labels with ';' in them, each taken for one: dog;rain. {ADVICE}multi_label = True."),
        (
            "dog,rain",
            f"labels with ',' in them, each taken for one: dog,rain. {ADVICE}multi_label = True and "
            "task.folder.separator = ','.",
        ),
        (
            "dog|rain",
            f"labels with '|' in them, each taken for one: dog|rain. {ADVICE}multi_label = True and "
            "task.folder.separator = '|'.",
        ),
        (
            "['dog', 'rain']",
            f"labels that are lists, each taken for one: ['dog', 'rain']. {ADVICE}multi_label = True.",
        ),
    ],
)
def test_a_cell_of_several_labels_is_told_and_read_as_the_note_says(tmp_path: Path, cell: str, note: str) -> None:
    assert table(tmp_path, cell, "dog").notes == (note,)
    separator = next((sign for sign in ";,|" if f"separator = {sign!r}" in note), ";")
    made = table(tmp_path, cell, "dog", "", multi_label=True, separator=separator)
    assert made.labels == ("dog", "rain")
    assert every(made)["0.wav"].tags == ("dog", "rain")
    assert every(made)["0.wav"].label == "dog;rain"
    assert every(made)["2.wav"].tags == ()


def test_another_separator_than_the_one_that_is_set_is_told(tmp_path: Path) -> None:
    assert table(tmp_path, "dog,rain", "dog", multi_label=True).notes == (
        f"labels with ',' in them, each taken for one: dog,rain. {ADVICE}separator = ','.",
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"separator": ","},
            "task.folder.separator is ',', but a clip has one label. Set task.folder.multi_label = True as well, or "
            "leave it out.",
        ),
        *(
            (
                {"separator": bad, "multi_label": True},
                f"task.folder.separator is {bad!r}. Use a sign that is in no label, such as ',' or '|'.",
            )
            for bad in ("", " ", "a", "\t")
        ),
    ],
)
def test_a_separator_that_cannot_be_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        folder(tmp_path, **settings)
    assert str(caught.value) == message


def test_a_fold_that_is_a_number_with_a_point_is_written_as_text() -> None:
    with pytest.raises(SettingError) as caught:
        task.build(task.spec("folder", root="x", fold=1.0))
    assert str(caught.value).endswith("is 1.0 (a float). It takes an int, at least 0 or a str or None. As text: '1.0'.")
    with pytest.raises(SettingError, match=r"It takes a float, at least 0 and at most 1[.]$"):  # where text is no use
        task.build(task.spec("folder", root="x", test_share=2.0))
