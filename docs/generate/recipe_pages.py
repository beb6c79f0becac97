"""A page for each recipe, fragment and study: its text, what it comes to, what it costs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import results

from mixkit.errors import MixkitError
from mixkit.model.classifier import build_features
from mixkit.model.cost import costs, without_memory
from mixkit.model.mixer import Mixer
from mixkit.recipe import catalog
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.schema import Recipe
from mixkit.recipe.train import Train
from mixkit.recipe.writer import to_gin
from mixkit.registry import Counted, task
from mixkit.search.space import Choices, load_space
from mixkit.study.definition import Study, load_study
from mixkit.training.budget import budget, planned

BASE = "mlp_mixer"  # what fragments are laid over
MEASURED, MINUTES = "asm_rh", "three and a half minutes on two CPU cores"  # as README says of it
UNKNOWN = 10  # classes that are assumed where the recordings are not here
LISTS = {
    "Recipes": (catalog.names, "They train as they are: `mixkit train NAME`."),
    "Fragments": (catalog.fragments, "Laid over a recipe: `mixkit train mlp_mixer --with NAME`."),
    "Studies": (catalog.studies, "What is compared: `mixkit ablate NAME`."),
    "Spaces": (catalog.spaces, "What is chosen from: `mixkit search RECIPE --space NAME`."),
}


def nav() -> list[Any]:
    """The pages, as the navigation lists them."""
    lists: list[Any] = ["recipes/index.md", *({name: f"recipes/{name}.md"} for name in catalog.names())]
    folders: dict[str, list[Any]] = {}
    for name in (*catalog.fragments(), *catalog.studies(), *catalog.spaces()):
        folders.setdefault(name.split("/")[0], []).append({name.partition("/")[2]: f"recipes/{name}.md"})
    return [*lists, *({f"{folder}/": entries} for folder, entries in folders.items())]


def pages() -> Iterator[tuple[str, str]]:
    """Every page, and a page of them all."""
    yield "recipes/index.md", _index()
    for name in catalog.names():
        yield f"recipes/{name}.md", _recipe(name)
    for name in catalog.fragments():
        yield f"recipes/{name}.md", _fragment(name)
    for name in catalog.studies():
        yield f"recipes/{name}.md", _study(name)
    for name in catalog.spaces():
        yield f"recipes/{name}.md", _space(name)


def _index() -> str:
    parts = [
        "# Recipes\n\nWhat ships with mixkit, made from the files when this site is built. "
        "`mixkit copy asm_rh mine.gin` writes one to a file of your own; "
        "[the first recipe](../first_recipe.md) says how they read."
    ]
    for title, (names, use) in LISTS.items():
        rows = "\n".join(f"| [`{name}`]({name}.md) | {_summary(name)} |" for name in names())
        parts.append(f"## {title}\n\n{use}\n\n| name | |\n| --- | --- |\n{rows}")
    return "\n\n".join(parts) + "\n"


def _recipe(name: str) -> str:
    recipe = load_recipe(name)
    of_one_stage = recipe.model is not None and not recipe.model.stages
    larger = ("small", "base") if of_one_stage else ()  # which are of one
    sizes = [("as it is", recipe), *((size, load_recipe(name, [f"size/{size}"])) for size in larger)]
    return "\n\n".join(
        [
            f"# {name}",
            _commands(name),
            _text(name),
            f"## What to expect\n\n{_expected(recipe)}",
            f"## What it comes to\n\n{_features(recipe)}",
            "| size | form | parameters | GFLOP a clip |\n| --- | --- | ---: | ---: |\n"
            + "\n".join(_size(label, sized) for label, sized in sizes),
            _folded("Every setting, defaults too", to_gin(recipe)),
        ]
    )


def _fragment(name: str) -> str:
    before = to_gin(load_recipe(BASE)).splitlines()
    recipe = load_recipe(BASE, [name])
    changed = [line for line in to_gin(recipe).splitlines() if line not in before and " = " in line]
    return "\n\n".join(
        [
            f"# {name}",
            _commands(name),
            _text(name),
            f"## What it comes to\n\nOver [`{BASE}`]({_up(name)}{BASE}.md): {_features(recipe)}",
            _folded(f"Settings that are another than those of {BASE}", "\n".join(changed) or "# none"),
        ]
    )


def _space(name: str) -> str:
    space = load_space(name)
    rows = []
    for key, of in space.dimensions.items():
        values = (
            [f"`{one}`" for one in of.lines] if isinstance(of, Choices) else [f"{of.kind}, {of.low:g} to {of.high:g}"]
        )
        rows.append(f"| `{key}` | {', '.join(values)} |")
    beside = ", ".join(f"`{one}`" for one in space.beside) or "nothing but the base"
    table = "| | |\n| --- | --- |\n" + "\n".join(rows)
    return "\n\n".join(
        [f"# {name}", _text(name), f"## What it chooses from\n\n{table}\n\nTrained first, as shipped: {beside}."]
    )


def _study(name: str) -> str:
    study = load_study(name)
    assert isinstance(study, Study)
    seeds = ", ".join(map(str, study.seeds))
    folds = {None: "", "all": "; every fold is tested"}.get(study.folds, f"; folds {study.folds}")  # type: ignore[call-overload]
    rows = []
    for arm, lines in study.arms.items():
        said = "<br>".join(f"`{line}`" for line in lines) or "the base"
        rows.append(f"| {arm} | {said} | {_of_paper(study.values.get(arm, {}))} | {study.notes.get(arm, '')} |")
    rows += [f"| {other} | no arm | {_of_paper(figures)} | |" for other, figures in study.others.items()]
    arms = "| arm | lines over the base | the paper | |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
    over = (*study.layers, *study.settings)
    layers = f", with {', '.join(f'`{layer}`' for layer in over)}" if over else ""
    note = f"\n\n!!! note\n\n    {study.note}" if study.note else ""
    return "\n\n".join(
        [
            f"# {name}",
            _commands(name),
            _text(name),
            f"## What it compares\n\nOver `{study.base}`{layers}; seeds {seeds}{folds}.{note}",
            arms,
        ]
    )


def _of_paper(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{figure} {value:g} %" for figure, value in figures.items())


def _text(name: str) -> str:
    return f'```gin title="recipes/{name}.gin"\n{catalog.find(name).read_text()}```'


def _commands(name: str) -> str:
    """The commands that a file names in its first lines, to be copied; what stands behind one goes ahead of it."""
    usual = [(f"mixkit train {BASE} --with {name}", "")]
    found = re.findall(r"^# +(mixkit .*?)(?: {2,}(.*))?$", catalog.find(name).read_text(), re.M) or usual
    lines = [(re.sub(r"\brecipes/(\w+)\.gin", r"\1", command), remark) for command, remark in found]
    text = "\n".join(f"# {remark}\n{command}" if remark else command for command, remark in lines)
    return f"```sh\n{text}\n```"


def _expected(recipe: Recipe) -> str:
    """How long it trains and how much work that is, and what is on record of it."""
    classes = _classes(recipe)
    share = _work(recipe) / _work(load_recipe(MEASURED))
    takes = f"Training takes {MINUTES}."
    if recipe.name != MEASURED:
        beside = f"[`{MEASURED}`]({MEASURED}.md)"
        takes = f"About {_times(share)} the arithmetic of {beside}, whose training takes {MINUTES}."
    parts = [
        f"{planned(recipe)} {takes} `mixkit train {recipe.name} --dry-run` measures it on your machine.",
        f"Guessing is right on {1 / classes:.0%} of clips, with {classes} classes.",
    ]
    found = results.known(recipe.name)
    listed = "\n".join(f"- {data}: {figures}" for data, figures in found)
    if found:
        parts.append(f"On record, with protocol and commands on {results.LINK}:\n\n{listed}")
    else:
        parts.append(f"No result is on record yet; {results.LINK} has those of other recipes.")
    return "\n\n".join(parts)


def _work(recipe: Recipe) -> float:
    """Operations of a training, in units that only a ratio means something in."""
    source = task.build(recipe.task)
    assert isinstance(source, Counted), "shipped recipes train on the demo"
    features = build_features(recipe)
    flops = sum(row.flops for row in costs(recipe.architecture, features.bins, features.frames, len(source.labels)))
    return flops * budget(recipe.train, source.count("train")).steps * recipe.train.batch_size


def _times(share: float) -> str:
    return f"{share:.0f} times" if share >= 2 else f"{share:.2g} times"


def _features(recipe: Recipe) -> str:
    features, rate = build_features(recipe), recipe.task.params["sample_rate"]
    network = without_memory(recipe.architecture, features.bins, features.frames, UNKNOWN)
    patches = ""
    if isinstance(network, Mixer):
        patches = f"a grid of {network.stem.grid.frequency} x {network.stem.grid.time} patches, "
    return (
        f"task `{recipe.task.name}`, {features.samples / rate:.2f} s at {rate:,} Hz, "
        f"{features.bins} bins x {features.frames} frames, {patches}"
        f"{_length(recipe.train)} in batches of {recipe.train.batch_size}."
    )


def _length(train: Train) -> str:
    if train.steps == "auto":
        return "as many updates as fit the number of clips"
    return f"{train.steps:,} updates" if train.steps else f"{train.epochs:,} epochs"


def _size(label: str, recipe: Recipe) -> str:
    features = build_features(recipe)
    rows = costs(recipe.architecture, features.bins, features.frames, _classes(recipe))
    parameters, flops = sum(row.parameters for row in rows), sum(row.flops for row in rows)
    form = f"{recipe.model.width} wide, {recipe.model.depth} deep" if recipe.model else f"`{recipe.architecture.name}`"
    return f"| {label} | {form} | {parameters:,} | {flops / 1e9:,.2f} |"


def _classes(recipe: Recipe) -> int:
    try:
        return len(task.build(recipe.task).labels)
    except MixkitError:
        return UNKNOWN


def _folded(title: str, text: str) -> str:
    body = "\n".join(f"    {line}".rstrip() for line in f"```gin\n{text.strip()}\n```".splitlines())
    return f'??? note "{title}"\n\n{body}\n'


def _summary(name: str) -> str:
    """The first line of a recipe; an underscore outside of code is an underscore."""
    pieces = catalog.summary(catalog.find(name)).split("`")
    return "`".join(piece if place % 2 else piece.replace("_", r"\_") for place, piece in enumerate(pieces))


def _up(name: str) -> str:
    return "../" * name.count("/")
