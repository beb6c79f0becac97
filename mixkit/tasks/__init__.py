"""Tasks: where labelled clips come from. Importing this registers them all."""

from mixkit.tasks.casia import CASIA
from mixkit.tasks.demo import Demo
from mixkit.tasks.esc50 import ESC50
from mixkit.tasks.folder import Folder
from mixkit.tasks.gtzan import GTZAN
from mixkit.tasks.ravdess import RAVDESS
from mixkit.tasks.speech_commands import SpeechCommands
from mixkit.tasks.urbansound8k import UrbanSound8K

__all__ = ["CASIA", "ESC50", "GTZAN", "RAVDESS", "Demo", "Folder", "SpeechCommands", "UrbanSound8K"]
