"""The Gradio app: a photo and a voice → a talking face, and what the networks computed on the way.

Run ``python app.py``. ``ATVG_WEIGHTS`` names other weights than the shipped ones (a folder or a Hub id).
"""

import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is sent or fetched at run time

import gradio as gr
import numpy as np
from gradio.processing_utils import check_all_files_in_cache
from gradio.utils import get_upload_folder
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from atvg.animator import Animator, Chunk
from atvg.audio import load_audio, n_video_frames
from atvg.config import CROP_SIZE, FPS
from atvg.errors import ATVGError, BadAudioError, BadImageError, NoFaceError, SeveralFacesError
from atvg.face.crop import warp_to_crop
from atvg.face.face import Face
from atvg.face.image import load_image
from atvg.face.landmarks import MOUTH, OUTLINES
from atvg.face.mediapipe import silence_native_logs
from atvg.face.placing import parse_place
from atvg.panels import FACE, LIPS, attention_strip, landmark_trajectory, motion_strip
from atvg.pose import Pose
from atvg.render import render

MAX_SECONDS = 120  # of audio, so that the queue moves on
MAX_SIDE = 1280  # of the photo, pixels: larger videos are not encoded in real time
MAPS_SHOWN = 8

ASSETS = Path(__file__).parent / "assets"
PAGE = json.loads((ASSETS / "page.json").read_text(encoding="utf-8"))  # every text, and how each component looks

LAUNCH: dict[str, Any] = {
    "theme": gr.themes.Base.load(ASSETS / "theme.json"), "css_paths": ASSETS / "style.css",
    "max_file_size": "50mb", "footer_links": ["api", "settings"], "enable_monitoring": False, "run_history": False,
}  # fmt: skip

Upload = dict[str, Any] | None  # how Gradio names a file, before it would open it itself


class Studio:
    """What happens when a button is pressed. It holds only the networks, so that requests cannot mix."""

    def __init__(self, animator: Animator):
        self.animator = animator

    def check_face(self, photo: Upload, box: str = "", points: str = "") -> tuple[np.ndarray | None, str]:
        """Looks for the face in a photo, before any work is done.

        Args:
            photo: a picture with one face, or with one placed by hand.
            box, points: as `animate` takes them.

        Returns:
            The crop with its landmarks (all faces if there are several), and one line: found, or what to mend.
        """
        if not photo:
            return None, PAGE["face_hint"]
        try:
            picture, scale = _open_photo(photo)
            face = self.animator.read_face(picture, **_place(box, points, scale))
            return _draw_landmarks(face), PAGE["face_found"]
        except SeveralFacesError as error:
            return _draw_boxes(picture, error.boxes), PAGE["face_unclear"].format(error)
        except NoFaceError as error:
            return None, PAGE["face_unclear"].format(error)
        except ATVGError as error:
            return None, PAGE["face_problem"].format(error)

    def animate(
        self, photo: Upload, audio: Upload, beta: float = 0.5, yaw: float = 0, pitch: float = 0, roll: float = 0,
        mouth_gain: float = 1, smoothing: float = 0.8, frame: str = "full", seed: int = 0, arrays: bool = False,
        box: str = "", points: str = "", natural: bool = True,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds its tracker by this default)
    ) -> tuple[str, str, Figure, np.ndarray, np.ndarray, str | None]:  # fmt: skip
        """Makes the face in a photo speak.

        Args:
            photo: a picture with one face, seen from the front.
            audio: speech of up to two minutes.
            beta: β of the weights, 0..2.
            yaw, pitch, roll: degrees; + turns to the viewer's right, looks down, tilts counter-clockwise.
            mouth_gain: movement of the mouth, 0..3; 1 as heard.
            smoothing: of the landmarks over time, standard deviation in frames, 0..5.
            frame: "full" for the whole photo, "crop" for the 128×128 face.
            seed: of the natural motion.
            arrays: also return every frame, map, landmark and code.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            natural: let the head move a little and the eyes blink.

        Returns:
            The finished MP4; an MP4 of landmarks, attention, motion and result; the lips over time as a figure;
            attention and motion at eight moments; the arrays (NPZ), if asked for.
        """
        os.makedirs(get_upload_folder(), exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="atvg-", dir=get_upload_folder()))  # cleared by `delete_cache`
        video, panels, npz = folder / "talking-face.mp4", folder / "panels.mp4", folder / "arrays.npz"
        try:
            picture, scale = _open_photo(photo)
            face = self.animator.read_face(picture, **_place(box, points, scale)).turned(Pose(yaw, pitch, roll))
            speech = _path(audio, BadAudioError(PAGE["no_voice"]))
            progress(0, desc=PAGE["listening"])
            wave = load_audio(speech, MAX_SECONDS)
            total = n_video_frames(wave)
            chunks = self.animator.stream(
                face, wave, beta=beta, mouth_gain=mouth_gain, smoothing=smoothing, natural=natural, seed=seed
            )
            seen = Highlights(total)
            render(
                face, seen.watch(chunks), speech, video, frame, panels, npz if arrays else None,
                lambda done: progress((done, total), desc=PAGE["drawing"], unit="frames"),
            )  # fmt: skip
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, ATVGError):
                raise gr.Error(str(error), print_exception=False) from None
            raise
        return str(video), str(panels), *seen.pictures(wave), str(npz) if arrays else None


class Highlights:
    """Lets chunks pass and keeps what the pictures show: all landmarks, and the maps of a few moments."""

    def __init__(self, n_frames: int):
        self._moments = set(np.linspace(0, n_frames - 1, MAPS_SHOWN).round().astype(int))
        self._landmarks: list[np.ndarray] = []
        self._maps: list[tuple[float, np.ndarray, np.ndarray]] = []

    def watch(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self._landmarks.append(chunk.landmarks)
            for t in self._moments.intersection(range(chunk.start, chunk.start + len(chunk))):
                self._maps.append((t / FPS, chunk.attention[t - chunk.start], chunk.motion[t - chunk.start]))
            yield chunk

    def pictures(self, wave: np.ndarray) -> tuple[Figure, np.ndarray, np.ndarray]:
        times, attention, motion = zip(*sorted(self._maps, key=lambda entry: entry[0]), strict=True)
        return (
            landmark_trajectory(np.concatenate(self._landmarks), wave=wave),
            attention_strip(np.stack(attention), MAPS_SHOWN, times),
            motion_strip(np.stack(motion), MAPS_SHOWN, times),
        )


def _path(upload: Upload, missing: ATVGError) -> str:
    if not upload or not upload.get("path"):
        raise missing
    check_all_files_in_cache(upload)  # Gradio forgets to, for images not marked as uploads
    return upload["path"]


def _open_photo(photo: Upload) -> tuple[np.ndarray, float]:
    """The picture, not larger than `MAX_SIDE`, and the scale it was shrunk by."""
    image = Image.fromarray(load_image(_path(photo, BadImageError(PAGE["no_photo"]))))
    width = image.width
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.array(image), image.width / width


def _place(box: str | None, points: str | None, scale: float) -> dict[str, list[float]]:
    """What was typed about the place of the face; empty fields say nothing."""
    typed = (str(text or "").strip() or None for text in (box, points))
    return parse_place(*typed, scale)


def _draw_landmarks(face: Face, zoom: int = 4) -> np.ndarray:
    image = Image.fromarray(warp_to_crop(face.photo, face.matrix * zoom, CROP_SIZE * zoom))
    points = [tuple(point) for point in face.crop_landmarks[:, :2] * zoom]
    for first, last, closed in OUTLINES:
        line = points[first : last + 1] + points[first : first + closed]
        ImageDraw.Draw(image).line(line, LIPS if first in MOUTH else FACE, width=3, joint="curve")
    return np.array(image)


def _draw_boxes(photo: np.ndarray, boxes: list[tuple[float, float, float, float]]) -> np.ndarray:
    image = Image.fromarray(photo)
    for x, y, width, height in boxes:
        ImageDraw.Draw(image).rectangle((x, y, x + width, y + height), outline=FACE, width=max(photo.shape) // 100)
    return np.array(image)


def _examples() -> tuple[list[str], list[str]]:
    """Portraits (public domain) and voices in wheels that are installed anyway, served from where they lie."""
    modules = (importlib.util.find_spec(name) for name in ("skimage", "matplotlib", "gradio"))
    skimage, matplotlib, gradio = (Path(module.origin).parent for module in modules)
    portraits = [skimage / "data/astronaut.png", matplotlib / "mpl-data/sample_data/grace_hopper.jpg"]
    voices = [gradio / "media_assets/audio" / name for name in PAGE["voices"]]
    gr.set_static_paths([*portraits, *voices])  # or Gradio would serve copies, and `delete_cache` delete those
    return list(map(str, portraits)), list(map(str, voices))


def build(animator: Animator | None = None) -> gr.Blocks:
    """The page; loads the weights, or raises `CheckpointError`, unless they are given."""
    studio = Studio(animator or Animator.from_pretrained(os.environ.get("ATVG_WEIGHTS")))
    portraits, voices = _examples()
    studio.check_face({"path": portraits[0]})  # loads the detector now and not for the first visitor
    trained = [f"{beta:g}" for beta in sorted(studio.animator.vg_nets)]
    effect = PAGE["beta_one" if len(trained) == 1 else "beta_family"].format(", ".join(trained))
    with gr.Blocks(title=PAGE["title"], delete_cache=(600, 3600), analytics_enabled=False) as page:
        gr.HTML((ASSETS / "header.html").read_text(encoding="utf-8"))
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=5, min_width=320):
                gr.Markdown(PAGE["step_photo"], elem_classes="step")
                with gr.Row(elem_id="faces"):
                    photo, check = gr.Image(**PAGE["photo"]), gr.Image(**PAGE["check"])
                said = gr.Markdown(PAGE["face_hint"], **PAGE["said"])
                gr.Examples(portraits, photo, label=PAGE["try"], elem_id="portraits")
                with gr.Accordion(**PAGE["place"]):
                    place = [gr.Textbox(**PAGE[name]) for name in ("box", "points")]
                gr.Markdown(PAGE["step_voice"], elem_classes="step")
                audio = gr.Audio(**PAGE["voice"])
                names = list(PAGE["voices"].values())
                gr.Examples(voices, audio, label=PAGE["try"], elem_id="voices", example_labels=names)
                generate = gr.Button(**PAGE["generate"])
                with gr.Accordion(**PAGE["head"]):
                    head = [gr.Slider(**PAGE[name]) for name in ("yaw", "pitch", "roll", "mouth_gain")]
                    natural = gr.Checkbox(**PAGE["natural"])
                with gr.Accordion(**PAGE["advanced"]):
                    frame, smoothing = gr.Radio(**PAGE["frame"]), gr.Slider(**PAGE["smoothing"])
                    beta = gr.Slider(**PAGE["beta"] | {"info": PAGE["beta"]["info"].format(effect)})
                    seed, arrays = gr.Number(**PAGE["seed"]), gr.Checkbox(**PAGE["arrays"])
            with gr.Column(scale=7, min_width=320):
                gr.Markdown(PAGE["step_result"], elem_classes="step")
                video = gr.Video(**PAGE["video"])
                with gr.Tabs():
                    with gr.Tab("Panels"):
                        panels = gr.Video(**PAGE["panels"])
                        gr.Markdown(PAGE["about_panels"], elem_classes="caption")
                    with gr.Tab("Lips"):
                        trajectory = gr.Plot(**PAGE["trajectory"])
                        gr.Markdown(PAGE["about_lips"], elem_classes="caption")
                    with gr.Tab("Attention"):
                        attention, motion = gr.Image(**PAGE["attention"]), gr.Image(**PAGE["motion"])
                        gr.Markdown(PAGE["about_maps"], elem_classes="caption")
                    with gr.Tab("Arrays"):
                        npz = gr.File(**PAGE["npz"])
                        gr.Markdown(PAGE["about_arrays"], elem_classes="caption")
        gr.Markdown((ASSETS / "footer.md").read_text(encoding="utf-8"), elem_id="note")

        raw = {"preprocess": False}  # or Gradio would open photos itself, and say less about what is wrong
        checking = {
            "fn": studio.check_face, "inputs": [photo, *place], "outputs": [check, said], "show_progress": "minimal",
        } | raw  # fmt: skip
        # A place belongs to one photo: the next one begins without.
        hidden = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        emptied = photo.change(lambda: ("", ""), None, place, **hidden)
        emptied.then(**checking, api_name="check_face")
        gr.on([field.submit for field in place], **checking, api_visibility="private")
        inputs = [photo, audio, beta, *head, smoothing, frame, seed, arrays, *place, natural]
        outputs = [video, panels, trajectory, attention, motion, npz]
        generate.click(studio.animate, inputs, outputs, api_name="animate", show_progress_on=video, **raw)
    return page.queue(max_size=16, default_concurrency_limit=1)


if __name__ == "__main__":
    silence_native_logs()
try:
    demo = build()
except ATVGError as error:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from None
if __name__ == "__main__":
    demo.launch(**LAUNCH)
