"""Any classifier of timm, on spectrograms as pictures of one colour."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any, cast

import torch
from torch import Tensor, nn

from mixkit.errors import MixkitError, SettingError, nearest
from mixkit.registry import network
from mixkit.values import Called, Rate, show


@network("timm")
class Timm(nn.Module):
    """Image classifier of timm: looks at the spectrogram as at a photograph, with one of the many networks of the
    library timm.

    ResNet, ViT, DeiT, Swin, EfficientNet, ConvNeXt and so on, with one input channel, at the size of the features, as
    far as the network takes it; a rest that does not fill a patch is left out. Weights are fresh: `@weights.network()`
    takes those of a file that you name. Nothing is ever fetched.

    Shape: `b m l -> b k`.

    Args:
        bins: of the features, m.
        frames: of the features, l.
        classes: how many there are to tell apart, k.
        name: as timm calls it; `timm.list_models()` lists them all.
        dropout: timm's `drop_rate`, the probability of leaving out a value ahead of the classifier, in training.
        drop_path: timm's `drop_path_rate`, that of leaving out the last branch for a clip; those ahead have less.

    Raises:
        MixkitError: timm is not installed.
        SettingError: timm has no such network, or the network does not take this size, or one of the rates.

    Paper: Wightman 2019, PyTorch Image Models, doi:10.5281/zenodo.4414861; each network has a paper of its own.
    """

    def __init__(
        self,
        bins: int,
        frames: int,
        classes: int,
        *,
        name: Annotated[str, Called("a name of timm")] = "resnet18",
        dropout: Rate = 0.0,
        drop_path: Rate = 0.0,
    ):
        super().__init__()
        self._name, self._size, self._classes = name, (bins, frames), classes
        self._rates = {"drop_rate": dropout, "drop_path_rate": drop_path}
        self.model = self._created()
        if not isinstance(self.model.get_classifier(), nn.Module) or isinstance(self.head, nn.Identity):
            raise SettingError("name", f"is {show(name)}, which has no classifier, or several. Take another one.")
        self._expect_size()

    @property
    def head(self) -> nn.Module:
        """The classifier."""
        return cast(nn.Module, self.model.get_classifier())

    @property
    def checkpointing(self) -> bool:
        """Whether training computes activations twice instead of keeping them."""
        return bool(getattr(self.model, "grad_checkpointing", False))

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        try:
            self.model.set_grad_checkpointing(on)
        except (AssertionError, AttributeError):
            if on:
                fault = f"is True, which timm's {self._name} does not know. Set train.accumulation = 2 instead."
                raise SettingError("train.checkpointing", fault) from None

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of spectrograms."""
        logits: Tensor = self.model(x.unsqueeze(1))
        return logits

    def fitted(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of timm, for photographs, as this network has them, by timm's own rules.

        Three colours are added up, positions are interpolated to another grid, and a classifier of other classes is
        left out.

        Raises:
            SettingError: they are of another network.
        """
        given = {name.removeprefix("model."): tensor for name, tensor in state.items()}
        made = []
        for seed in range(2):  # what is another the second time was drawn, and not given
            with torch.random.fork_rng(devices=[]), torch.device("cpu"):
                torch.manual_seed(seed)
                made.append(self._created(given).state_dict())
        return {f"model.{name}": tensor for name, tensor in made[0].items() if torch.equal(tensor, made[1][name])}

    def _created(self, state: Mapping[str, Tensor] | None = None) -> Any:
        if find_spec("timm") is None:
            raise MixkitError("network.timm needs timm. Install it: pip install 'mixkit[timm]'.")
        import timm

        if not timm.is_model(self._name):
            meant = nearest(self._name, timm.list_models())
            hint = f"Did you mean {meant!r}?" if meant else "timm.list_models() lists them."
            raise SettingError("name", f"is {show(self._name)}, which timm {timm.__version__} does not have. {hint}")
        settings: dict[str, Any] = {name: rate for name, rate in self._rates.items() if rate}
        config = timm.get_pretrained_cfg(self._name)
        if config is not None and config.fixed_input_size:
            settings["img_size"] = self._size
        if state is not None:
            settings |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(state)}}
        try:
            return timm.create_model(self._name, in_chans=1, num_classes=self._classes, **settings)
        except Exception as error:
            raise self._refused(error) from error

    def _expect_size(self) -> None:
        """A look whether the network takes features of this size: not all say so when they are built."""
        device = next(self.parameters()).device
        if device.type == "meta":  # on which some cannot compute
            return
        training = self.training
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, *self._size, device=device))
        except Exception as error:
            raise self._refused(error) from error
        finally:
            self.train(training)

    def _refused(self, error: Exception) -> SettingError:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        size = f"{self._size[0]} bins and {self._size[1]} frames"
        asked = ", ".join(f"{name} = {rate:g}" for name, rate in self._rates.items() if rate)
        with_rates = f" and {asked}" if asked else ""
        fix = "Take another network, or features of another size."
        return SettingError("name", f"is {show(self._name)}, which does not take {size}{with_rates} ({line}). {fix}")
