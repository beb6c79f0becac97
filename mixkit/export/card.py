"""A model card of a run: what it is, its figures with their protocol, its limits, and how to use it."""

from collections.abc import Mapping
from typing import Any

from mixkit.runs.results import Figures, Results

USE = """\
```sh
pip install 'mixkit[hub]'
mixkit pull {repository} --name {name}
mixkit predict runs/{name} clip.wav
mixkit evaluate runs/{name} --on folder-of-labelled-recordings
mixkit train {recipe} --from runs/{name}     # fine-tune it on recordings of your own
```
"""

LIMITS = """\
- It always answers with one of its {count} labels, whatever is heard.
- The figures hold for recordings like those of the test split, chosen by the rule above. Other microphones, rooms and
  speakers can be much harder.
- One run with one seed: another seed, or another split, moves such figures by points.
- {clips:,} test clips: chance alone moves an accuracy measured on them by about {chance:.1f} points either way (95 %).
"""

SEVERAL = "- Each label has a score of its own; which of them count is a matter of the threshold.\n"


def card(results: Results, recipe: Mapping[str, Any], gin: str, repository: str) -> str:
    """The text of `README.md`, with what the Hub reads at its top.

    Args:
        results: of the run.
        recipe: as in `recipe.json`.
        gin: the same, as it can be trained.
        repository: where the run is to be, `user/name`.
    """
    from huggingface_hub import EvalResult, ModelCardData

    several = results.test.several
    measured = {"accuracy": results.test.value("accuracy"), "mAP": results.test.value("map")}
    found = [
        EvalResult("audio-classification", results.task, f"{results.task} ({results.protocol})", kind, round(value, 4))
        for kind, value in measured.items()
        if value is not None and (kind == "mAP" or not several)
    ]
    data = ModelCardData(
        library_name="mixkit",
        pipeline_tag="audio-classification",
        tags=["audio", "audio-classification", "mixkit", results.recipe],
        model_name=repository.split("/")[-1],
        eval_results=found,
    )
    fold = "" if results.fold is None else f", fold {results.fold}"
    refit = f" It was {results.refit}." if results.refit else ""
    splits = {"validation": results.valid, "test": results.test}
    clips = results.test.clips
    accuracy = results.test.value("accuracy") or 0.0
    limits = LIMITS.format(
        count=len(results.labels), clips=clips, chance=196 * (max(accuracy * (1 - accuracy), 0.01) / clips) ** 0.5
    )
    parts = [
        f"---\n{data.to_yaml()}\n---",
        f"# {repository.split('/')[-1]}",
        f"A network of mixkit: recipe `{results.recipe}`, {results.parameters:,} "
        f"parameters, trained on `{results.task}`.",
        f"Labels: {', '.join(f'`{label.replace(chr(96), chr(39))}`' for label in results.labels)}.",
        "## Figures",
        f"Protocol: {results.protocol}{fold}. Epoch {results.best_epoch} of {results.epochs} "
        f"({results.chosen_by}); seed {results.seed}; the test split was opened after that choice.{refit}",
        _table(splits),
        f"{len(results.skipped)} recordings were left out." if results.skipped else "",
        "## Limits",
        SEVERAL + limits.partition("\n")[2] if several else limits,
        "## Use",
        USE.format(repository=repository, name=repository.split("/")[-1], recipe=results.recipe),
        "Weights are safetensors, and the recipe is data: neither runs code."
        + (
            " The recipe needs plugins, which are not here: give yours with `--plugin`."
            if recipe.get("plugins")
            else ""
        ),
        "## Recipe",
        f"```\n{gin.strip()}\n```",
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _table(splits: Mapping[str, Figures]) -> str:
    shown = {name: figures.shown() for name, figures in splits.items()}
    heads = [*shown["test"]]
    rows = [["split", *heads], ["---"] * (len(heads) + 1), *([name, *one.values()] for name, one in shown.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
