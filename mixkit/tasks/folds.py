"""Folds: what it means that a task has none, and which have some."""

from mixkit.registry import task


def has_folds(name: str) -> bool:
    """Whether clips of a task may come in folds, of which its setting `fold` chooses the one for test."""
    return any(setting.name == "fold" for setting in task.entry(name).settings)


def without_folds(name: str, leave_out: str) -> str:
    """In words, that a task has no folds, which have, and what to do.

    Args:
        name: of the task.
        leave_out: what asks for a fold.
    """
    if has_folds(name):
        how = "Name it in the pattern, (?P<fold>...), or in a column of the table"
        groups = "; or test each group in turn: --set \"task.folder.folds = 'groups'\"" if name == "folder" else ""
        return f"nothing says in which fold a clip of task {name} is. {how}{groups}. Or leave {leave_out} out."
    others = ", ".join(other for other in task.names() if has_folds(other))
    return f"task {name} has no folds: its clips are divided once. Leave {leave_out} out. Tasks with folds: {others}."
