"""``atvg animate``: a photo, or a film, and a voice → a video."""

import argparse
import contextlib
import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atvg.cli.weights import add_weights
from atvg.config import EARS, SAMPLE_RATE

if TYPE_CHECKING:
    from atvg.dub.dub import Dub
    from atvg.voice.audio import Audio
    from atvg.voice.captions import Cue

_MOST_BOXES = 6  # that an error lists
# Options that a film does not have: their values when they are not given, and why.
_HEAD = "the head moves as it was filmed"
_OF_PHOTOS: dict[str, tuple[Any, str]] = {
    "yaw": (0.0, _HEAD), "pitch": (0.0, _HEAD), "roll": (0.0, _HEAD), "natural": (False, _HEAD), "seed": (0, _HEAD),
    "liveliness": (1.0, _HEAD), "points": (None, "a person is chosen by --box"),
}  # fmt: skip


def add_animate(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "animate",
        help="make a photo speak, or dub a film",
        description="Makes a photo speak. Of a film only the mouth is drawn anew; head, eyes and all else stay as they "
        "were filmed, and its own sound gives way to the voice.",
    )
    command.add_argument("photo", metavar="PHOTO", help="a picture with one face; or a film, of up to ten minutes")
    command.add_argument("audio", metavar="AUDIO", nargs="?", help="speech: any sound or video file")
    command.add_argument("--say", metavar="TEXT", help="speak this text instead, with a synthetic voice, offline")
    command.add_argument("--speaker", metavar="NAME", help="who says it; a wrong name lists all (default: English)")
    command.add_argument("-o", "--output", metavar="OUT.mp4", required=True)
    command.add_argument(
        "--frame", default="full",
        help="'full': the whole photo or film (default); 'face': a close-up in its own pixels, at most 512; "
        "'crop': 128×128",
    )  # fmt: skip
    command.add_argument("--beta", type=float, default=0.5, metavar="B", help="β of the weights, 0..2 (default 0.5)")
    command.add_argument("--yaw", type=float, default=0.0, metavar="D", help="degrees, + turns to the viewer's right")
    command.add_argument("--pitch", type=float, default=0.0, metavar="D", help="degrees, + looks down")
    command.add_argument("--roll", type=float, default=0.0, metavar="D", help="degrees, + tilts counter-clockwise")
    command.add_argument("--mouth-gain", type=float, default=1.0, metavar="G", help="0..3; 1 as AT-net heard it")
    command.add_argument("--smoothing", type=float, default=0.8, metavar="S", help="of the landmarks, frames (0..5)")
    command.add_argument(
        "--teeth",
        type=float,
        default=1.0,
        metavar="T",
        help="0..1; how much shows of those the photo hides (default 1)",
    )
    command.add_argument("--detector", default="auto", help="auto (default), mediapipe or face-alignment")
    command.add_argument(
        "--box",
        metavar="X,Y,W,H",
        help="where the face is, pixels: brows to chin, jaw to jaw; of a film in the first picture with a face",
    )
    command.add_argument(
        "--points", metavar="X1,Y1,…,X5,Y5", help="or its eyes, nose tip and mouth corners; left as seen comes first"
    )
    command.add_argument("--panels", metavar="P.mp4", help="landmarks, attention, motion and result side by side")
    command.add_argument("--close-up", metavar="C.mp4", help="the face alone too, beside the whole photo")
    command.add_argument("--gif", metavar="G.gif", help="an animation of the close-up, small enough to be sent")
    command.add_argument("--webp", metavar="W.webp", help="the same, smaller, in more colours")
    command.add_argument("--webm", metavar="H.webm", help="the head alone on a transparent ground, with sound")
    command.add_argument("--srt", metavar="S.srt", help="captions of what --say says")
    command.add_argument("--arrays", metavar="A.npz", help="every frame, map, landmark and code")
    command.add_argument(
        "--ear", default=EARS[0], help="'whisper': AT-net hears through the trained ear (default); 'none': MFCC windows"
    )
    command.add_argument(
        "--hold",
        action="store_true",
        help="where the voice is longer than a film, let this stay at its last frame instead of going to and fro",
    )
    command.add_argument("--natural", action="store_true", help="let the head move a little and the eyes blink")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the natural motion (default 0)")
    for edge, default in (("start", "the beginning"), ("end", "the end")):
        command.add_argument(
            f"--{edge}", type=seconds, default=0.0, metavar="T",
            help=f"the {edge} of what is used of the voice, seconds or M:SS (default {default})",
        )  # fmt: skip
    command.add_argument(
        "--liveliness", type=float, default=1.0, metavar="L",
        help="of the natural motion, 0..2: 0 none, 1 as real people move (default 1)",
    )  # fmt: skip
    add_weights(command)
    command.set_defaults(run=_animate)


def seconds(text: str) -> float:
    """Seconds, or minutes and seconds, or hours too, with colons between them.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    try:
        parts = [float(part) for part in text.split(":")]
        if len(parts) > 3 or any(not 0 <= part < 60 for part in parts[1:]):
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give seconds, as 75.5, or M:SS, as 1:15.5") from None
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))


def _animate(options: argparse.Namespace) -> None:
    from atvg.animate.settings import make_settings
    from atvg.animator import Animator
    from atvg.dub.dub import Dub
    from atvg.face.placing import parse_place
    from atvg.film.output import check_output, outputs, write_text
    from atvg.film.render import rendering
    from atvg.motion.pose import Pose
    from atvg.motion.turn import turn_face
    from atvg.voice.audio import Cut, load_audio, n_video_frames
    from atvg.voice.captions import to_srt, within

    is_film = _is_film(options.photo)
    _check_kind(options, is_film)
    pose = Pose(options.yaw, options.pitch, options.roll)
    settings = {
        "beta": options.beta, "mouth_gain": options.mouth_gain, "smoothing": options.smoothing,
        "teeth": options.teeth, "ear": options.ear, "natural": options.natural, "seed": options.seed,
        "liveliness": options.liveliness,
    }  # fmt: skip
    make_settings(settings)
    place = parse_place(options.box, options.points)
    more = {name: getattr(options, name) for name in ("panels", "gif", "webp", "webm", "arrays")}
    close_up = {"face": options.close_up} if options.close_up else {}
    wanted = outputs(options.output, options.frame, **close_up, **more)
    srt = check_output(options.srt, ".srt") if options.srt else None
    audio, cues = _voice(options)
    voice = Cut(audio, options.start, options.end)
    wave = load_audio(voice)
    animator = Animator.from_pretrained(options.weights, detector=options.detector, engine=options.engine)
    left = ""
    if is_film:
        with _telling_boxes():
            talker = animator.read_film(options.photo, **place)
        dub = Dub(animator, talker, voice, wave, animator.settings(settings), options.hold)
        _look(dub)
        if dub.left_alone:
            left = f", {dub.left_alone} of the film's left as they were (the person is not seen)"
        total, steps = dub.n_frames, dub.rendering(wanted)
    else:
        with _telling_boxes():
            face = turn_face(animator.read_face(options.photo, **place), pose)
        total, steps = n_video_frames(wave), rendering(face, animator.stream(face, wave, **settings), voice, wanted)
    with contextlib.closing(steps), _bar(total, "drawing") as bar:
        for done, _ in steps:
            bar.update(done - bar.n)
    if srt:
        write_text(srt, to_srt(within(cues, voice.start, voice.start + len(wave) / SAMPLE_RATE)))
    print(f"{options.output}: {done} frames{left}")


def _is_film(photo: str) -> bool:
    """Whether what is given as the photo is a film; what cannot be read is not, and is refused as a photo."""
    from atvg.dub.kinds import is_film

    try:
        return os.path.isfile(photo) and is_film(Path(photo))  # a pipe might never begin
    except OSError:
        return False


def _check_kind(options: argparse.Namespace, is_film: bool) -> None:
    """Refuses what only a photo has, or only a film."""
    from atvg.errors import BadSettingError

    if not is_film:
        if options.hold:
            raise BadSettingError("--hold is for films; leave it out: a photo lasts as long as the voice does")
        return
    for name, (usual, why) in _OF_PHOTOS.items():
        if getattr(options, name) != usual:
            raise BadSettingError(f"--{name} is for photos; leave it out: in a film {why}")
    if options.detector == "face-alignment":
        raise BadSettingError(
            "--detector face-alignment is for photos; leave it out: mediapipe follows people in films"
        )


def _look(dub: "Dub") -> None:
    """Looks a film through, and shows how far it is."""
    footage = dub.talker.footage
    length = ceil(footage.seconds * footage.fps) or dub.to_look_at
    with contextlib.closing(dub.look()) as looks, _bar(min(length, dub.to_look_at), "looking") as bar:
        for seen in looks:
            bar.update(seen - bar.n)


def _bar(total: int, what: str) -> Any:
    """A bar on a terminal, and only there, that says how much time is left."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, unit=" frames", disable=None, leave=False)


@contextlib.contextmanager
def _telling_boxes() -> Iterator[None]:
    """Has the error about several faces say what to type for each."""
    from atvg.errors import SeveralFacesError

    try:
        yield
    except SeveralFacesError as error:
        boxes = [",".join(f"{number:.0f}" for number in box) for box in error.boxes]
        listed = " or ".join(f"--box {box}" for box in boxes[:_MOST_BOXES])
        said = f"{len(boxes)} faces of similar size found; choose one, the largest first: {listed}"
        raise SeveralFacesError(said, error.boxes) from None


def _voice(options: argparse.Namespace) -> "tuple[Audio, list[Cue]]":
    """What is heard, and captions of it if it is a text."""
    from atvg.errors import BadSettingError
    from atvg.voice.speak import VOICES, say_with_cues

    if (options.audio is None) == (options.say is None):
        raise BadSettingError("give either a voice, AUDIO, or a text, --say TEXT")
    if options.say is not None:
        return say_with_cues(options.say, options.speaker or next(iter(VOICES)))
    for name in ("srt", "speaker"):
        if getattr(options, name):
            raise BadSettingError(f"--{name} goes with --say TEXT: nobody knows what AUDIO says")
    return options.audio, []
