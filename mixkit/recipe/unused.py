"""Settings that nothing uses: gin lets them pass, and a misspelt scope then changes a result in silence."""

from collections.abc import Iterable

from mixkit.recipe.faults import Faults
from mixkit.recipe.keys import near, section_fields
from mixkit.recipe.resolve import Resolver
from mixkit.recipe.schema import SECTIONS
from mixkit.recipe.statements import Binding, written


def note_unused(bindings: Iterable[Binding], resolvers: tuple[Resolver, ...], faults: Faults) -> None:
    """Notes bindings that have no effect in any of the resolvers, unless a fault may have kept them from it."""
    for binding in bindings:
        if any(binding.key in resolver.used for resolver in resolvers):
            continue
        if all(resolver.judges(binding.key) for resolver in resolvers):
            why = _of_macro(binding, resolvers[-1]) if not binding.selector else _of_key(binding, resolvers[-1])
            faults.add(binding.place, why)


def _of_key(binding: Binding, resolver: Resolver) -> str:
    scopes = [scope.split("/") for selector, scope in resolver.visited if selector == binding.selector]
    parts = {"/".join(scope[:length]) for scope in scopes for length in range(len(scope) + 1)}
    known = {written((part, binding.selector, binding.setting)) for part in parts}
    if str(binding) in known:
        return f"nothing uses {binding}: it is replaced wherever it would hold. Remove it."
    if known:
        return f"nothing uses {binding}. Did you mean {near(str(binding), known) or min(known)}?"
    return f"nothing uses {binding}. Remove it, or write @{binding.selector}() where it is due."


def _of_macro(binding: Binding, resolver: Resolver) -> str:
    name = binding.setting
    sections = [f"{section}.{name}" for section in SECTIONS if name in section_fields(section)]
    meant = sections[0] if sections else near(name, {key[2] for key in resolver.used if not key[1]})
    hint = f"Did you mean {meant}?" if meant else f"Remove it, or write %{name} where it is due."
    return f"nothing uses the macro {name}. {hint}"
