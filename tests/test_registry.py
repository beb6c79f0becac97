"""The registry takes only what can be documented, checked and written down; a spec is data."""

import pickle
from typing import Any, Literal

import pytest
import torch

from mixkit import registry
from mixkit.errors import MixkitError, SettingError
from mixkit.registry import Features, Registry, Spec, Task, lacks
from mixkit.values import Count, Share, fit


@pytest.fixture
def kind() -> Registry[Any]:
    registry: Registry[Any] = Registry("thing", "mixkit.errors", ("site",), mixes=Registry.REQUIRED, paper="")

    @registry("bell", mixes={"time"})
    class Bell:
        """Rings."""

        def __init__(self, site: int, *, count: Count = 3, loud: float = 1.0, tone: Literal["a", "b"] = "a"):
            if count == 7:
                raise SettingError("count", f"is {count}, and 7 is unlucky. Use 8.")
            self.made = (site, count, loud, tone)

    return registry


def test_a_spec_has_its_defaults_written_in(kind: Registry[Any]) -> None:
    spec = kind.spec("bell", loud=2)
    assert str(spec) == "bell(count=3, loud=2.0, tone='a')"
    assert spec == kind.spec("bell", loud=2.0, count=3)
    assert hash(spec) == hash(kind.spec("bell", loud=2.0))
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert spec != kind.spec("bell", loud=2.5)


def test_a_spec_cannot_be_changed(kind: Registry[Any]) -> None:
    spec = kind.spec("bell")
    with pytest.raises(TypeError):
        spec.params["count"] = 4  # type: ignore[index]


def test_build_passes_context_and_settings(kind: Registry[Any]) -> None:
    assert kind.build(kind.spec("bell", count=5), 9).made == (9, 5, 1.0, "a")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cuont": 3}, "thing.bell.cuont is no setting. Did you mean 'count'? Known: count, loud, tone."),
        ({"count": "two"}, "thing.bell.count is 'two' (a str). It takes an int, at least 1."),
        ({"count": 0}, "thing.bell.count is 0. It takes an int, at least 1."),
        ({"count": True}, "thing.bell.count is True (a bool). It takes an int, at least 1."),
        ({"count": 2.0}, "thing.bell.count is 2.0 (a float). It takes an int, at least 1."),
        ({"loud": float("inf")}, "thing.bell.loud is inf (not a finite number). It takes a float."),
        ({"tone": "c"}, "thing.bell.tone is 'c'. It takes 'a' or 'b'."),
        ({"tone": ["a"]}, "thing.bell.tone is ['a']. It takes 'a' or 'b'."),
    ],
)
def test_wrong_settings_are_named(kind: Registry[Any], settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        kind.spec("bell", **settings)
    assert str(caught.value) == message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_unknown_names_are_met_with_a_suggestion(kind: Registry[Any]) -> None:
    with pytest.raises(MixkitError, match=r"^no thing named 'bel'\. Did you mean 'bell'\? Known: bell\.$"):
        kind.spec("bel")


def test_a_setting_that_cannot_work_is_named_in_full(kind: Registry[Any]) -> None:
    with pytest.raises(SettingError) as caught:
        kind.build(kind.spec("bell", count=7), 1)
    assert str(caught.value) == "thing.bell.count is 7, and 7 is unlucky. Use 8."


def test_a_spec_of_another_kind_is_refused(kind: Registry[Any]) -> None:
    with pytest.raises(MixkitError, match="is of kind 'other', not 'thing'"):
        kind.build(Spec("other", "bell"), 1)


class NoDocstring:
    def __init__(self, site: int):
        pass


class Swallows:
    """Takes anything."""

    def __init__(self, site: int, **settings: int):
        pass


class Spreads:
    """Takes many."""

    def __init__(self, site: int, *more: int):
        pass


class Loose:
    """Has a setting of a type that can be changed in place."""

    def __init__(self, site: int, *, counts: list[int] = []):  # noqa: B006 (what is refused)
        pass


class Untyped:
    """Has a setting without annotation."""

    def __init__(self, site: int, *, count=3):  # type: ignore[no-untyped-def]
        pass


class NoDefault:
    """Has a setting without default."""

    def __init__(self, site: int, *, count: int):
        pass


class WrongDefault:
    """Has a default out of its own range."""

    def __init__(self, site: int, *, share: Share = 2.0):
        pass


class WrongContext:
    """Takes something else first."""

    def __init__(self, place: int):
        pass


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (NoDocstring, "has no docstring. Say in a sentence what it does."),
        (Swallows, "takes **settings: int. Name every setting, so that a typo is noticed."),
        (Spreads, "takes *more: int. Name every setting, so that a typo is noticed."),
        (
            Loose,
            "has a setting 'counts' that takes a list, which could be changed later. Say tuple[float, ...], or what is "
            "in it.",
        ),
        (Untyped, "has a setting 'count' without annotation. Say its type."),
        (NoDefault, "has a setting 'count' without default. Choose one."),
        (WrongDefault, "is 2.0. It takes a float, at least 0 and at most 1."),
        (WrongContext, "takes (place) by position. It should take (site, *, ...)."),
    ],
)
def test_what_a_registry_refuses(kind: Registry[Any], target: type, message: str) -> None:
    with pytest.raises(MixkitError) as caught:
        kind("thing", mixes={"time"})(target)
    assert str(caught.value).endswith(message)
    assert "test_registry.py:" in str(caught.value)


class Bare:
    """Has no constructor of its own."""


class BareModule(torch.nn.Module):
    """Has that of torch alone, which takes no context."""


@pytest.mark.parametrize("target", [Bare, BareModule])
def test_what_has_no_constructor_needs_no_context(kind: Registry[Any], target: type) -> None:
    kind("plain", mixes={"time"})(target)
    assert isinstance(kind.build(kind.spec("plain"), 5), target)


def test_a_name_taken_names_both_places(kind: Registry[Any]) -> None:
    with pytest.raises(MixkitError) as caught:

        @kind("bell", mixes={"time"})
        class Other:
            """Another bell."""

            def __init__(self, site: int):
                pass

    assert str(caught.value).count("test_registry.py:") == 2
    assert "is already defined at" in str(caught.value)


def test_facts_are_checked(kind: Registry[Any]) -> None:
    with pytest.raises(MixkitError, match="does not say 'mixes'"):
        kind("gong")(WrongContext)
    with pytest.raises(MixkitError, match=r"says 'mixis', which is not known\. Did you mean 'mixes'\?"):
        kind("gong", mixis={"time"})(WrongContext)
    with pytest.raises(MixkitError, match="is no snake_case name"):
        kind("Gong", mixes={"time"})(WrongContext)


@pytest.mark.parametrize(
    ("text", "reason"), [("x" * 4097, "4,097 characters, at most 4,096"), ("a\0b", "with a NUL in it")]
)
def test_a_text_that_no_path_can_be(text: str, reason: str) -> None:
    with pytest.raises(SettingError) as caught:
        fit(text, str, "task.root")
    assert str(caught.value).endswith(f" ({reason}). It takes a str.")
    assert fit("x" * 4096, str, "task.root")


class Half:
    """Features that leave out two parts."""

    samples = 16_000
    bins = 128


def test_the_first_part_of_a_protocol_that_is_lacking_is_named() -> None:
    made = registry.features.build(registry.features.spec("log_mel"), 16_000, 1.0)
    assert lacks(made, Features) is None
    assert lacks(Half(), Features) == "frames"
    assert lacks(registry.task.build(registry.task.spec("demo")), Task) is None
    assert lacks(Half(), Task) == "labels"
