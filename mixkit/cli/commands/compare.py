"""`mixkit compare`."""

from mixkit.cli.options import AsJson, Folders, Plugins


def compare(
    folders: Folders,
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Print runs and studies beside each other; the first recipe is the base."""
    from mixkit.cli.views.comparison import show
    from mixkit.plugins.load import load_plugins
    from mixkit.report import formats, write

    found = write.compare(folders, load_plugins(plugins or ()))
    if as_json:
        print(formats.to_json(found), end="")  # noqa: T201
        return
    show(found)
