"""``atvg animate``: a photo and a voice → a video."""

import argparse
from typing import TYPE_CHECKING

from atvg.cli.weights import add_weights
from atvg.config import EARS, SAMPLE_RATE

if TYPE_CHECKING:
    from atvg.voice.audio import Audio
    from atvg.voice.captions import Cue


def add_animate(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("animate", help="make a photo speak", description="Makes a photo speak.")
    command.add_argument("photo", metavar="PHOTO", help="a picture with one face")
    command.add_argument("audio", metavar="AUDIO", nargs="?", help="speech: any sound or video file")
    command.add_argument("--say", metavar="TEXT", help="speak this text instead, with a synthetic voice, offline")
    command.add_argument("--speaker", metavar="NAME", help="who says it; a wrong name lists all (default: English)")
    command.add_argument("-o", "--output", metavar="OUT.mp4", required=True)
    command.add_argument(
        "--frame", default="full",
        help="'full': the whole photo (default); 'face': a close-up in the photo's own pixels, at most 512; "
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
    command.add_argument("--box", metavar="X,Y,W,H", help="where the face is, pixels: brows to chin, jaw to jaw")
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
    from tqdm import tqdm

    from atvg.animate.settings import make_settings
    from atvg.animator import Animator
    from atvg.face.placing import parse_place
    from atvg.film.output import check_output, outputs, write_text
    from atvg.film.render import rendering
    from atvg.motion.pose import Pose
    from atvg.motion.turn import turn_face
    from atvg.voice.audio import Cut, load_audio, n_video_frames
    from atvg.voice.captions import to_srt, within

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
    face = turn_face(animator.read_face(options.photo, **place), pose)
    steps = rendering(face, animator.stream(face, wave, **settings), voice, wanted)
    with tqdm(total=n_video_frames(wave), unit=" frames", disable=None, leave=False) as bar:  # on a terminal only
        for done, _ in steps:
            bar.update(done - bar.n)
    if srt:
        write_text(srt, to_srt(within(cues, voice.start, voice.start + len(wave) / SAMPLE_RATE)))
    print(f"{options.output}: {done} frames")


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
