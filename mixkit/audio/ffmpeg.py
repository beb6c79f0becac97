"""A decoder for what libsndfile does not know: ffmpeg in a process of its own, where it is installed.

The file may be a stranger's. It is handed over open, so that no name is on a command line; ffmpeg is told its format,
opens nothing else and writes nothing, has decoders of audio alone, and is given little memory and time.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixkit.audio.refusal import Refused
from mixkit.errors import printable
from mixkit.storage.programs import find_program

if sys.platform == "linux":
    import resource

DEMUXERS = {"MP4": "mov", "WEBM": "matroska", "WMA": "asf", "CAF": "caf", "AAC": "aac"}
"""Kinds of files, and what ffmpeg calls them."""

CODECS = (
    *("aac", "aac_latm", "ac3", "adpcm_ima_qt", "adpcm_ms", "alac", "amrnb", "amrwb", "eac3", "flac", "libopus"),
    *("libvorbis", "mp2", "mp2float", "mp3", "mp3float", "opus", "vorbis", "wmalossless", "wmapro", "wmav1", "wmav2"),
    *("wmavoice", "pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8"),
    *(f"pcm_{kind}{order}" for kind in ("s16", "s24", "s32", "f32", "f64") for order in ("le", "be")),
)
"""Of hundreds of decoders, those of audio in such files."""

MEMORY = 2**30  # bytes of addresses, of which its libraries take 0.4 GB
SECONDS, SECONDS_A_MB = 60, 10  # of processor time; in one, 100 s of audio or more are decoded
PATIENCE = 60.0  # seconds without a sample
SAID = 2**14  # bytes of messages that are kept
CUT = re.compile("partial file|ended prematurely|truncated", re.IGNORECASE)
"""What ffmpeg says of a file that was cut short, and takes for no error."""

_HEAD = np.dtype([("magic", "S4"), *((name, ">u4") for name in ("offset", "size", "encoding", "rate", "channels"))])


def container_of(head: bytes) -> str | None:
    """The kind of a file that ffmpeg reads, by its first 12 bytes behind tags; None of all others."""
    if head[4:8] in (b"ftyp", b"moov", b"wide"):
        return "MP4"
    for kind, mark in (("WEBM", b"\x1aE\xdf\xa3"), ("WMA", b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa"), ("CAF", b"caff")):
        if head.startswith(mark):
            return kind
    # Where MP3 has its layer, which is never 0, AAC has zeros.
    return "AAC" if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 else None


@dataclass(frozen=True)
class Stream:
    """What is known of a stream, in the words of libsndfile."""

    samplerate: int
    channels: int
    format: str
    frames: int = 2**63 - 1  # unknown
    extra_info: str = ""


def identity() -> str:
    """What tells one ffmpeg from another; empty where there is none."""
    program = find_program("ffmpeg")
    status = os.stat(program) if program else None  # noqa: PTH116 - no path of a user
    return f"{program} {status.st_size} {status.st_mtime_ns}" if status else ""


class FfmpegDecoder:
    """The first audio stream of a file, from its beginning to its end.

    Args:
        descriptor: of a regular file, open for reading.
        kind: one of `DEMUXERS`.

    Raises:
        Refused: there is no ffmpeg, or it cannot decode the file.

    Attributes:
        file: what it has.
    """

    def __init__(self, descriptor: int, kind: str):
        program = find_program("ffmpeg")
        if program is None:
            raise Refused(f"is {kind}, which is read through ffmpeg, and there is none on this machine.", "ffmpeg")
        self._said = b""
        self._seconds = SECONDS + SECONDS_A_MB * os.fstat(descriptor).st_size // 2**20
        try:
            self._process = subprocess.Popen(
                _command(program, descriptor, DEMUXERS[kind]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(descriptor,),
                cwd="/",
                env={name: value for name, value in os.environ.items() if name != "FFREPORT"},  # has it write a file
                start_new_session=True,  # a Ctrl-C is for mixkit, which may finish what it is at
            )
        except OSError as error:
            raise Refused(f"cannot be decoded ({program} cannot be started: {error.strerror}).") from None
        self._selector = selectors.DefaultSelector()
        try:
            self._limit()
            assert self._process.stdout is not None
            assert self._process.stderr is not None
            self._sound = self._process.stdout.fileno()
            for pipe in (self._process.stdout, self._process.stderr):
                self._selector.register(pipe, selectors.EVENT_READ)
            self.file = Stream(*self._read_head(), kind)
        except BaseException:
            self.close()
            raise

    def read(self, buffer: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples, `s channels`, as many as the buffer takes; less at the end.

        Raises:
            Refused: the file cannot be decoded to its end.
        """
        room = bytearray(buffer.nbytes)
        frames = self._fill(memoryview(room)) // (4 * self.file.channels)
        buffer[:frames] = np.frombuffer(room, ">f4").reshape(buffer.shape)[:frames]
        if frames < len(buffer):
            self._expect_whole()
        return buffer[:frames]

    def seek(self, frames: int) -> int:
        """Stays at the first sample: by a container's index others are found roughly."""
        return 0

    def behind(self) -> int:
        """Bytes behind the last sample, of which nothing is known."""
        return 0

    def close(self) -> None:
        """Ends the process, wherever it is; may be called again."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._selector.close()

    def _limit(self) -> None:
        """What the process may take; where the system has no such limits, its time without a sample is one."""
        if sys.platform == "linux":
            limits = {
                resource.RLIMIT_AS: MEMORY,
                resource.RLIMIT_CPU: self._seconds,
                resource.RLIMIT_FSIZE: 0,
                resource.RLIMIT_CORE: 0,
            }
            for limit, value in limits.items():
                resource.prlimit(self._process.pid, limit, (value, value))

    def _read_head(self) -> tuple[int, int]:
        """Sample rate and channels, from the head of an AU file."""
        room = bytearray(_HEAD.itemsize)
        if self._fill(memoryview(room)) < len(room):
            self._expect_whole()
            raise Refused("0 samples of audio.", "empty")
        head = np.frombuffer(room, _HEAD)[0]
        if head["magic"] != b".snd" or head["encoding"] != 6 or not _HEAD.itemsize <= head["offset"] <= 2**16:
            raise Refused("cannot be decoded (ffmpeg gives no float32).")
        self._fill(memoryview(bytearray(int(head["offset"]) - _HEAD.itemsize)))
        return int(head["rate"]), int(head["channels"])

    def _fill(self, room: memoryview) -> int:
        """Reads as many bytes as there is room for, or to the end, and keeps what is said meanwhile."""
        filled = 0
        while filled < len(room) and self._selector.get_map():
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise Refused(f"cannot be decoded (ffmpeg gave nothing for {PATIENCE:g} s).")
            for key, _ in ready:
                if key.fd == self._sound:
                    count = os.readv(key.fd, [room[filled:]])
                    filled += count
                else:
                    said = os.read(key.fd, SAID)
                    count = len(said)
                    self._said = (self._said + said)[:SAID]
                if not count:
                    self._selector.unregister(key.fileobj)
        return filled

    def _expect_whole(self) -> None:
        """Refuses a file that was not decoded to its end."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Refused(f"cannot be decoded (ffmpeg does not end for {PATIENCE:g} s).") from None
        said = self._said.decode(errors="replace")
        if "matches no streams" in said:
            raise Refused("has no audio.", "empty")
        if code == -signal.SIGKILL:
            raise Refused(f"cannot be decoded in {self._seconds} s of processor time and {MEMORY >> 30} GiB.")
        if code or CUT.search(said):
            raise Refused(f"cannot be decoded ({_reason(said) or f'ffmpeg ends with {code}'}).")


def _command(program: str, descriptor: int, demuxer: str) -> list[str]:
    said = [program, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-threads", "1"]
    given = ["-protocol_whitelist", "file", "-codec_whitelist", ",".join(CODECS), "-f", demuxer]
    source = ["-i", f"file:/dev/fd/{descriptor}", "-map", "0:a:0", "-map_metadata", "-1"]
    return [*said, *given, *source, "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]


def _reason(said: str) -> str:
    """The first line that is about the audio, without the names of ffmpeg's parts."""
    for line in said.splitlines():
        line = re.sub(r"^\[[^]]*\] *|^file:\S+ ", "", line).strip().rstrip(".")
        if line and "not on whitelist" not in line and "Last message repeated" not in line:
            return printable(line[:200])
    return ""
