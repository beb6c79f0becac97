"""A user's pattern is what `re` takes it for, and never takes for ever."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixkit.errors import DataError, SettingError
from mixkit.tasks import bounded
from mixkit.tasks.bounded import BoundedPattern, _unfolded
from mixkit.tasks.pattern import compile_pattern, read_names

ENDLESS = "x/(?P<label>(a|a)*)[.]wav"
LONG = "x/" + "a" * 60 + ".wavx"


def test_a_pattern_that_takes_for_ever_is_refused() -> None:
    began = time.process_time()
    with pytest.raises(SettingError) as caught:
        read_names(Path("/data"), [LONG], compile_pattern(ENDLESS))
    assert str(caught.value) == (
        f"task.folder.pattern is {ENDLESS!r}, which takes over 1 s for the name {LONG}. Write it so that a text "
        "matches in one way only: (a|a)* and (a+)* match in many."
    )
    assert time.process_time() - began < 5


def test_re_would_take_for_ever() -> None:
    """The control: a few letters more, and each doubles the time."""
    times = []
    for letters in (16, 20):
        began = time.process_time()
        assert re.fullmatch(ENDLESS, "x/" + "a" * letters + ".wavx") is None
        times.append(time.process_time() - began)
    assert times[1] > 4 * times[0]


def test_many_slow_names_are_refused_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "FIRST_SECONDS", 0.05)
    names = [f"{n}/" + "a" * 16 + ".wavx" for n in range(1000)]
    with pytest.raises(SettingError, match="takes over 1 ms for each name"):
        read_names(Path("/data"), names, compile_pattern(ENDLESS.replace("x/", r"\d+/")))


@pytest.mark.parametrize("text", ["(?P<label>(?:(?:a{1000}){1000}){1000})", "(?P<label>a){1000000000}"])
def test_a_pattern_that_unfolds_without_end_is_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        BoundedPattern(text)
    assert str(caught.value) == f"pattern is {text!r}, which repeats too much: over 50,000 parts. Mend it."


def test_unfolding_takes_memory_in_regex() -> None:
    """The control: what the bound is for."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); import regex; "
    ended = subprocess.run([sys.executable, "-c", limit + "regex.compile('a{100000000}')"], capture_output=True)
    assert b"MemoryError" in ended.stderr


@pytest.mark.parametrize(
    ("text", "parts"),
    [("abc", 3), ("a{3}b", 4), (r"\d{4}-\d{2}", 7), ("(ab){3}", 6), (r"[{9}()]{2}\{9}", 5), ("(a(b{2}){3}){2}", 14)],
)
def test_unfolding_is_counted(text: str, parts: int) -> None:
    assert _unfolded(text) == parts


@pytest.mark.parametrize("text", ["(?P<label>(?R)?a)b", r"(?P<label>\p{L})", "(?P<label>a)(?P<label>b)", "(?|a|b)"])
def test_what_re_has_not_is_no_pattern(text: str) -> None:
    with pytest.raises(SettingError, match="no regular expression"):
        BoundedPattern(text)


@pytest.mark.parametrize(
    "text",
    [
        r"(?P<label>[a-z]+)-(?P<group>\w+)-\d+\.wav",
        r"(?P<label>\w+?)-(?:(?P<test>ann)|\w+)-\d\.wav",
        r"(?i:(?P<label>DOG|cat))-.*",
        r"(?P<label>(?!cat)\w{3})-(?P<group>(?<=-)\w+)-[0-3]\.(?:wav|mp3)",
        r"(?x) (?P<label> [^-/]+ ) - (?P<group> .+? ) - \d \. wav  # comment",
        r"(?P<label>[^-]+)-(?P<group>[^-]+)-(\d)\.wav(?<!3\.wav)",
    ],
)
def test_patterns_match_as_re_has_them(text: str) -> None:
    names = [f"{pet}-{who}-{n}.wav" for pet in ("dog", "cat", "Dög", "d_g") for who in ("ann", "bob") for n in range(4)]
    pattern, twin = BoundedPattern(text), re.compile(text)
    for name in names:
        match = twin.fullmatch(name)
        assert pattern.fullmatch(name) == (match and match.groupdict())


def test_a_path_longer_than_any_is_refused() -> None:
    with pytest.raises(DataError, match=r"5,002 characters in a path, at most 4,096\."):
        BoundedPattern(ENDLESS).fullmatch("x/" + "a" * 5000)
