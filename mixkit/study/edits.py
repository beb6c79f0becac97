"""An operator left out, or another put in its place: the recipe's data edited, and the lines that say so."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from mixkit.errors import MixkitError
from mixkit.recipe.schema import Block, Branch, Model, Recipe
from mixkit.registry import Spec, operator
from mixkit.study.definition import Edit

Pattern = tuple[Block, ...]
PLAIN = (Branch.norm, Branch.residual)


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


def operators_of(model: Model) -> tuple[str, ...]:
    """The operators of a network, each once, in their order."""
    specs = (spec for block in model.pattern for branch in block.branches for spec in branch.operators)
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
    pattern = edited(base, edit)
    wanted = _bare(replace(base, model=replace(base.model, pattern=pattern)), new)
    for every in (False, True):
        loaded = load(_lines(pattern, new, every))
        if _bare(loaded.recipe, new) == wanted:
            return loaded
    raise EditError("cannot be said in --set lines for this recipe. Write the arm out in study.arms.")


def edited(base: Recipe, edit: Edit) -> Pattern:
    """The blocks of the edited network.

    Raises:
        EditError: the recipe does not have the operator, or nothing would be left of a block.
    """
    known = operators_of(base.model)
    for name in edit:
        if name not in known:
            raise EditError(f"{base.name} has no {name}. It has: {', '.join(known)}.")
    pattern = []
    for block in base.model.pattern:
        branches = []
        for branch in block.branches:
            kept = tuple(_exchanged(spec, edit) for spec in branch.operators if edit.get(spec.name, "") is not None)
            if kept:
                branches.append(replace(branch, operators=kept))
        if not branches:
            raise EditError(
                f"nothing is left of a block of {base.name}. Put another operator in its place: study.swap."
            )
        pattern.append(replace(block, branches=tuple(branches)))
    return tuple(pattern)


def _exchanged(spec: Spec, edit: Edit) -> Spec:
    other = edit.get(spec.name)
    return operator.spec(other) if other else spec


def _lines(pattern: Pattern, new: Collection[str], every: bool) -> tuple[str, ...]:
    """Lines that make the pattern.

    Args:
        pattern: the blocks.
        new: operators that have the settings that the recipe gives them.
        every: say every setting of the others, each in a scope of its own; else they have those of the recipe, too.
    """
    lines: list[str] = []
    for number, block in enumerate(pattern, start=1):
        prefix = f"edit_{number}/" if len(pattern) > 1 else ""
        branches = []
        for place, branch in enumerate(block.branches, start=1):
            scope = f"edit_{number}_{place}"
            row = []
            for position, spec in enumerate(branch.operators, start=1):
                own = f"{scope}_{position}/" if every and spec.name not in new else ""
                row.append(f"@{own}operator.{spec.name}()")
                if own:
                    lines += [f"{own}operator.{spec.name}.{key} = {value!r}" for key, value in spec.params.items()]
            if (branch.norm, branch.residual) == PLAIN and not every:
                branches.append(f"[{', '.join(row)}]" if len(row) > 1 else row[0])
                continue
            branches.append(f"@{scope}/branch()")
            lines.append(f"{scope}/branch.operators = [{', '.join(row)}]")
            lines += [f"{scope}/branch.norm = {branch.norm!r}", f"{scope}/branch.residual = {branch.residual!r}"]
        lines.append(f"{prefix}block.branches = [{', '.join(branches)}]")
        if every:
            lines.append(f"{prefix}block.drop_path = {block.drop_path!r}")
            lines.append(f"{prefix}block.layer_scale = {block.layer_scale!r}")
    if len(pattern) > 1:
        lines.append(f"model.pattern = [{', '.join(f'@edit_{n}/block()' for n in range(1, len(pattern) + 1))}]")
    return tuple(lines)


def _bare(recipe: Recipe, new: Collection[str]) -> Recipe:
    """A recipe but for the settings of new operators, and for the plugins that those are of."""

    def bare(branch: Branch) -> Branch:
        operators = tuple(Spec("operator", spec.name) if spec.name in new else spec for spec in branch.operators)
        return replace(branch, operators=operators)

    blocks = (replace(block, branches=tuple(map(bare, block.branches))) for block in recipe.model.pattern)
    return replace(recipe, plugins=(), model=replace(recipe.model, pattern=tuple(blocks)))
