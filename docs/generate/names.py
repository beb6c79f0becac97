"""All that a recipe can name beside operators: tasks, features, losses and so on, with their settings."""

from collections.abc import Iterator

from cards import heading, settings

from mixkit.registry import PLURALS, REGISTRIES, Entry
from mixkit.registry.docstring import sections


def pages() -> Iterator[tuple[str, str]]:
    """One page with every kind but operators, which have cards."""
    parts = [
        "# Everything by name\n\nWhat a recipe can name beside [operators](../operators/index.md), made from the "
        "registries when this site is built: `@loss.cross_entropy()`, and its settings as "
        "`loss.cross_entropy.label_smoothing = 0.1`. `mixkit list` and `mixkit show loss.cross_entropy` say the "
        "same, of your plugins too. "
        "[Your own](../plugins.md#the-other-kinds) take a decorator.",
    ]
    for kind, registry in REGISTRIES.items():
        if kind != "operator":
            parts.append(f"## {PLURALS[kind]}")
            parts += [_described(registry.entry(name)) for name in registry.names()]
    yield "reference/names.md", "\n\n".join(parts) + "\n"


def _described(entry: Entry) -> str:
    text = sections(entry)
    parts = [f"### {entry.kind}.{entry.name}\n\n{text['']}"]
    parts += [f"**{title}** {heading(text[title])}" for title in ("Shape", "Paper", "Differs") if title in text]
    if entry.kind == "augmentation":
        scaled = ", ".join(f"`{name}`" for name in entry.facts["scales"])
        parts.append(f"**Works on** {entry.facts['on']}; `train.augment_strength` scales {scaled}.")
    parts.append(settings(entry))
    return "\n\n".join(parts)
