"""The voice on the Talk tab: its field, what is heard in it, and a typed text to be spoken."""

import hashlib
import json
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from atvg.config import SAMPLE_RATE
from atvg.errors import ATVGError, TooLongError
from atvg.scratch import found
from atvg.studio.examples import VOICES_AT_HAND
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, open_voice
from atvg.studio.settings import CHECKING, MAX_SECONDS, PAGE, RAW, asset
from atvg.studio.studio import Studio
from atvg.voice.advice import advise
from atvg.voice.audio import Cut, n_video_frames, silence
from atvg.voice.captions import Cue, to_srt, to_vtt, within
from atvg.voice.speak import VOICES, available, say_with_cues


class Voice:
    """Brings a voice, recorded or synthetic, and says before any work what is heard in it."""

    def __init__(self, studio: Studio):
        self._guests = studio.guests

    def show(self) -> None:
        """The voice, what was heard, examples, and a text to be spoken."""
        gr.Markdown(PAGE["step_voice"], elem_classes="step")
        self.field = gr.Audio(**PAGE["voice"])
        with gr.Row(elem_id="voice-part"):
            self.part = [gr.Number(**PAGE[edge]) for edge in ("start", "end")]
        self.heard = gr.Markdown(PAGE["voice_hint"], **PAGE["heard"])
        names = list(PAGE["voices"].values())
        gr.Examples(
            list(map(str, VOICES_AT_HAND)), self.field, label=PAGE["try"], elem_id="voices", example_labels=names
        )
        with gr.Accordion(**PAGE["type"], visible=available()):
            self.text = gr.Textbox(**PAGE["text"])
            with gr.Row():
                self.speaker = gr.Dropdown(list(VOICES), value=next(iter(VOICES)), **PAGE["speaker"])
                self.speed = gr.Slider(**PAGE["speed"])
            self.speak = gr.Button(**PAGE["speak"])

    def wire_check(self) -> None:
        """Every new voice is listened to, and whenever another part of it is chosen."""
        quiet: dict[str, Any] = {"show_progress": "hidden"} | CHECKING
        self.field.change(
            self._choose_part, [self.field, *self.part], [self.heard, *self.part], js=asset("part.js"),
            api_visibility="private", **quiet,
        )  # fmt: skip
        chosen = [event for field in self.part for event in (field.submit, field.blur)]
        gr.on(
            chosen, self.check_voice, [self.field, *self.part], self.heard, api_name="check_voice",
            trigger_mode="always_last", **quiet,
        )  # fmt: skip

    def wire_speak(self) -> None:
        """A spoken text takes the place of the voice."""
        typed = [self.text, self.speaker, self.speed]
        self.speak.click(self.say, typed, self.field, api_name="say", concurrency_id="speaking", **RAW)

    def check_voice(self, audio: Upload, start: float = 0, end: float = 0, request: gr.Request | None = None) -> str:
        """Listens to a voice before any work is done.

        Args:
            audio: speech; up to two minutes of it can be used.
            start: where the part to be used begins, seconds.
            end: where it ends; 0 for the end of the recording.

        Returns:
            How long it is and what will harm the result, or what is wrong with it.
        """
        if not audio:
            return PAGE["voice_hint"]
        try:
            self._guests.new_run(request, audio)
            return self._said_of(open_voice(audio, start, end)[1])
        except ATVGError as error:
            return PAGE["voice_problem"].format(error)

    def _choose_part(
        self, audio: Upload, start: float, end: float, request: gr.Request | None = None
    ) -> tuple[str, float, float]:
        """What is heard in a new voice, and which part is used: what a link says, or of a long one the beginning."""
        if audio:
            try:
                self._guests.new_run(request, audio)
                return self._said_of(open_voice(audio, start, end)[1]), start, end
            except TooLongError as error:
                said = PAGE["voice_long"].format(error, MAX_SECONDS), self.check_voice(audio, 0, MAX_SECONDS, request)
                return "\n\n".join(said), 0, MAX_SECONDS
            except ATVGError as error:
                return PAGE["voice_problem"].format(error), 0, 0
        return PAGE["voice_hint"], 0, 0

    @staticmethod
    def _said_of(wave: np.ndarray) -> str:
        frames = n_video_frames(wave)
        seconds, spoken = len(wave) / SAMPLE_RATE, 1 - silence(wave, frames).mean()
        said = PAGE["voice_found" if spoken > 0.2 else "voice_silent" if spoken == 0 else "voice_quiet"]
        found = said.format(f"{seconds:.1f}", f"{100 * spoken:.0f}")
        return "\n\n".join([found, *(PAGE["voice_warning"].format(warning.message) for warning in advise(wave))])

    def say(
        self, text: str, voice: str = next(iter(VOICES)), speed: float = 160, request: gr.Request | None = None
    ) -> str:
        """Speaks a typed text with a synthetic voice (eSpeak NG), offline.

        Args:
            text: up to 1000 characters.
            voice: language and speaker.
            speed: words a minute, 80..300.

        Returns:
            The speech, 16 kHz WAV.
        """
        _, folder = self._guests.new_run(request)
        from scipy.io import wavfile  # here, as few visitors type what is said

        with self._guests.removed_on_error(folder), explaining():
            wave, cues = say_with_cues(text, voice, speed)
            path = folder / "speech.wav"
            wavfile.write(path, SAMPLE_RATE, (wave * 32767).astype(np.int16))
            (folder / _cues_file(path)).write_text(json.dumps(cues), encoding="utf-8")
            return str(path)


def cues_of(speech: Cut, seconds: float, folder: Path) -> list[Cue]:
    """Captions of so many seconds of a voice that this visitor typed; of any other there are none.

    Args:
        folder: of the visitor, with one folder a run.
    """
    sound = Path(str(speech.audio))
    # Most have a size of their own, and need not be read.
    kept = found(folder, f"*/cues-{sound.stat().st_size}-*.json") and found(folder, f"*/{_cues_file(sound)}")
    cues = [Cue(*cue) for cue in json.loads(kept[0].read_text(encoding="utf-8"))] if kept else []
    return within(cues, speech.start, speech.start + seconds)


def _cues_file(speech: Path) -> str:
    """Named after the sound itself: clients upload it again, to wherever Gradio likes."""
    content = hashlib.sha256()
    with speech.open("rb") as file:
        while piece := file.read(1 << 20):  # it may be 200 MB
            content.update(piece)
    return f"cues-{speech.stat().st_size}-{content.hexdigest()}.json"


def save_captions(cues: list[Cue], folder: Path) -> list[str] | None:
    """Writes them as SubRip and as WebVTT; None if there are none."""
    files = {folder / "captions.srt": to_srt, folder / "captions.vtt": to_vtt}
    for path, text in files.items() if cues else ():
        path.write_text(text(cues), encoding="utf-8")
    return [str(path) for path in files] if cues else None
