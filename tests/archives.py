"""The published data sets in small: each in its own layout, with its own names, tables and lists, packed or laid out.

What a file sounds like is said by whoever builds: nothing at all where only names count.
"""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from mixkit.tasks import casia as casia_task
from mixkit.tasks import esc50 as esc50_task
from mixkit.tasks import gtzan as gtzan_task
from mixkit.tasks import ravdess as ravdess_task
from mixkit.tasks import speech_commands as speech_commands_task
from mixkit.tasks import urbansound8k as urbansound8k_task

Files = dict[str, bytes]  # path in the archive and content
Sound = Callable[[str], bytes]  # label and content


def nothing(label: str) -> bytes:
    """For tests that never open a file."""
    return b""


def put(root: Path, files: Mapping[str, bytes]) -> Path:
    """Lays files out in a folder."""
    root.mkdir(parents=True, exist_ok=True)
    for folder in {(root / name).parent for name in files}:
        folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        with (root / name).open("xb") as file:
            file.write(body)
    return root


def tar_gz(files: Mapping[str, bytes], prefix: str = "") -> bytes:
    """Packed as tar packs a folder: the folders stand before what is in them."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as tar:
        for folder in _folders_of(files):
            member = tarfile.TarInfo(prefix + folder)
            member.type = tarfile.DIRTYPE
            member.mode = 0o755
            tar.addfile(member)
        for name, body in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return content.getvalue()


def zipped(files: Mapping[str, bytes], prefix: str = "") -> bytes:
    """Packed as zip packs a folder, with its folders."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for folder in _folders_of(files):
            file.mkdir((prefix + folder).rstrip("/") or ".")
        for name, body in files.items():
            file.writestr(prefix + name, body)
    return content.getvalue()


def _folders_of(files: Iterable[str]) -> list[str]:
    found = {parent for name in files for parent in Path(name).parents}
    return sorted("" if folder == Path() else f"{folder}/" for folder in found)


class Recordings:
    """Sounds of a pitch for each label; no two are the same.

    Args:
        rate: Hz; of several, one after the other.
        seconds: length of each.
        kinds: how samples are kept, one after the other.
        channels: one after the other.
    """

    def __init__(
        self,
        *rate: int,
        seconds: float = 0.2,
        kinds: tuple[str, ...] = ("PCM_16",),
        channels: tuple[int, ...] = (1,),
    ):
        self._rates = rate
        self._seconds = seconds
        self._kinds = kinds
        self._channels = channels
        self._count = 0

    def __call__(self, label: str) -> bytes:
        number = self._count
        self._count += 1
        rate = self._rates[number % len(self._rates)]
        channels = self._channels[number % len(self._channels)]
        time = np.arange(int(rate * self._seconds)) / rate
        pitch = 200 + int(hashlib.sha256(label.encode()).hexdigest()[:4], 16) % 3000
        noise = np.random.default_rng(number).standard_normal((len(time), channels))
        samples = 0.3 * np.sin(2 * np.pi * pitch * time)[:, None] + 0.01 * noise
        content = io.BytesIO()
        soundfile.write(content, samples, rate, self._kinds[number % len(self._kinds)], format="WAV")
        return content.getvalue()


# SpeechCommands


WORDS = speech_commands_task.WORDS
NOISES = ("doing_the_dishes", "dude_miaowing", "exercise_bike", "pink_noise", "running_tap", "white_noise")
SPEAKERS = {"train": 24, "valid": 4, "test": 5}


def speaker(number: int) -> str:
    """Eight hexadecimal digits, as the published names have them."""
    return hashlib.sha1(str(number).encode()).hexdigest()[:8]


def speech_commands(
    sound: Sound = nothing, words: Iterable[str] = WORDS, speakers: Mapping[str, int] = SPEAKERS, noise: Sound = nothing
) -> Files:
    """Each speaker says each word once; the lists hold those after the first lot."""
    split_of = [split for split, count in speakers.items() for _ in range(count)]
    files: Files = {"README.md": b"# Speech Commands Data Set v0.02\n", "LICENSE": b"CC BY 4.0\n"}
    listed: dict[str, list[str]] = {split: [] for split in speakers}
    for word in words:
        for number, split in enumerate(split_of):
            name = f"{word}/{speaker(number)}_nohash_{number % 3}.wav"
            files[name] = sound(word)
            listed[split].append(f"{name}\n")
    files["validation_list.txt"] = "".join(listed["valid"]).encode()
    files["testing_list.txt"] = "".join(listed["test"]).encode()
    files["_background_noise_/README.md"] = b"Where the noises come from.\n"
    return files | {f"_background_noise_/{name}.wav": noise(name) for name in NOISES}


def speech_commands_test_set(sound: Sound = nothing) -> Files:
    """The official test set: some names have `.wav` twice, unknown ones begin with their word, silence is numbered."""
    files: Files = {}
    for label in (*speech_commands_task.COMMANDS, "_silence_", "_unknown_"):
        for number in range(28, 33):
            name = f"{speaker(number)}_nohash_0.wav"
            odd = {"_silence_": f"{number}.wav", "_unknown_": f"bed_{name}.wav"}
            files[f"{label}/{odd.get(label, name)}"] = sound(label)
    return files


# UrbanSound8K


Rows = list[tuple[str, int]]  # file name and fold
URBANSOUND8K_HEADER = "slice_file_name,fsID,start,end,duration,salience,fold,classID,class\n"


def urbansound8k_rows() -> Rows:
    """Of each class in each fold a recording of two slices, and one recording that stands in folds 1 and 4."""
    rows = [
        (f"{1000 + 10 * fold + code}-{code}-0-{slice_}.wav", fold)
        for fold in range(1, 11)
        for code in range(10)
        for slice_ in range(2)
    ]
    return [*rows, *((f"132016-9-0-{slice_}.wav", 1) for slice_ in range(3)), ("132016-7-0-0.wav", 4)]


def urbansound8k(rows: Rows | None = None, sound: Sound = nothing) -> Files:
    """The published archive has `.DS_Store` in its folders."""
    files: Files = {"UrbanSound8K_README.txt": b"", "FREESOUNDCREDITS.txt": b"", "audio/.DS_Store": b"\0\0\0\1Bud1"}
    table = URBANSOUND8K_HEADER
    for name, fold in urbansound8k_rows() if rows is None else rows:
        source, code, *_ = name.split("-")
        label = urbansound8k_task.LABELS[int(code)]
        table += f"{name},{source},0.0,4.0,4.0,1,{fold},{code},{label}\n"
        files[f"audio/fold{fold}/{name}"] = sound(label)
    folders = {f"audio/fold{fold}/.DS_Store": b"" for fold in range(1, 11)}
    return files | folders | {"metadata/UrbanSound8K.csv": table.encode()}


# RAVDESS


def ravdess_names(channel: str = "01", emotions: int = 8, absent: int | None = None) -> list[str]:
    """Every published file name: no strong neutral, two statements, two repetitions, 24 actors."""
    return [
        f"03-{channel}-{emotion:02d}-{strength:02d}-{statement:02d}-{repetition:02d}-{actor:02d}.wav"
        for actor in range(1, 25)
        if actor != absent
        for emotion in range(1, emotions + 1)
        for strength in ((1,) if emotion == 1 else (1, 2))
        for statement in (1, 2)
        for repetition in (1, 2)
    ]


def by_actor(name: str) -> str:
    """As it is published."""
    return f"Actor_{name[-6:-4]}/{name}"


def flat(name: str) -> str:
    """As many have it."""
    return name


def nested(name: str) -> str:
    """The second lot of a copy that circulates, which holds everything twice."""
    return f"audio_speech_actors_01-24/{by_actor(name)}"


def ravdess(
    names: Iterable[str], places: Iterable[Callable[[str], str]] = (by_actor,), sound: Sound = nothing
) -> Files:
    """Each file at each of the places."""
    said = {name: sound(ravdess_task.EMOTIONS[int(name[6:8]) - 1]) for name in names}
    return {place(name): body for place in places for name, body in said.items()}


# CASIA


CASIA_SPEAKERS = ("liuchanhg", "wangzhe", "zhaoquanyin", "ZhaoZuoxiang")


def casia(speakers: Iterable[str] = CASIA_SPEAKERS, sentences: int = 50, sound: Sound = nothing) -> Files:
    """Each speaker says each sentence in each emotion; there is a folder that is none."""
    said = {
        f"{speaker}/{emotion}/{number}.wav": sound(emotion)
        for speaker in speakers
        for emotion in casia_task.EMOTIONS
        for number in range(201, 201 + sentences)
    }
    return said | {"readme/readme.txt": b""}


# ESC-50


ESC50_HEADER = "filename,fold,target,category,esc10,src_file,take\n"
ESC10_TARGETS = [0, 1, 10, 11, 12, 20, 21, 38, 40, 41]


def esc50_names() -> list[str]:
    """Of each class in each fold eight clips, takes A and B of a source; one source is that of two classes."""
    found = []
    for fold in range(1, 6):
        for target in range(50):
            sources = [1000 * fold + 10 * target + number for number in range(4)]
            found += [f"{fold}-{source}-{take}-{target}" for source in sources for take in "AB"]
    # a hen and a rooster of one source, as they are published
    return ["2-134049-A-6" if n == "2-2063-B-6" else "3-134049-A-1" if n == "3-3013-B-1" else n for n in found]


def esc50(every: int = 1, sound: Sound = nothing) -> Files:
    """The repository, of every so many clips."""
    table = ESC50_HEADER
    files: Files = {"README.md": b"", "LICENSE": b"", "meta/esc50-human.xlsx": b""}
    for name in esc50_names()[::every]:
        fold, source, take, target = name.split("-")
        label = esc50_task.LABELS[int(target)]
        table += f"{name}.wav,{fold},{target},{label},{int(target) in ESC10_TARGETS},{source},{take}\n"
        files[f"audio/{name}.wav"] = sound(label)
    return files | {"meta/esc50.csv": table.encode()}


def esc10_alone() -> Files:
    """The older layout of ESC-10, a folder for each class."""
    files: Files = {"README.txt": b""}
    for folder, label in esc50_task.ESC10.items():
        for name in esc50_names():
            fold, source, take, target = name.split("-")
            if esc50_task.LABELS[int(target)] == label:
                files[f"{folder}/{fold}-{source}-{take}.ogg"] = b""
    return files


# GTZAN


def gtzan_path(number: int) -> str:
    """As the lists of most people have it: blues/blues.00000.wav and on."""
    return f"{gtzan_task.GENRES[number // 100]}/{gtzan_name(number)}.wav"


def gtzan_name(number: int) -> str:
    """Without a folder."""
    return f"{gtzan_task.GENRES[number // 100]}.{number % 100:05d}"


def gtzan_count(number: int) -> str:
    """As the lists of the authors have it: the place among the thousand."""
    return f"   {number + 1}"


def gtzan(excerpts: Iterable[int] = range(100), sound: Sound = nothing) -> Files:
    """Those excerpts of every genre."""
    numbers = [100 * genre + excerpt for genre in range(10) for excerpt in excerpts]
    return {gtzan_path(number): sound(gtzan_task.GENRES[number // 100]) for number in numbers}


def gtzan_lists(line: Callable[[int], str] = gtzan_path) -> Files:
    """Lists of the published sizes, of all genres: excerpts 0 to 43 for training, 45 to 63, and 64 to 92."""
    start = 0
    files: Files = {}
    dealt = [number % 10 * 100 + number // 10 for number in range(1000)]
    for split, size in gtzan_task.PUBLISHED.items():
        files[f"{split}_filtered.txt"] = "".join(f"{line(n)}\n" for n in dealt[start : start + size]).encode()
        start += size
    return files
