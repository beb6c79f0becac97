"""A file of tensors, safetensors or a state dict of torch, from which one is read at a time and checked."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mixkit.checkpoints.inspect import inspect_state, short
from mixkit.errors import DamagedError, MixkitError, SettingError, printable
from mixkit.storage.folders import data_folder
from mixkit.storage.regular import open_regular

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INSIDE = ("model", "state_dict")  # where checkpoints keep the weights beside other things


class Tensors:
    """The tensors of a file by their names; nothing of it is executed, and nothing is used unchecked.

    Args:
        path: of the file; its content says what it is, not its name.
        only_safetensors: whether a state dict is none.

    Raises:
        MixkitError: it cannot be opened.
        DamagedError: it is no file of weights.
    """

    def __init__(self, path: Path, only_safetensors: bool = False):
        self.path = path
        self.shown = printable(str(path))
        try:
            with open_regular(path) as file:
                head = file.read(9)
        except OSError as error:
            raise MixkitError(f"{self.shown} cannot be read: {error.strerror}.") from None
        if only_safetensors and head[8:] != b"{":
            raise DamagedError(
                f"{self.shown} is no safetensors file. Save one: safetensors.torch.save_file(model.state_dict(), PATH)."
            )
        if head.startswith(b"PK\x03\x04"):
            self._held: Mapping[str, Any] = self._state_dict()
            self._file = None
            self.names = tuple(self._held)
        elif head[8:] == b"{":
            self._file = self._safetensors()
            self.names = tuple(self._file.keys())
        elif head.startswith(b"\x80"):
            raise DamagedError(
                f"{self.shown} is in the format that torch wrote before version 1.6, which can run code. "
                "Load it where you trust it, and save it anew with safetensors.torch.save_file(state, PATH)."
            )
        else:
            raise DamagedError(f"{self.shown} is neither safetensors nor a state dict of torch.save.")

    def sha256(self) -> str:
        """Of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, without reading it."""
        return tuple(self._file.get_slice(name).get_shape()) if self._file else tuple(self._held[name].shape)

    def read(self, name: str) -> Tensor:
        """A tensor as float32.

        Raises:
            DamagedError: it is no dense tensor of finite numbers.
        """
        try:
            tensor: Tensor = self._file.get_tensor(name) if self._file else self._held[name]
        except SafetensorError as error:
            raise DamagedError(f"{self.at(name)} cannot be read as safetensors: {printable(str(error))}.") from None
        dense = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
        if not dense or tensor.dtype not in FLOATS:
            raise DamagedError(f"{self.at(name)} is {tensor.dtype}, not dense numbers of 16, 32 or 64 bits.")
        if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
            raise DamagedError(f"{self.at(name)} has fewer numbers than its shape {list(tensor.shape)} says.")
        found = tensor.float().contiguous()
        if not found.isfinite().all():
            raise DamagedError(f"{self.at(name)} holds numbers that are not finite.")
        return found

    def at(self, name: str) -> str:
        """File and tensor, for errors."""
        return f"{self.shown}: {short(name)}"

    def _safetensors(self) -> Any:
        try:
            return safe_open(self.path, framework="pt")
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            reason = printable(str(error))
            raise DamagedError(f"{self.shown} cannot be read as safetensors: {reason}.") from None

    def _state_dict(self) -> Mapping[str, Any]:
        inspect_state(self.path, "file of weights that mixkit can take")
        try:
            with self.path.open("rb") as file:  # torch would go by the suffix of a path
                found = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
            reason = printable(str(error).split("\n")[0])
            raise DamagedError(f"{self.shown} cannot be read: {reason}") from None
        if isinstance(found, Mapping):
            found = next((found[key] for key in INSIDE if isinstance(found.get(key), Mapping)), found)
        held = {} if not isinstance(found, Mapping) else {k: v for k, v in found.items() if isinstance(v, Tensor)}
        if not held or not all(isinstance(name, str) for name in held):
            raise DamagedError(f"{self.shown} holds no tensors by name. Save model.state_dict().")
        return held


def weights_file(name: str, path: str | None, example: str) -> Path:
    """The file of a setting, or the one in the data folder.

    Args:
        name: of the weights.
        path: as it was set, or None.
        example: of such files, for the error.

    Raises:
        SettingError: there is no such file.
    """
    usual = data_folder() / "weights" / f"{name}.safetensors"
    found = Path(os.path.expanduser(path)).absolute() if path else usual  # noqa: PTH111 - keeps an unknown ~name
    try:
        if found.is_file():
            return found
        what = "a folder" if found.is_dir() else "not there"
    except (OSError, ValueError):  # a name too long, or with a zero byte
        what = "no name for a file"
    shown = printable(str(found) if len(str(found)) <= 200 else f"{str(found)[:197]}...")
    where = f"names {shown}, which is {what}" if path else f"is not set, and {shown} is {what}"
    raise SettingError(
        f"weights.{name}.path",
        f"{where}. mixkit does not fetch weights: get a file of them yourself, such as those of {example}, "
        f"and put it there or name it: --set \"weights.{name}.path = 'PATH'\".",
    )
