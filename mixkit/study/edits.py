"""An operator left out, or another put in its place: the recipe's data edited, and the lines that say so."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from mixkit.errors import MixkitError
from mixkit.recipe.schema import PLAIN, Block, Branch, Model, Recipe, Stage
from mixkit.registry import Spec, operator
from mixkit.study.definition import Edit


@dataclass(frozen=True)
class Loaded:
    """A recipe, and the `--set` lines that make it.

    Args:
        recipe: the base with all lines over it, and the seed 0.
        own: the lines of one arm.
        lines: those of all arms as well, as far as this one has a use for them.
    """

    recipe: Recipe
    own: tuple[str, ...]
    lines: tuple[str, ...]


class EditError(MixkitError):
    """An operator cannot be left out of a recipe, or exchanged there."""


def operators_of(model: Model | None) -> tuple[str, ...]:
    """The operators of a network, each once, in their order; none where it is no model."""
    stages = () if model is None else model.pyramid
    specs = (
        spec for stage in stages for block in stage.pattern for branch in block.branches for spec in branch.operators
    )
    return tuple(dict.fromkeys(spec.name for spec in specs))


def made(edit: Edit, base: Recipe, load: Callable[[tuple[str, ...]], Loaded]) -> Loaded:
    """The edited recipe, by the shortest `--set` lines that say it.

    Args:
        edit: what becomes of which operator. A new one has the settings that the recipe gives it, or its defaults.
        base: the recipe that is edited.
        load: reads the base with lines over it.

    Raises:
        EditError: the recipe does not have the operator, or nothing would be left of it.
        RecipeError: the lines are no recipe.
    """
    new = {other for other in edit.values() if other}
    model = edited(base, edit)
    wanted = _bare(replace(base, model=model), new)
    for every in (False, True):
        loaded = load(_lines(model, new, every))
        if _bare(loaded.recipe, new) == wanted:
            return loaded
    raise EditError("cannot be said in --set lines for this recipe. Write the arm out in study.arms.")


def edited(base: Recipe, edit: Edit) -> Model:
    """The edited network.

    Raises:
        EditError: the recipe does not have the operator, or nothing would be left of a block.
    """
    if base.model is None:
        raise EditError(
            f"{base.name} has no operators: a network takes the place of its model. Write arms in study.arms."
        )
    known = operators_of(base.model)
    for name in edit:
        if name not in known:
            raise EditError(f"{base.name} has no {name}. It has: {', '.join(known)}.")

    def block(old: Block) -> Block:
        branches = []
        for branch in old.branches:
            kept = tuple(_exchanged(spec, edit) for spec in branch.operators if edit.get(spec.name, "") is not None)
            if kept:
                branches.append(replace(branch, operators=kept))
        if not branches:
            raise EditError(
                f"nothing is left of a block of {base.name}. Put another operator in its place: study.swap."
            )
        return replace(old, branches=tuple(branches))

    return _with_blocks(base.model, block)


def _with_blocks(model: Model, change: Callable[[Block], Block]) -> Model:
    """The network with every block changed."""
    stages = tuple(replace(stage, pattern=tuple(map(change, stage.pattern))) for stage in model.stages)
    return replace(model, stages=stages, pattern=tuple(map(change, model.pattern)))


def _exchanged(spec: Spec, edit: Edit) -> Spec:
    other = edit.get(spec.name)
    return operator.spec(other) if other else spec


def _lines(model: Model, new: Collection[str], every: bool) -> tuple[str, ...]:
    """Lines that make the network.

    Args:
        model: the network.
        new: operators that have the settings that the recipe gives them.
        every: say every setting of the others, each in a scope of its own; else they have those of the recipe, too.
    """
    several = len(model.pattern) > 1 or bool(model.stages)
    lines: list[str] = []
    patterns = []
    number = 0
    for stage in model.pyramid:
        scopes = [f"edit_{number + place}" for place in range(1, len(stage.pattern) + 1)]
        number += len(scopes)
        for scope, block in zip(scopes, stage.pattern, strict=True):
            lines += _block_lines(block, scope, several, new, every)
        patterns.append(f"[{', '.join(f'@{scope}/block()' for scope in scopes)}]")
    if model.stages:
        for place, (stage, pattern) in enumerate(zip(model.stages, patterns, strict=True), start=1):
            lines += _stage_lines(stage, f"edit_stage_{place}/", pattern)
        lines.append(f"model.stages = [{', '.join(f'@edit_stage_{n}/stage()' for n in range(1, len(patterns) + 1))}]")
    elif several:
        lines.append(f"model.pattern = {patterns[0]}")
    return tuple(lines)


def _block_lines(block: Block, name: str, several: bool, new: Collection[str], every: bool) -> list[str]:
    lines, branches = [], []
    for place, branch in enumerate(block.branches, start=1):
        scope = f"{name}_{place}"
        row = []
        for position, spec in enumerate(branch.operators, start=1):
            own = f"{scope}_{position}/" if every and spec.name not in new else ""
            row.append(f"@{own}operator.{spec.name}()")
            if own:
                lines += [f"{own}operator.{spec.name}.{key} = {value!r}" for key, value in spec.params.items()]
        if branch.around == PLAIN and not every:
            branches.append(f"[{', '.join(row)}]" if len(row) > 1 else row[0])
            continue
        branches.append(f"@{scope}/branch()")
        lines.append(f"{scope}/branch.operators = [{', '.join(row)}]")
        lines += [f"{scope}/branch.{key} = {value!r}" for key, value in branch.around.items()]
    prefix = f"{name}/" if several else ""
    lines.append(f"{prefix}block.branches = [{', '.join(branches)}]")
    if every:
        lines.append(f"{prefix}block.drop_path = {block.drop_path!r}")
        lines.append(f"{prefix}block.layer_scale = {block.layer_scale!r}")
        lines.append(f"{prefix}block.residual = {block.residual!r}")
    return lines


def _stage_lines(stage: Stage, scope: str, pattern: str) -> list[str]:
    way = stage.downsample
    return [
        f"{scope}stage.pattern = {pattern}",
        f"{scope}stage.width = {stage.width}",
        f"{scope}stage.depth = {stage.depth}",
        f"{scope}stage.downsample = {f'@{scope}downsample.{way.name}()' if way else None}",
        *([f"{scope}downsample.{way.name}.{key} = {value!r}" for key, value in way.params.items()] if way else []),
    ]


def _bare(recipe: Recipe, new: Collection[str]) -> Recipe:
    """A recipe but for the settings of new operators, and for the plugins that those are of."""

    def bare(branch: Branch) -> Branch:
        operators = tuple(Spec("operator", spec.name) if spec.name in new else spec for spec in branch.operators)
        return replace(branch, operators=operators)

    def block(old: Block) -> Block:
        return replace(old, branches=tuple(map(bare, old.branches)))

    return replace(recipe, plugins=(), model=recipe.model and _with_blocks(recipe.model, block))
