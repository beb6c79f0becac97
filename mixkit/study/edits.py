"""An operator left out, or another put in its place: the recipe's data edited, and the lines that say so."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mixkit.errors import MixkitError
from mixkit.recipe.schema import Block, Branch, Model, Recipe
from mixkit.registry import Spec, operator
from mixkit.study.definition import Edit

Pattern = tuple[Block, ...]
PLAIN = (Branch.norm, Branch.residual)


class EditError(MixkitError):
    """An operator cannot be left out of a recipe, or exchanged there."""


def operators_of(model: Model) -> tuple[str, ...]:
    """The operators of a network, each once, in their order."""
    specs = (spec for block in model.pattern for branch in block.branches for spec in branch.operators)
    return tuple(dict.fromkeys(spec.name for spec in specs))


def lines_of(edit: Edit, base: Recipe, load: Callable[[tuple[str, ...]], Recipe]) -> tuple[str, ...]:
    """The `--set` lines that make the edit, the shortest that load as the edited data.

    Args:
        edit: what becomes of which operator. A new one has the settings that the recipe gives it, or its defaults.
        base: the recipe that is edited.
        load: reads the base with lines over it.

    Raises:
        EditError: the recipe does not have the operator, or nothing would be left of it.
        RecipeError: the lines are no recipe.
    """
    wanted = edited(base, edit)
    for lines in (_short(wanted), _long(wanted, edit)):
        recipe = load(lines)
        new = {other for other in edit.values() if other}
        if _same(recipe.model, replace(base.model, pattern=wanted), new) and _all_else(recipe) == _all_else(base):
            return lines
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


def _short(pattern: Pattern) -> tuple[str, ...]:
    """Lines that leave the settings of operators to the keys that the recipe has for them."""
    lines: list[str] = []
    for number, (prefix, block) in enumerate(_named(pattern), start=1):
        branches = []
        for place, branch in enumerate(block.branches, start=1):
            row = [f"@operator.{spec.name}()" for spec in branch.operators]
            if (branch.norm, branch.residual) == PLAIN:
                branches.append(f"[{', '.join(row)}]" if len(row) > 1 else row[0])
                continue
            scope = f"edit_{number}_{place}"
            branches.append(f"@{scope}/branch()")
            lines += [f"{scope}/branch.operators = [{', '.join(row)}]", *_branch(scope, branch)]
        lines.append(f"{prefix}block.branches = [{', '.join(branches)}]")
    return (*lines, *_pattern(pattern))


def _long(pattern: Pattern, edit: Edit) -> tuple[str, ...]:
    """Lines that say every setting, each in a scope of its own, but those of operators that are new."""
    new = {other for other in edit.values() if other}
    lines: list[str] = []
    for number, (prefix, block) in enumerate(_named(pattern), start=1):
        branches = []
        for place, branch in enumerate(block.branches, start=1):
            scope = f"edit_{number}_{place}"
            row = []
            for position, spec in enumerate(branch.operators, start=1):
                own = f"{scope}_{position}"
                row.append(f"@operator.{spec.name}()" if spec.name in new else f"@{own}/operator.{spec.name}()")
                if spec.name not in new:
                    lines += [f"{own}/operator.{spec.name}.{key} = {value!r}" for key, value in spec.params.items()]
            branches.append(f"@{scope}/branch()")
            lines += [f"{scope}/branch.operators = [{', '.join(row)}]", *_branch(scope, branch)]
        lines.append(f"{prefix}block.branches = [{', '.join(branches)}]")
        lines += [
            f"{prefix}block.drop_path = {block.drop_path!r}",
            f"{prefix}block.layer_scale = {block.layer_scale!r}",
        ]
    return (*lines, *_pattern(pattern))


def _named(pattern: Pattern) -> Iterator[tuple[str, Block]]:
    """The blocks, each with the scope before its keys: none where there is but one."""
    for number, block in enumerate(pattern, start=1):
        yield f"edit_{number}/" if len(pattern) > 1 else "", block


def _pattern(pattern: Pattern) -> tuple[str, ...]:
    if len(pattern) == 1:
        return ()
    return (f"model.pattern = [{', '.join(f'@edit_{number}/block()' for number in range(1, len(pattern) + 1))}]",)


def _branch(scope: str, branch: Branch) -> list[str]:
    return [f"{scope}/branch.norm = {branch.norm!r}", f"{scope}/branch.residual = {branch.residual!r}"]


def _same(found: Model, wanted: Model, new: set[str]) -> bool:
    """Whether two networks are the same, but for the settings of new operators."""
    return _bare(found, new) == _bare(wanted, new)


def _bare(model: Model, new: set[str]) -> Model:
    def bare(branch: Branch) -> Branch:
        return replace(
            branch, operators=tuple(Spec("operator", s.name) if s.name in new else s for s in branch.operators)
        )

    return replace(
        model,
        pattern=tuple(replace(block, branches=tuple(bare(b) for b in block.branches)) for block in model.pattern),
    )


def _all_else(recipe: Recipe) -> Recipe:
    """A recipe without what an edit may change, for comparison."""
    block = Block((Branch((Spec("operator", "any"),)),))
    return replace(recipe, plugins=(), model=replace(recipe.model, pattern=(block,)))
