"""The folder task: what it lists, how it parts, and what it says when it cannot."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.recipe.gin_file import load_recipe
from mixkit.registry import task
from mixkit.tasks.clip import SPLITS, suffixes
from mixkit.tasks.entry import ClipEntry
from mixkit.tasks.folder import Folder
from mixkit.tasks.leakage import check_splits
from mixkit.tasks.split import hold_out

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
NAMED = r"(?P<label>[a-z]+)-(?P<group>\w+)-\d+\.wav"
SUFFIXES = ", ".join(suffixes())


def put(root: Path, *paths: str) -> Path:
    """Empty files: a listing never opens one."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def pets(root: Path, each: int = 20) -> Path:
    return put(root, *(f"{label}/{number:02d}.wav" for label in ("cat", "dog") for number in range(each)))


def named(root: Path) -> Path:
    """Two labels, five speakers, four takes."""
    speakers = ("ann", "bob", "cem", "dan", "eva")
    return put(root, *(f"{a}-{s}-{i}.wav" for a in ("no", "yes") for s in speakers for i in range(4)))


def folder(root: Path | str | None, **settings: Any) -> Folder:
    made = task.build(task.spec("folder", root=None if root is None else str(root), **settings))
    assert isinstance(made, Folder)
    return made


def listed(made: Folder, root: Path) -> dict[str, list[str]]:
    return {split: [clip.path.relative_to(root).as_posix() for clip in made.clips(split)] for split in SPLITS}


def every(made: Folder, root: Path) -> list[str]:
    return sorted(path for paths in listed(made, root).values() for path in paths)


def message(caught: pytest.ExceptionInfo[MixkitError], root: Path) -> str:
    return str(caught.value).replace(str(root), "ROOT")


# What is listed


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    made = folder(put(pets(tmp_path), "dog/deep/20.FLAC", "dog/notes.txt", ".hidden/1.wav", "cat/._01.wav"))
    assert made.labels == ("cat", "dog")
    assert made.folds == ()
    assert len(every(made, tmp_path)) == 41
    assert "dog/deep/20.FLAC" in every(made, tmp_path)
    clip = made.clips("train")[0]
    assert (clip.label, clip.group, clip.start, clip.stop) == (
        "cat",
        clip.path.relative_to(tmp_path).as_posix(),
        None,
        None,
    )
    assert clip.path.is_absolute()
    check_splits(made)


def test_all_suffixes_count_in_either_case(tmp_path: Path) -> None:
    names = [f"a/{number}{suffix}" for number, suffix in enumerate(SUFFIXES.split(", "))]
    put(tmp_path, *names, *(name.upper().replace("A/", "b/") for name in names), "a/x.txt", "b/wav", "b/x.wav.bak")
    assert len(every(folder(tmp_path), tmp_path)) == 2 * len(SUFFIXES.split(", "))


def test_the_home_folder_and_relative_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(tmp_path / "sounds")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    expected = folder(tmp_path / "sounds").clips("test")
    assert folder("~/sounds").clips("test") == expected
    assert folder("sounds").clips("test") == expected


def test_order_does_not_depend_on_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder(put(pets(tmp_path), "cat/Ä.wav", "cat/z.wav", "cat/Z.wav"), test_share=0.0, valid_share=0.0)
    first = listed(made, tmp_path)["train"]
    assert first == sorted(first)
    assert first.index("cat/Z.wav") < first.index("cat/z.wav") < first.index("cat/Ä.wav")
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: reversed(list(scan(path))))
    assert listed(folder(tmp_path, test_share=0.0, valid_share=0.0), tmp_path)["train"] == first


def test_names_that_are_not_utf_8_are_listed(tmp_path: Path) -> None:
    pets(tmp_path)
    try:
        (tmp_path / "cat" / os.fsdecode(b"\xff.wav")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    made = folder(tmp_path)
    assert len(every(made, tmp_path)) == 41
    check_splits(made)


def test_link_loops_do_no_harm(tmp_path: Path) -> None:
    root, elsewhere = pets(tmp_path / "root"), pets(tmp_path / "elsewhere")
    plain = every(folder(root), root)
    (root / "loop").symlink_to(root)
    (root / "cat" / "up").symlink_to("..")
    (root / "cat" / "self").symlink_to("self")
    (root / "dog" / "self.wav").symlink_to("self.wav")
    (root / "cat" / "away").symlink_to(elsewhere)
    (root / "dog" / "away.wav").symlink_to(elsewhere / "cat" / "01.wav")
    (root / "dog" / "gone.wav").symlink_to("nothing.wav")
    (root / "dog" / "again.wav").symlink_to("01.wav")
    assert every(folder(root), root) == plain
    assert folder(root).notes == (
        "left out 2 links out of the folder (1 .wav): cat/away, dog/away.wav. To follow them, set "
        "task.folder.follow_links = True.",
        "left out 3 links to nothing (2 .wav): cat/self, dog/gone.wav, dog/self.wav. Mend or remove them.",
        "left out 3 links to what is listed itself (1 .wav): cat/up, dog/again.wav, loop.",
    )


def test_a_link_to_a_file_that_is_not_listed_counts_once(tmp_path: Path) -> None:
    put(pets(tmp_path), ".store/1.wav")
    (tmp_path / "cat" / "linked.wav").symlink_to(tmp_path / ".store" / "1.wav")
    (tmp_path / "dog" / "linked.wav").symlink_to(tmp_path / ".store" / "1.wav")
    assert [path for path in every(folder(tmp_path), tmp_path) if "linked" in path] == ["cat/linked.wav"]


def test_skipped_files_are_not_listed(tmp_path: Path) -> None:
    put(pets(tmp_path), "loose.wav", "emu/1.wav", "emu/deep/2.wav")
    os.mkfifo(tmp_path / "dog" / "pipe.wav")
    made = folder(tmp_path, skip=["loose.wav", "emu/*", "*/pipe.wav"])
    assert made.labels == ("cat", "dog")
    assert len(every(made, tmp_path)) == 40


# How they are parted


def test_shares_are_cut_evenly_over_labels(tmp_path: Path) -> None:
    made = folder(pets(tmp_path, each=50))
    counts = {split: Counter(clip.label for clip in made.clips(split)) for split in SPLITS}
    assert counts == {
        "train": {"cat": 36, "dog": 36},
        "valid": {"cat": 4, "dog": 4},
        "test": {"cat": 10, "dog": 10},
    }
    check_splits(made)


def test_a_new_file_moves_hardly_any_other(tmp_path: Path) -> None:
    before = listed(folder(pets(tmp_path, each=100)), tmp_path)
    put(tmp_path, "cat/new.wav")
    after = listed(folder(tmp_path), tmp_path)
    moved = sum(len(set(before[split]) - set(after[split])) for split in SPLITS)
    assert moved <= 3


def test_shares_keep_groups_whole(tmp_path: Path) -> None:
    made = folder(named(tmp_path), pattern=NAMED)
    groups = {split: {clip.group for clip in made.clips(split)} for split in SPLITS}
    assert [len(groups[split]) for split in SPLITS] == [3, 1, 1]
    check_splits(made)


def test_holding_out_spares_the_last_group_of_a_label() -> None:
    entries = [ClipEntry("a", "cat", "ann"), ClipEntry("b", "dog", "bob"), ClipEntry("c", "dog", "cem")]
    assert hold_out(entries, 0.5) in ({"bob"}, {"cem"})
    assert hold_out(entries[:2], 0.5) == set()
    assert hold_out(entries, 0.0) == set()


def test_groups_by_name(tmp_path: Path) -> None:
    made = folder(named(tmp_path), pattern=NAMED, test_groups=["eva", "ann"], valid_groups=["dan"])
    groups = {split: sorted({clip.group for clip in made.clips(split)}) for split in SPLITS}
    assert groups == {"train": ["bob", "cem"], "valid": ["dan"], "test": ["ann", "eva"]}
    only_test = folder(tmp_path, pattern=NAMED, test_groups=["eva"])
    assert {clip.group for clip in only_test.clips("test")} == {"eva"}
    assert len({clip.group for clip in only_test.clips("valid")}) == 1
    only_valid = folder(tmp_path, pattern=NAMED, valid_groups=["eva"])
    assert {clip.group for clip in only_valid.clips("valid")} == {"eva"}
    assert len({clip.group for clip in only_valid.clips("test")}) == 1


FOLDS = r"(?P<fold>\d+)/(?P<label>\w+)-\d\.wav"


def folded(root: Path, *folds: int) -> Path:
    return put(root, *(f"{fold:02d}/{label}-{i}.wav" for fold in folds for label in ("no", "yes") for i in range(3)))


@pytest.mark.parametrize(("fold", "valid"), [(1, "02"), (2, "10"), (10, "01")])
def test_the_fold_after_the_test_fold_validates(tmp_path: Path, fold: int, valid: str) -> None:
    made = folder(folded(tmp_path, 1, 2, 10), pattern=FOLDS, fold=fold)
    assert made.folds == ("1", "2", "10")
    folds = {split: {clip.path.parent.name for clip in made.clips(split)} for split in SPLITS}
    assert folds["test"] == {f"{fold:02d}"}
    assert folds["valid"] == {valid}
    assert len(folds["train"]) == 1


@pytest.mark.parametrize(
    ("folds", "fold", "name"),
    [("ABC", "A", "A"), (("1.0", "2.0", "10.0"), "1.0", "1.0"), (("01", "02", "03"), "02", "2"), (("1", "b"), 1, "1")],
)
def test_folds_by_name_can_be_chosen(tmp_path: Path, folds: Sequence[str], fold: int | str, name: str) -> None:
    put(tmp_path, *(f"{fold}/{label}-{i}.wav" for fold in folds for label in ("no", "yes") for i in range(4)))
    made = folder(tmp_path, pattern=r"(?P<fold>[^/]+)/(?P<label>\w+)-\d\.wav", fold=fold)
    assert made.folds == tuple(str(int(one)) if one.isdecimal() else one for one in folds)
    assert made.protocol == f"fold {name} of {len(folds)}"
    tested = {clip.path.parent.name for clip in made.clips("test")}
    assert len(tested) == 1
    assert tested <= {str(fold), f"0{fold}"}
    check_splits(made)


def test_a_fold_that_there_is_not_is_told_the_others_as_they_are_written(tmp_path: Path) -> None:
    put(tmp_path, *(f"{fold}/{label}-{i}.wav" for fold in "A1" for label in ("no", "yes") for i in range(4)))
    with pytest.raises(SettingError) as caught:
        folder(tmp_path, pattern=r"(?P<fold>\w+)/(?P<label>\w+)-\d\.wav", fold="B").clips("test")
    assert str(caught.value) == "task.folder.fold is 'B', but the folds are 1, 'A'. Use one of them."


def test_two_folds_leave_validation_to_be_cut(tmp_path: Path) -> None:
    made = folder(folded(tmp_path, 1, 2), pattern=FOLDS, fold=2, valid_share=0.34)
    assert {split: len(made.clips(split)) for split in SPLITS} == {"train": 4, "valid": 2, "test": 6}
    check_splits(made)


def test_each_group_may_be_a_fold(tmp_path: Path) -> None:
    root = put(tmp_path, *(f"{label}_{who}_{n}.wav" for label in "xy" for who in ("ann", "bob", "03") for n in (0, 1)))
    pattern = r"(?P<label>\w)_(?P<group>\w+)_\d\.wav"
    tested = []
    for fold, valid in ((3, "ann"), ("ann", "bob"), ("bob", "03")):
        made = folder(root, pattern=pattern, folds="groups", fold=fold)
        assert made.folds == ("3", "ann", "bob")
        assert made.protocol == f"group {fold} of 3"
        assert {clip.group for clip in made.clips("valid")} == {valid}
        assert len(made.clips("train")) == 4
        check_splits(made)
        tested += [clip.path for clip in made.clips("test")]
    assert len(set(tested)) == len(tested) == 12
    assert folder(root, pattern=pattern).folds == ()  # only where it is asked for
    with pytest.raises(SettingError) as caught:
        folder(root, pattern=r"(?P<label>\w)_.+", folds="groups", fold="ann").clips("test")
    assert str(caught.value) == (
        "task.folder.folds is 'groups', but nothing says of which group a clip is. Mark it in the pattern by "
        "(?P<group>...), or in the table."
    )


def test_a_split_of_the_files_is_kept(tmp_path: Path) -> None:
    put(tmp_path, *(f"{split}/{label}/{i}.wav" for split in ("Train", "dev", "test") for label in "ab" for i in "123"))
    made = folder(tmp_path, pattern=r"(?P<split>\w+)/(?P<label>\w+)/.*")
    assert {split: {clip.path.parts[-3] for clip in made.clips(split)} for split in SPLITS} == {
        "train": {"Train"},
        "valid": {"dev"},
        "test": {"test"},
    }


def test_validation_is_cut_from_training_where_only_test_is_given(tmp_path: Path) -> None:
    made = folder(named(tmp_path), pattern=r"(?P<label>\w+)-(?P<group>(?P<test>eva)|\w+)-\d\.wav", valid_share=0.25)
    assert {clip.group for clip in made.clips("test")} == {"eva"}
    assert len({clip.group for clip in made.clips("valid")}) == 1
    assert len({clip.group for clip in made.clips("train")}) == 3


def test_valid_and_test_may_be_marked(tmp_path: Path) -> None:
    made = folder(named(tmp_path), pattern=r"(?P<label>\w+)-(?:(?P<test>eva)|(?P<valid>dan)|\w+)-\d\.wav")
    assert {split: len(made.clips(split)) for split in SPLITS} == {"train": 24, "valid": 8, "test": 8}


# Tables


def table(root: Path, text: str, name: str = "clips.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_table_lists_clips(tmp_path: Path) -> None:
    pets(tmp_path)
    rows = [
        "Path, label ,split,group,start,stop,remark",
        'dog/01.wav,bark,train,rex,0.5,1.5,"so, loud"',
        "dog/01.wav,whine,train,rex,1.5,,",
        "cat/01.wav,bark,test,tom,,,",
        "",
        "cat/00.wav,whine,valid,mia,,2,",
        "emu/00.wav,whine,valid,mia,,,",
    ]
    made = folder(table(tmp_path, "\ufeff" + "\r\n".join(rows)), table="clips.csv", skip=["emu/*"])
    assert made.labels == ("bark", "whine")
    assert [(c.path.name, c.label, c.group, c.start, c.stop) for c in made.clips("train")] == [
        ("01.wav", "bark", "rex", 0.5, 1.5),
        ("01.wav", "whine", "rex", 1.5, None),
    ]
    assert [(c.group, c.stop) for c in made.clips("valid")] == [("mia", 2.0)]
    assert [c.path.parent.name for c in made.clips("test")] == ["cat"]


def test_an_absolute_path_inside_the_root_is_below_it(tmp_path: Path) -> None:
    rows = ["path,label", f"{tmp_path}/cat/00.wav,cat", "./dog//01.wav,dog"]
    made = folder(table(pets(tmp_path), "\n".join(rows)), table=str(tmp_path / "clips.csv"), valid_share=0.0)
    assert every(made, tmp_path) == ["cat/00.wav", "dog/01.wav"]
    assert {clip.group for clip in made.clips("train")} == {"cat/00.wav", "dog/01.wav"}


def test_segments_of_a_file_stay_together(tmp_path: Path) -> None:
    rows = [f"{pet}/{n:02d}.wav,{pet},{t},{t + 1}" for pet in ("cat", "dog") for n in range(20) for t in range(5)]
    made = folder(table(pets(tmp_path), "path,label,start,stop\n" + "\n".join(rows)), table="clips.csv")
    assert sum(len(made.clips(split)) for split in SPLITS) == 200
    check_splits(made)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "file,label\ncat/00.wav,cat",
            "ROOT/clips.csv:1: no column 'path', only file, label. It needs path and label, and may have split, fold, "
            "group, start and stop.",
        ),
        (
            "",
            "ROOT/clips.csv:1: no column 'path', only an empty line. It needs path and label, and may have split, "
            "fold, group, start and stop.",
        ),
        ("path,label\n", "ROOT/clips.csv: no row. Give it one for each clip."),
        (
            "path,label\ncat/00.wav,cat\ncat/99.wav,cat",
            "ROOT/clips.csv:3: no file ROOT/cat/99.wav. Mend the path, which is below the root, or take the row out.",
        ),
        (
            "path,label,LABEL \ncat/00.wav,cat,dog",
            "ROOT/clips.csv:1: more than one column label. Rename or remove the others.",
        ),
        (
            f"path,label\n{'x' * 5000},cat",
            "ROOT/clips.csv:2: path has 5,000 characters, at most 4,096. Is a quote missing?",
        ),
        (
            "path,label\n/etc/passwd,cat",
            "ROOT/clips.csv:2: path is '/etc/passwd', which leaves ROOT. Name what is below the root.",
        ),
        (
            "path,label\ncat/../../x.wav,cat",
            "ROOT/clips.csv:2: path is 'cat/../../x.wav', which leaves ROOT. Name what is below the root.",
        ),
        (
            "path,label\nout/00.wav,cat",
            "ROOT/clips.csv:2: path is 'out/00.wav', a link that leads out of ROOT. To follow them, set "
            "task.folder.follow_links = True.",
        ),
        (
            "path,label\nclips.csv,cat",
            f"ROOT/clips.csv:2: clips.csv is no audio by its name. Use {SUFFIXES}.",
        ),
        (
            "path,label\ncat/00.wav,cat,loud",
            "ROOT/clips.csv:2: 3 cells under 2 columns. Quote a cell with a comma in it.",
        ),
        ("path,label\ncat/00.wav, ", "ROOT/clips.csv:2: the label is empty. Every clip needs one."),
        (
            "path,label\ncat/00.wav,\x1b[2J",
            "ROOT/clips.csv:2: the label '\\x1b[2J' cannot be printed. Use plain characters.",
        ),
        (
            "path,label,split\ncat/00.wav,cat,practice",
            "ROOT/clips.csv:2: the split is 'practice'. Use train, valid or test.",
        ),
        (
            "path,label,start\ncat/00.wav,cat,nan",
            "ROOT/clips.csv:2: start is 'nan'. It takes seconds, 0 or more, or nothing.",
        ),
        (
            "path,label,start,stop\ncat/00.wav,cat,2,1.5",
            "ROOT/clips.csv:2: stop is 1.5, not after start 2. Give seconds from the beginning.",
        ),
        (
            'path,label\n"cat/00.wav,cat',
            "ROOT/clips.csv: no CSV table in UTF-8 (unexpected end of data). Save it as one.",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    root = table(pets(tmp_path / "root"), text)
    (root / "out").symlink_to(pets(tmp_path / "elsewhere") / "cat")
    with pytest.raises(DataError) as caught:
        folder(root, table="clips.csv").clips("train")
    assert message(caught, root) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "none.csv",
            "ROOT/none.csv: No such file or directory. task.folder.table names a CSV file below the root.",
        ),
        ("../clips.csv", "task.folder.table is '../clips.csv', which leaves ROOT. Name what is below the root."),
        ("/clips.csv", "task.folder.table is '/clips.csv', which leaves ROOT. Name what is below the root."),
        (
            "latin.csv",
            "ROOT/latin.csv: no CSV table in UTF-8 ('utf-8' codec can't decode byte 0xe4 in position 0: "
            "invalid continuation byte). Save it as one.",
        ),
    ],
)
def test_a_table_that_is_not_there_is_refused(tmp_path: Path, name: str, expected: str) -> None:
    root = pets(tmp_path / "root")
    table(tmp_path, "path,label\n")
    (root / "latin.csv").write_bytes("äpath,label".encode("latin-1"))
    with pytest.raises(DataError) as caught:
        folder(root, table=name).clips("train")
    assert message(caught, root) == expected


# What it says when it cannot


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"pattern": "(?P<label>"},
            "task.folder.pattern is '(?P<label>', no regular expression: missing ), unterminated subpattern at "
            "position 0. Mend it.",
        ),
        (
            {"pattern": "(.+)"},
            "task.folder.pattern is '(.+)', without a label. Write (?P<label>...) around what names the class.",
        ),
        (
            {"pattern": "(?P<lable>.+)"},
            "task.folder.pattern has (?P<lable>...), which means nothing. Did you mean 'label'? "
            "Known: fold, group, label, split, test, valid.",
        ),
        (
            {"pattern": "(?P<label>.)(?P<split>.)(?P<test>.)"},
            "task.folder.pattern has (?P<split>...) beside (?P<valid>...) or (?P<test>...). Use one way.",
        ),
        (
            {"pattern": NAMED, "table": "clips.csv"},
            "task.folder.table is set beside pattern. Labels come from one of them: set the other to None.",
        ),
        (
            {"fold": 1, "test_groups": ["ann"]},
            "task.folder.test_groups is set beside fold. Choose what to test on by one of them.",
        ),
        (
            {"test_groups": ["ann", "bob"], "valid_groups": ["bob"]},
            "task.folder.valid_groups names 'bob', and so does test_groups. A group has one split.",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingError) as caught:
        folder("nowhere", **settings)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"pattern": r"(?P<label>\w+)_.*"},
            "ROOT: none of 40 audio files match task.folder.pattern = '(?P<label>\\\\w+)_.*'; not, for example, "
            "no-ann-0.wav, no-ann-1.wav, no-ann-2.wav and 37 more. Mend the pattern, which has to match the whole "
            "path below the root, or list the files in task.folder.skip.",
        ),
        (
            {"pattern": r"(?P<label>[a-z]+)-[a-d].*"},
            "ROOT: only 32 of 40 audio files match task.folder.pattern = '(?P<label>[a-z]+)-[a-d].*'; not, for "
            "example, no-eva-0.wav, no-eva-1.wav, no-eva-2.wav and 5 more. Mend the pattern, which has to match the "
            "whole path below the root, or list the files in task.folder.skip.",
        ),
        (
            {},
            "ROOT: 40 of 40 audio files lie in no folder that could be their label: no-ann-0.wav, no-ann-1.wav, "
            "no-ann-2.wav and 37 more. Put each in a folder named like its class, set task.folder.pattern to read "
            "the label from the name, or list the files in task.folder.skip.",
        ),
        (
            {"pattern": r"(?P<label>x?).*"},
            "ROOT/no-ann-0.wav: the label is empty. Every clip needs one.",
        ),
        (
            {"pattern": NAMED, "test_groups": ["evan"]},
            "task.folder.test_groups names 'evan', which is no group. Did you mean 'eva'? "
            "Known: ann, bob, cem, dan, eva.",
        ),
        (
            {"pattern": NAMED, "fold": 1},
            "task.folder.fold is 1, but nothing says which fold a clip is in. Mark it in the pattern by "
            "(?P<fold>...), or in the table.",
        ),
        (
            {"pattern": r"(?P<label>\w+)-\w+-(?P<fold>\d)\.wav", "fold": 7},
            "task.folder.fold is 7, but the folds are 0, 1, 2, 3. Use one of them.",
        ),
        (
            {"pattern": r"(?P<label>\w+)-\w+-(?P<fold>\d)\.wav"},
            "task.folder.fold is not set, but the clips come in folds: 0, 1, 2, 3. Set it to the one for test.",
        ),
        (
            {"pattern": r"(?P<label>\w+)-\w+-(?:(?P<fold>[12])|\d)\.wav", "fold": 1},
            "20 of 40 clips name no fold: no-ann-0.wav, no-ann-3.wav, no-bob-0.wav and 17 more. "
            "Name one for every clip.",
        ),
        (
            {"pattern": NAMED, "skip": ["yes-*", "*.mp3"]},
            "task.folder.skip holds '*.mp3', which matches no audio file. Mend it, or take it out.",
        ),
    ],
)
def test_names_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(MixkitError) as caught:
        folder(named(tmp_path), **settings).clips("train")
    assert message(caught, tmp_path) == expected


def test_an_unknown_group_among_many_names_near_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        folder(pets(tmp_path), test_groups=["dog/1.wav"]).clips("test")
    assert len(str(caught.value)) < 300
    assert str(caught.value).startswith(
        "task.folder.test_groups names 'dog/1.wav', which is no group. Did you mean 'dog/"
    )


def test_a_root_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "file.wav", "empty/notes.txt", "one/cat/1.wav", "splits/train/cat/1.wav", "splits/test/dog/1.wav")
    put(tmp_path, "odd/cat/1.wav")
    os.mkfifo(tmp_path / "odd" / "cat" / "pipe.wav")
    for root, expected in {
        None: "task.folder.root is not set. Say where the recordings are: --set \"task.folder.root = 'path'\".",
        "none": "task.folder.root is 'none': ROOT/none, and there is no such folder. Name the folder of recordings.",
        "~nobody-here": "task.folder.root is '~nobody-here': ROOT/~nobody-here, and there is no such folder. "
        "Name the folder of recordings.",
        "file.wav": "task.folder.root is 'file.wav': ROOT/file.wav, which is a file. Name the folder of recordings.",
        "empty": f"ROOT/empty: no audio file. Looked in it and below for {SUFFIXES}, in either case.\n"
        "  left out 1 file without the suffix of a recording (1 .txt): notes.txt.",
        "odd": "ROOT/odd/cat/pipe.wav: not a regular file. Remove it, or list it in task.folder.skip.",
        "splits": "ROOT/splits: the folders are named test, train, like splits and not like classes. For folders of "
        "classes in folders of splits set task.folder.pattern = r'(?P<split>[^/]+)/(?P<label>[^/]+)/.+'.",
    }.items():
        made = folder(root)
        with pytest.raises(MixkitError) as caught:
            _ = made.labels
        assert message(caught, tmp_path) == expected
    with pytest.raises(DataError) as lonely:
        check_splits(folder("one"))
    assert str(lonely.value) == "one class only: cat. A classifier needs clips of at least two labels."


def test_only_links_out_is_no_audio_file(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "cat").symlink_to(pets(tmp_path / "elsewhere") / "cat")
    with pytest.raises(DataError) as caught:
        folder(root).clips("train")
    assert message(caught, root) == (
        f"ROOT: no audio file. Looked in it and below for {SUFFIXES}, in either case.\n"
        "  left out 1 link out of the folder: cat. To follow them, set task.folder.follow_links = True."
    )


def test_a_group_in_two_folds_is_caught(tmp_path: Path) -> None:
    root = put(tmp_path, "1/no-a.wav", "1/yes-b.wav", "2/no-a.wav", "2/yes-c.wav", "3/no-d.wav", "3/yes-e.wav")
    made = folder(root, pattern=r"(?P<fold>\d)/(?P<label>\w+)-(?P<group>\w)\.wav", fold=1)
    with pytest.raises(DataError) as caught:
        check_splits(made)
    assert message(caught, root) == (
        "the group a stands in valid (ROOT/2/no-a.wav) and test (ROOT/1/no-a.wav). Keep each group in one split."
    )


# Real recordings, by the recipes that mixkit ships


def shipped(name: str, data: str, *settings: str) -> Folder:
    """The folder task as a fragment of recipes/task sets it."""
    if not (SHARED / data).is_dir():
        pytest.skip(f"needs the recordings at {SHARED / data}")
    root = f"task.folder.root = {str(SHARED / data)!r}"
    recipe = load_recipe("asm_rh", [f"task/{name}"], [root, *settings])
    made = task.build(recipe.task)
    assert isinstance(made, Folder)
    return made


def test_esc10_comes_in_five_folds() -> None:
    names = ("Baby cry", "Chainsaw", "Clock tick", "Dog bark", "Fire crackling")
    names += ("Helicopter", "Person sneeze", "Rain", "Rooster", "Sea waves")
    tested: list[Path] = []
    for fold in range(1, 6):
        made = shipped("esc10_folder", "esc10", f"task.folder.fold = {fold}")
        assert made.labels == names
        assert made.folds == ("1", "2", "3", "4", "5")
        assert {split: len(made.clips(split)) for split in SPLITS} == {"train": 240, "valid": 80, "test": 80}
        assert set(Counter(clip.label for clip in made.clips("test")).values()) == {8}
        check_splits(made)
        tested += [clip.path for clip in made.clips("test")]
    assert len(set(tested)) == 400


def test_fsdd_on_its_own_split() -> None:
    made = shipped("fsdd", "fsdd")
    assert made.labels == tuple("0123456789")
    assert {split: len(made.clips(split)) for split in SPLITS} == {"train": 2430, "valid": 270, "test": 300}
    assert {int(clip.path.stem.split("_")[2]) for clip in made.clips("test")} == {0, 1, 2, 3, 4}
    assert set(Counter(clip.label for clip in made.clips("valid")).values()) == {27}
    check_splits(made)


def test_fsdd_with_speakers_held_out() -> None:
    made = shipped("fsdd_speakers", "fsdd")
    assert {split: len(made.clips(split)) for split in SPLITS} == {"train": 1500, "valid": 500, "test": 1000}
    assert {clip.group for clip in made.clips("test")} == {"theo", "yweweler"}
    assert {clip.path.stem.split("_")[1] for clip in made.clips("valid")} == {"nicolas"}
    check_splits(made)


def test_fsdd_with_each_speaker_held_out_in_turn() -> None:
    speakers = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    for at, speaker in enumerate(speakers):
        made = shipped("fsdd_each_speaker", "fsdd", f"task.folder.fold = {speaker!r}")
        assert made.folds == speakers
        assert {clip.group for clip in made.clips("test")} == {speaker}
        assert {clip.group for clip in made.clips("valid")} == {speakers[(at + 1) % 6]}
        assert {split: len(made.clips(split)) for split in SPLITS} == {"train": 2000, "valid": 500, "test": 500}


def test_clips_are_listed_once_and_sections_of_a_recording_share_its_path(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.wav")
    rows = [f"{name}.wav,{label},train,{at},{at + 1}" for name in "ab" for at, label in enumerate(("dog", "rain"))]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split,start,stop", *rows, "a.wav,dog,test,5,6"]))
    made = folder(tmp_path, table="t.csv", valid_share=0.0)
    assert made.clips("train") is made.clips("train")
    paths = [clip.path for clip in made.clips("train")]
    assert [path.name for path in paths] == ["a.wav", "a.wav", "b.wav", "b.wav"]
    assert paths[0] is paths[1]
    assert paths[1] is not paths[2]
