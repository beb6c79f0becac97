"""Tasks: where labelled clips come from. Importing this registers them all."""

from mixkit.tasks.casia import CASIA as CASIA
from mixkit.tasks.demo import Demo as Demo
from mixkit.tasks.esc50 import ESC50 as ESC50
from mixkit.tasks.folder import Folder as Folder
from mixkit.tasks.gtzan import GTZAN as GTZAN
from mixkit.tasks.ravdess import RAVDESS as RAVDESS
from mixkit.tasks.shards import Shards as Shards
from mixkit.tasks.speech_commands import SpeechCommands as SpeechCommands
from mixkit.tasks.urbansound8k import UrbanSound8K as UrbanSound8K
