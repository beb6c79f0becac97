"""`mixkit pretrain`."""

from pathlib import Path

from mixkit.cli.commands.train import (
    AUTO,
    AllowChanges,
    DryRun,
    Fold,
    From,
    Gpus,
    Log,
    MaxRestarts,
    Name,
    OwnRecipe,
    Resume,
    Runs,
    Seed,
    Tensorboard,
    TrustOfRun,
    train,
)
from mixkit.cli.options import Device, Epochs, Layers, LearningRate, Plugins, Settings, StepClips


def pretrain(
    recipe: OwnRecipe = None,
    layers: Layers = None,
    settings: Settings = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: StepClips = None,
    plugins: Plugins = None,
    seed: Seed = None,
    fold: Fold = None,
    init: From = None,
    device: Device = "auto",
    gpus: Gpus = None,
    max_restarts: MaxRestarts = 0,
    runs: Runs = Path("runs"),
    name: Name = None,
    resume: Resume = None,
    dry_run: DryRun = False,
    tensorboard: Tensorboard = False,
    log: Log = None,
    trust: TrustOfRun = None,
    allow_changes: AllowChanges = False,
) -> None:
    """Pretrain a recipe's network on recordings without labels: it learns to tell what is hidden from it."""
    named = resume not in (None, AUTO)  # the recipe of that run says so itself
    lines = [*([] if named else ["recipe.pretrain = @pretrain()"]), *(settings or [])]
    train(
        recipe,
        layers,
        lines,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        plugins=plugins,
        seed=seed,
        fold=fold,
        init=init,
        device=device,
        gpus=gpus,
        max_restarts=max_restarts,
        runs=runs,
        name=name,
        resume=resume,
        dry_run=dry_run,
        tensorboard=tensorboard,
        log=log,
        trust=trust,
        allow_changes=allow_changes,
    )
