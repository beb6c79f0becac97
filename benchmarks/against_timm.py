"""timm's MlpMixer against the `mlp_mixer` recipe: same weights, 600 patches, width, depth and type; training steps.

    python benchmarks/against_timm.py

timm cuts patches without overlap, so both hear 192 x 800 values in 12 x 50 patches. Needs the extra mixkit[parity].
"""

import torch
from comparing import Row, against, arguments, learning, place, report, same
from timm.models.mlp_mixer import MlpMixer

import mixkit
from mixkit.model.mixer import Mixer
from mixkit.weights.twins import family_of
from mixkit.weights.twins import ours as own_name

BINS, FRAMES = 192, 800


def main() -> None:
    """Measures and prints a table."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--precisions", nargs="*", default=["float32", "bf16"])
    chosen = parser.parse_args()
    device = place(chosen)
    torch.manual_seed(0)
    theirs = MlpMixer(
        num_classes=10, img_size=(BINS, FRAMES), in_chans=1, patch_size=16, num_blocks=chosen.depth, embed_dim=768
    ).to(device)
    torch.nn.init.normal_(theirs.head.weight, std=0.1)  # timm's begins with zeros, which always agree
    settings = [
        "stem.patches.size = (16, 16)",
        "stem.patches.stride = (16, 16)",
        f"model.depth = {chosen.depth}",
        "model.norm_eps = 1e-6",
    ]
    loaded = mixkit.load_recipe("mlp_mixer", layers=["size/base"], settings=settings)
    ours = Mixer(loaded.model, bins=BINS, frames=FRAMES, classes=10).to(device)
    state = theirs.state_dict()
    family = family_of(state)
    assert family is not None
    ours.load_state_dict({own_name(name, family, ours): tensor for name, tensor in state.items()})
    x = torch.randn(chosen.batch, BINS, FRAMES, device=device)
    with torch.no_grad():
        same("mlp_mixer", ours.eval()(x[:2]), theirs.eval()(x[:2].unsqueeze(1)))
    rows: list[Row] = []
    for precision in chosen.precisions:
        measure = f"training step, {chosen.depth} layers: timm MlpMixer / mixkit mlp_mixer, {precision}"
        other = learning(theirs, lambda x: theirs(x.unsqueeze(1)), x, precision)
        rows.append(against(measure, other, learning(ours, ours, x, precision), chosen.rounds, 1.0))
    report(rows, device, chosen.json)


if __name__ == "__main__":
    main()
