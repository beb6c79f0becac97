"""Starts from a ViT: what DeiT learned from photographs, or AST from AudioSet, as far as a Mixer has a place for it."""

from typing import Literal

from mixkit.model.mixer import Mixer
from mixkit.registry import weights
from mixkit.values import Count, PathName
from mixkit.weights.start import Start
from mixkit.weights.taking import COLOURS, Taking
from mixkit.weights.tensors import weights_file


@weights("deit", paper="arXiv:2012.12877")
def deit(
    mixer: Mixer,
    *,
    path: PathName | None = None,
    colour: Literal["gray", "sum"] = "gray",
    position: bool = False,
    channel: bool = True,
) -> Start:
    """Pretrained ViT or DeiT: what a network learned from photographs: a ViT or DeiT of ImageNet, with the names of
    timm or transformers.

    The patch projection is always taken. Attention has no place in a Mixer and stays behind. A file with fewer blocks
    than the network leaves the last ones fresh; of one with more, the first are taken.

    Args:
        mixer: that is to start from it.
        path: the file, safetensors or a state dict of `torch.save`; `~` is your home, and a relative path begins at the
            working folder. Without one, `weights/deit.safetensors` in the data folder ($MIXKIT_DATA).
        colour: how red, green and blue become one: `gray` weighs them 0.299, 0.587 and 0.114, as ASM does, so that
            values are as large as before; `sum` adds them up, as AST does: what a gray photograph gives.
        position: take class tokens and positional embedding, too, cut or interpolated to the grid as AST does.
        channel: take the feed-forward over channels, with its norm, into `channel` or `roll_time` of each block.

    Raises:
        SettingError: there is no such file, or the network has no place for what is asked for.
        MixkitError: the file does not fit the network; the tensor is named.
        DamagedError: it is no file of weights, or holds numbers that are not finite.

    Paper: Touvron et al. 2021, arXiv:2012.12877; as a start for audio AST, arXiv:2104.01778, section 2.2, and ASM,
        arXiv:2401.11102.

    Differs: ASM and ASM-RH do not say which tensors they load, nor the factors of their gray; these are BT.601's.
    """
    found = weights_file("deit", path, "facebook/deit-base-distilled-patch16-384, which AST starts from")
    taking = Taking("deit", mixer, found)
    taking.patches(COLOURS[colour], colour)
    return _rest(taking, position, channel, rows=None)


@weights("ast", paper="arXiv:2104.01778")
def ast(
    mixer: Mixer, *, path: PathName | None = None, rows: Count = 12, position: bool = False, channel: bool = True
) -> Start:
    """Pretrained AST: what a network learned from AudioSet: an AST, with the names of transformers or of its authors.

    The patch projection is always taken. Attention has no place in a Mixer and stays behind.

    Args:
        mixer: that is to start from it.
        path: the file, safetensors or a state dict of `torch.save`; `~` is your home, and a relative path begins at the
            working folder. Without one, `weights/ast.safetensors` in the data folder ($MIXKIT_DATA).
        rows: of the file's grid along frequency, for `position`; 12 where it has 128 bins in steps of 10.
        position: take class tokens and positional embedding, too, cut or interpolated to the grid as AST does.
        channel: take the feed-forward over channels, with its norm, into `channel` or `roll_time` of each block.

    Raises:
        SettingError: there is no such file, or the network has no place for what is asked for.
        MixkitError: the file does not fit the network; the tensor is named.
        DamagedError: it is no file of weights, or holds numbers that are not finite.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778.

    Differs: ASM-RH does not say which tensors it loads.
    """
    taking = Taking("ast", mixer, weights_file("ast", path, "MIT/ast-finetuned-audioset-10-10-0.4593"))
    taking.patches(None, "")
    return _rest(taking, position, channel, rows)


def _rest(taking: Taking, position: bool, channel: bool, rows: int | None) -> Start:
    if position:
        taking.positions(rows)
    if channel:
        taking.channels()
    return taking.copied()
