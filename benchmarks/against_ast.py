"""transformers' AST against the `ast` recipe: same weights, 600 patches, width, depth and type; training steps.

    python benchmarks/against_ast.py

Needs the extra mixkit[parity].
"""

import sys
from pathlib import Path

import torch
from comparing import Row, against, arguments, learning, place, report, same
from transformers import ASTConfig, ASTForAudioClassification

import mixkit
from mixkit.model.mixer import Mixer

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.test_ast_parity import renamed

BINS, FRAMES = 128, 512


def main() -> None:
    """Measures and prints a table."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--precisions", nargs="*", default=["float32", "bf16"])
    chosen = parser.parse_args()
    device = place(chosen)
    torch.manual_seed(0)
    config = ASTConfig(
        num_hidden_layers=chosen.depth,
        max_length=FRAMES,
        num_mel_bins=BINS,
        layer_norm_eps=1e-6,
        num_labels=10,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    theirs = ASTForAudioClassification(config).to(device)
    loaded = mixkit.load_recipe("ast", layers=["size/base"], settings=[f"model.depth = {chosen.depth}"])
    ours = Mixer(loaded.model, bins=BINS, frames=FRAMES, classes=10).to(device)
    ours.head.norm.eps = theirs.classifier.layernorm.eps
    ours.load_state_dict(renamed(theirs.state_dict()))
    x = torch.randn(chosen.batch, BINS, FRAMES, device=device)
    with torch.no_grad():
        same("ast", ours.eval()(x[:2]), theirs.eval()(x[:2].transpose(1, 2)).logits)
    rows: list[Row] = []
    for precision in chosen.precisions:
        measure = f"training step, {chosen.depth} layers: transformers AST / mixkit ast, {precision}"
        other = learning(theirs, lambda x: theirs(x.transpose(1, 2)).logits, x, precision)
        rows.append(against(measure, other, learning(ours, ours, x, precision), chosen.rounds, 1.0))
    report(rows, device, chosen.json)


if __name__ == "__main__":
    main()
