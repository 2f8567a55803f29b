"""The result on the Talk tab: one player for all its pictures, what can be taken home, and further formats."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from atvg.errors import BadSettingError
from atvg.film.output import Outputs, checked_frame
from atvg.film.poster import save_poster, speaking
from atvg.film.render import render
from atvg.film.replay import replayed
from atvg.studio.behind import set_back
from atvg.studio.explaining import explaining, sorry
from atvg.studio.files import open_recording
from atvg.studio.settings import DRAWING, PAGE, PRIVATE, RAW, asset
from atvg.studio.studio import Studio
from atvg.studio.voice import save_captions
from atvg.voice.captions import Cue

FORMATS = ("gif", "webp", "webm")
SPEEDS = (0.25, 0.5, 1)
VIDEO = "talking-face.mp4"  # whichever picture was asked for
_NAMES = {"face": "close-up.mp4", "full": "whole-picture.mp4"}  # of the others


def videos(folder: Path, frame: str) -> dict[str, str]:
    """Where the pictures of a run lie: the close-up, the whole picture, and the one that was asked for."""
    return {name: str(folder / file) for name, file in (_NAMES | {checked_frame(frame): VIDEO}).items()}


def save_posters(folder: Path, frame: str) -> list[str]:
    """JPEGs that stand for the close-up and for the whole picture until they are played."""
    recording, found = open_recording(folder), videos(folder, frame)
    moment, fps = speaking(recording.landmarks, recording.fps), recording.fps
    return [str(save_poster(folder / f"poster-{name}.jpg", found[name], moment, fps)) for name in _NAMES]


def made_of(folder: Path, key: str, frame: str, arrays: bool, cues: list[Cue], said: str = "") -> tuple[Any, ...]:
    """What `Talk.animate` and `Dubbing.dub` return in the end, of a run in a folder.

    Args:
        frame: which picture was asked for.
        cues: captions, maybe none.
        said: about the result, HTML.
    """
    names, found = (VIDEO, "panels.mp4", "arrays.npz" if arrays else None, "settings.json"), videos(folder, frame)
    posters, captions = save_posters(folder, frame), save_captions(cues, folder)
    files = (name and str(folder / name) for name in names)
    return *files, key, said, found["face"], found["full"], posters, captions


class Result:
    """Shows what `Talk.animate` returns, and makes more of it when asked."""

    def __init__(self, studio: Studio):
        self._studio, self._guests = studio, studio.guests

    def show(self) -> None:
        """The player, the downloads, and a row for the link and for further formats."""
        self.player = gr.HTML(
            html_template=asset("player.html"), js_on_load=asset("player.js"), texts=PAGE["player_texts"],
            speeds=SPEEDS, **PAGE["player"],
        )  # fmt: skip
        self.video, self.close_up, self.whole = (
            gr.Video(visible=False, label=PAGE[name]) for name in ("video", "close_up", "whole")
        )
        self.npz, self.settings = (gr.File(visible=False, label=PAGE[name]) for name in ("npz", "settings"))
        self.posters, self.captions = (
            gr.File(visible=False, label=PAGE[name], file_count="multiple") for name in ("posters", "captions")
        )
        self.run = gr.Textbox(visible=False, label=PAGE["run"])
        self.files = gr.File(**PAGE["downloads"])
        with gr.Row(elem_id="take"):
            with gr.Accordion(**PAGE["more"]):
                self.format = gr.Radio(**PAGE["format"])
                self.make, self.made = gr.Button(**PAGE["make"]), gr.File(**PAGE["made"])
            self.copy = gr.Button(**PAGE["copy"])

    def wire(self, generate: gr.Button, made: gr.events.Dependency, panels: gr.Video) -> None:
        """Whenever a video is `made` it is shown, with its files; a new one begins without the old one's sound."""
        generate.click(None, js="() => document.querySelector('#video').rest()", **PRIVATE)
        shown = [self.video, self.close_up, self.whole, panels, self.posters, self.captions]
        made.success(None, shown, None, js=asset("show.js"), **PRIVATE)
        files = [self.video, self.close_up, self.whole, panels, self.captions, self.npz, self.settings]
        made.success(self.downloads, files, [self.files, self.made], **PRIVATE | RAW)

    def wire_formats(self) -> None:
        """The last of the endpoints."""
        made = self.make.click(
            self.convert, [self.run, self.format], self.made, api_name="convert", show_progress_on=self.make, **DRAWING
        )
        made.success(lambda: gr.update(visible=True), None, self.made, **PRIVATE)

    def downloads(self, *files: Any) -> tuple[Any, Any]:
        """All that can be taken home, each once; and of an older result nothing more."""
        flat = [each for file in files for each in (file if isinstance(file, list) else [file]) if each]
        paths = dict.fromkeys(each.get("video", each)["path"] for each in flat)
        return gr.update(value=list(paths), visible=True), gr.update(value=None, visible=False)

    def convert(self, run: str, format: str = FORMATS[0], request: gr.Request | None = None) -> Iterator[str]:
        """Makes another format of a video that `animate` or `dub` made, without drawing it again.

        Args:
            run: the key that they gave; the three newest of a session can be opened.
            format: "gif" or "webp" for an animation of the close-up, without sound and small enough to be sent, or
                "webm" for the head alone on a transparent ground, with sound.

        Returns:
            The file, labelled as AI-generated.
        """
        if self._studio.busy:
            raise sorry(PAGE["busy"])
        with explaining():
            if format not in FORMATS:
                raise BadSettingError(f"format is {str(format)[:80]!r}; choose from: {', '.join(FORMATS)}")
            source = self._guests.run(run, request)
            with self._guests.in_use(source):
                recording = open_recording(source, in_order=True)
                _, folder = self._guests.new_run(request)
                with self._guests.removed_on_error(folder):
                    path = folder / f"talking-face.{format}"
                    wanted, voice = Outputs(**{format: path}), str(source / VIDEO)
                    set_back(render)(recording.face, replayed(recording), voice, wanted, fps=recording.fps)
                    yield str(path)  # within, or it could be deleted while Gradio looks at it
