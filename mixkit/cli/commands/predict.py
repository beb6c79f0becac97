"""`mixkit predict`."""

from typing import Annotated

import typer

from mixkit.cli.options import BatchSize, Device, Overlap, Patch, Plugins, Recordings, RunFolder, Trust, load_model
from mixkit.errors import MixkitError


def predict(
    run: RunFolder,
    recordings: Recordings,
    top: Annotated[int, typer.Option(metavar="K", help="How many classes to name.", min=1)] = 3,
    timeline: Annotated[bool, typer.Option("--timeline", help="Every window of a recording, too.")] = False,
    overlap: Overlap = 0.5,
    batch_size: BatchSize = 32,
    patch: Patch = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each recording, a line each.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a row for each recording or window.")] = False,
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
) -> None:
    """Say what is heard in recordings of any length, sample rate and channel count."""
    from mixkit.cli.inputs import Input
    from mixkit.cli.processing import expect_all, process_all
    from mixkit.cli.views.predictions import Form, reporting
    from mixkit.model.classifier import expect_labels, predict_all

    if as_json and as_csv:
        raise MixkitError("--json and --csv were both given. Choose one.")
    model = load_model(run, plugins, trust, device, patch=patch)
    expect_labels(model)
    form = Form("json" if as_json else "csv" if as_csv else "table", min(top, len(model.labels)), timeline)
    with reporting(form) as report:
        counts = process_all(
            recordings,
            model.sample_rate,
            lambda sounds: predict_all(model, sounds, overlap, batch_size),
            report,
            lambda folder, found: report(Input(folder), found),
        )
    expect_all(*counts)
