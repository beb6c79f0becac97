"""What a study file may set, and what each key takes."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mixkit.errors import SettingError, did_you_mean
from mixkit.recipe.keys import PAPER, STUDY
from mixkit.recipe.reference import NEEDED, SectionCard, SettingCard
from mixkit.recipe.statements import Binding
from mixkit.study.paper import expect_figure
from mixkit.values import Fold, Whole, describe, fit, show

NAME = 80  # characters of the name of an arm


class StudyKey(NamedTuple):
    """What a key of a study file takes, what holds without it, and what it means."""

    takes: Any
    default: str
    says: str


SETTINGS: Mapping[str, Mapping[str, StudyKey]] = {
    STUDY: {
        "base": StudyKey(str, NEEDED, "the recipe that arms are edits of: a file beside the study, or a shipped one."),
        "with": StudyKey(tuple[str, ...], "[]", "fragments over the base, for every arm."),
        "set": StudyKey(tuple[str, ...], "[]", "lines over that, for every arm."),
        "seeds": StudyKey(tuple[Whole, ...], "[0, 1, 2]", "random seeds: each arm is trained with each of them."),
        "folds": StudyKey(
            Literal["all"] | tuple[Fold, ...] | None,
            "None",
            "cross-validation folds: each arm is trained and tested on each of them; None for that of the recipe.",
        ),
        "arms": StudyKey(
            Mapping[str, tuple[str, ...]], "{}", "variants that are compared, by name: each the lines that it changes."
        ),
        "drop": StudyKey(tuple[str, ...], "[]", "operators: an arm is added for each, without it."),
        "swap": StudyKey(
            Mapping[str, tuple[str, ...]], "{}", "for an operator, others: an arm is added with each in its place."
        ),
        "name": StudyKey(str, "that of the file", "of the study, for its folder."),
        "note": StudyKey(str, "''", "what a reader has to know about all of it; it stands on the report."),
    },
    PAPER: {
        "value": StudyKey(
            Mapping[str, Mapping[str, float]], "{}", "a paper's figures by arm, in per cent, shown beside ours."
        ),
        "other": StudyKey(Mapping[str, Mapping[str, float]], "{}", "and those of networks that are no arm."),
        "note": StudyKey(Mapping[str, str], "{}", "by arm, what a reader has to know about it."),
    },
}

SAID = {
    STUDY: "What a study compares: written in a study file, which is no recipe.",
    PAPER: "What a paper reports, to stand beside what the study comes to.",
}

EXAMPLES = {
    "study.arms": "{'ASM-R': ['block.branches = [@operator.token(), @operator.roll_time()]']}",
    "study.swap": "{'roll_time': ['channel', 'shift']}",
    "paper.value": "{'ASM-R': {'accuracy': 96.4}}",
    "paper.other": "{'EAT-M': {'accuracy': 90.0}}",
    "paper.note": "{'ASM-R': 'best of ten folds'}",
}


def study_cards() -> dict[str, SectionCard]:
    """Every setting of a study file, by section, as `mixkit.recipe.reference` has those of a recipe."""
    return {
        section: SectionCard(SAID[section], tuple(_card(f"{section}.{name}", key) for name, key in keys.items()))
        for section, keys in SETTINGS.items()
    }


def _card(key: str, said: StudyKey) -> SettingCard:
    takes = f"a dictionary, such as {EXAMPLES[key]}" if key in EXAMPLES else describe(said.takes)
    return SettingCard(key, takes, said.default, said.says)


def value_of(binding: Binding) -> Any:
    """What a study file sets a key to, as the key takes it.

    Raises:
        SettingError: there is no such key, or the value is another.
    """
    key, value = str(binding), binding.value
    if binding.scope or binding.selector not in SETTINGS:
        raise SettingError(key, f"belongs to a recipe. For every arm, write study.set = ['{key} = ...'].")
    known = SETTINGS[binding.selector]
    if binding.setting not in known:
        raise SettingError(key, f"is no setting.{did_you_mean(binding.setting, known)}")
    if isinstance(value, Mapping):
        value = {_name(name, key): _inner(inner, name, key) for name, inner in value.items()}
    if key in EXAMPLES:
        if not isinstance(value, Mapping):
            raise SettingError(key, f"is {show(value)}. It takes a dictionary, such as {EXAMPLES[key]}.")
        return value
    found = fit(value, known[binding.setting].takes, key)
    if binding.setting in ("seeds", "folds") and isinstance(found, tuple):
        expect_each_once(key, found)
    if binding.setting == "name":
        _name(found, key)
    return found


def _name(name: Any, key: str) -> str:
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > NAME:
        raise SettingError(key, f"names {show(name)}. A name is text of 1 to {NAME} characters.")
    return name


def _inner(value: Any, name: str, key: str) -> Any:
    where = f"{key}[{name!r}]"
    if key == "paper.note":
        return fit(value, str, where)
    if key not in ("paper.value", "paper.other"):
        return fit(value, tuple[str, ...], where)
    if not isinstance(value, Mapping):
        raise SettingError(where, f"is {show(value)}. It takes a dictionary, such as {{'accuracy': 97.6}}.")
    for figure in value:
        expect_figure(figure, where)
    return {figure: fit(number, float, f"{where}[{figure!r}]") for figure, number in value.items()}


def expect_each_once(setting: str, named: Sequence[int | str]) -> None:
    """Whether seeds or folds are named, each once.

    Raises:
        SettingError: they are not.
    """
    if not named:
        raise SettingError(setting, "is empty. Name at least one.")
    twice = next((one for one in named if named.count(one) > 1), None)
    if twice is not None:
        raise SettingError(setting, f"names {twice} more than once. Name each once.")
