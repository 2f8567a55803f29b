"""The command line. Bad input prints one line, ``error: …``, leaves no output file and exits with 2."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from atvg.config import EARS, VERSION
from atvg.data.storage import as_path
from atvg.errors import ATVGError, BadSettingError, OutputError
from atvg.motion.turn import turn_face


class _Parser(argparse.ArgumentParser):
    """Usage errors in the same form as every other: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        raise BadSettingError(f"{message}; see {self.prog} --help")


def program() -> int:
    """What the shell runs: `main`, without what native libraries write to the terminal."""
    from atvg.face.mediapipe import silence_native_logs

    silence_native_logs()
    signal.signal(signal.SIGTERM, _terminated)
    return main()


def _terminated(*_: object) -> NoReturn:
    """As Ctrl-C does: whatever is being made is undone on the way out."""
    raise SystemExit(128 + signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except ATVGError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed; run: pip install -e '.[train]'", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `atvg … | head` is no error, but Python would complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("error: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="atvg", description="One face photo + speech → a video of that face saying it.")
    parser.add_argument("--version", action="version", version=f"atvg {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for add in (_add_animate, _add_prepare, _add_train, _add_evaluate, _add_paper, _add_teeth, _add_bench, _add_app):
        add(commands)
    return parser


def _add_animate(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("animate", help="make a photo speak", description="Makes a photo speak.")
    command.add_argument("photo", metavar="PHOTO", help="a picture with one face")
    command.add_argument("audio", metavar="AUDIO", help="speech: any sound or video file")
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
    command.add_argument("--arrays", metavar="A.npz", help="every frame, map, landmark and code")
    command.add_argument(
        "--ear", default=EARS[0], help="'whisper': AT-net hears through the trained ear (default); 'none': MFCC windows"
    )
    command.add_argument("--natural", action="store_true", help="let the head move a little and the eyes blink")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the natural motion (default 0)")
    _add_weights(command)
    command.set_defaults(run=_animate)


def _add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", metavar="DIR", help="folder or Hub id of the weights (default: the shipped ones)")
    command.add_argument(
        "--engine", default="auto", help="what VG-net is drawn with: auto (default), torch, openvino, openvino-int8"
    )


def _animate(options: argparse.Namespace) -> None:
    from atvg.animate.settings import make_settings
    from atvg.animator import Animator
    from atvg.face.placing import parse_place
    from atvg.film.output import check_output
    from atvg.film.render import render
    from atvg.motion.pose import Pose

    pose = Pose(options.yaw, options.pitch, options.roll)
    settings = {
        "beta": options.beta, "mouth_gain": options.mouth_gain, "smoothing": options.smoothing,
        "teeth": options.teeth, "ear": options.ear, "natural": options.natural, "seed": options.seed,
    }  # fmt: skip
    make_settings(settings)
    place = parse_place(options.box, options.points)
    check_output(options.output)
    animator = Animator.from_pretrained(options.weights, detector=options.detector, engine=options.engine)
    face = turn_face(animator.read_face(options.photo, **place), pose)
    chunks = animator.stream(face, options.audio, **settings)
    frames = render(
        face, chunks, options.audio, options.output,
        frame=options.frame, panels=options.panels, arrays=options.arrays,
    )  # fmt: skip
    print(f"{options.output}: {frames} frames")


def _add_prepare(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "prepare",
        help="talking clips → training pack",
        description="Talking clips → training pack. Each folder may be a URL that fsspec knows, such as s3://bucket/clips.",
    )
    command.add_argument("clips", metavar="CLIPS_DIR", type=as_path, nargs="?")
    command.add_argument("-o", "--output", metavar="PACK_DIR", type=as_path, required=True)
    command.add_argument("--layout", default="folder", help="of CLIPS_DIR: folder (default), lrw, grid or voxceleb")
    command.add_argument("--stills", metavar="STILLS_DIR", type=as_path, help="photographs, several of a person")
    command.add_argument("--workers", type=int, metavar="N", help="clips at a time (default: one per core)")
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="work on a Ray cluster: HOST:PORT, 'auto' (the one that this machine belongs to) or 'local' (of this "
        "machine alone, while it is needed); its machines must share the folders, or find them by URL",
    )
    command.set_defaults(run=_prepare)


def _prepare(options: argparse.Namespace) -> None:
    from atvg.data.prepare import prepare

    if options.workers is not None and options.workers < 1:
        raise BadSettingError(f"--workers is {options.workers}; give at least 1")
    if options.clips is None and options.stills is None:
        raise BadSettingError("nothing to prepare; give CLIPS_DIR, --stills STILLS_DIR or both")
    report = prepare(
        options.clips, options.output, options.workers,
        layout=options.layout, stills_dir=options.stills, ray=options.ray,
    )  # fmt: skip
    print(json.dumps(report, indent=1))


def _add_train(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("train", help="train a network on a pack, or collect idle motion from it")
    command.add_argument(
        "stage", choices=("at", "vg", "idle", "sync", "chung", "zhou", "wiles"),
        help="AT-net, VG-net, natural motion, the sync expert, or a system that ATVG is compared with",
    )  # fmt: skip
    command.add_argument("-p", "--pack", metavar="PACK_DIR", type=as_path, required=True)
    command.add_argument("-o", "--output", metavar="RUN_DIR", type=Path, required=True)
    command.add_argument("--minutes", type=float, metavar="M", help="stop cleanly after M minutes")
    command.add_argument("--resume", action="store_true", help="go on from RUN_DIR's last state")
    command.add_argument("--init", metavar="DIR", type=Path, help="weights a new VG-net run begins with (fine-tuning)")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    command.add_argument("--devices", type=int, default=1, metavar="N")
    command.add_argument("--nodes", type=int, default=1, metavar="M")
    command.add_argument("--precision", metavar="P", help="as Lightning Fabric names them, for instance bf16-mixed")
    command.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> None:
    if options.stage == "idle":
        _fit_idle(options)
        return
    from atvg.train.run import train

    overrides = {}
    for text in options.overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadSettingError(f"--set {text!r} is not KEY=VALUE")
        overrides[key.strip()] = value.strip()
    train(
        options.stage, options.pack, options.output, options.minutes, options.resume, overrides,
        options.devices, options.nodes, options.precision, options.init,
    )  # fmt: skip


def _fit_idle(options: argparse.Namespace) -> None:
    # One pass over the pack: there is nothing to stop, to go on with, to set or to spread over devices.
    unused = {"minutes": None, "resume": False, "set": [], "devices": 1, "nodes": 1, "precision": None, "init": None}
    for name, default in unused.items():
        if getattr(options, "overrides" if name == "set" else name) != default:
            raise BadSettingError(f"train idle has no --{name}: it reads the pack once; leave --{name} out")
    from atvg.checkpoint import save_idle
    from atvg.data.idle import fit_idle

    model = fit_idle(options.pack)
    found = {"sequences": len(model.pose_lengths), "frames": len(model.poses), "blinks": len(model.blink_lengths)}
    save_idle(options.output, model, found)
    print(f"{options.output}: " + ", ".join(f"{count} {name}" for name, count in found.items()))


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("evaluate", help="measure the weights on a split of a pack")
    command.add_argument("-p", "--pack", metavar="PACK_DIR", type=as_path, required=True)
    command.add_argument("--split", default="val", metavar="NAME")
    command.add_argument("-o", "--output", metavar="REPORT.json", type=Path, required=True)
    command.add_argument("--frames", type=int, metavar="N", help="of each clip, the first N only: a quick comparison")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes that measure (default 1)")
    command.add_argument(
        "--photos", metavar="DIR", help="also animate the photographs in DIR, and measure detail at their resolution"
    )
    command.add_argument(
        "--closures", action="store_true",
        help="measure only whether lips close on p, b and m and in silence; it draws nothing, so a whole split takes "
        "seconds. Needs clips of the GRID corpus, whose names spell their sentences; without this flag the report has "
        "it too, where the split has such clips",
    )  # fmt: skip
    _add_weights(command)
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from atvg import checkpoint
    from atvg.evaluation.closures import evaluate_closures, measure_weights
    from atvg.evaluation.hearing import measure_live
    from atvg.evaluation.photographs import find_photographs, measure_photographs
    from atvg.evaluation.protocol import evaluate
    from atvg.evaluation.report import closures, to_markdown, write_json
    from atvg.evaluation.rows import evaluated_rows
    from atvg.film.output import check_output

    if options.frames is not None and options.frames < 2:
        raise BadSettingError(f"--frames is {options.frames}; give at least 2")
    if options.workers < 1:
        raise BadSettingError(f"--workers is {options.workers}; give at least 1")
    if options.closures and (options.photos is not None or options.frames is not None):
        raise BadSettingError("--closures measures nothing else, on whole clips; leave out --photos and --frames")
    check_output(options.output, ".json")
    album = None if options.photos is None else find_photographs(options.photos)
    folder = checkpoint.locate(options.weights)
    if options.closures:
        result = evaluate_closures(options.pack, options.split, folder)
        write_json(result, options.output)
        print(closures(result["closures"]))
        return
    make_rows = partial(evaluated_rows, folder, options.engine)
    make_rows()  # what is wrong with the weights is said here, not by a process that ends
    notes = {name: checkpoint.notes(folder, name) for name in (checkpoint.AT_NET, checkpoint.VG_NET)}
    limits = {"frames": options.frames, "workers": options.workers}
    result = evaluate(options.pack, options.split, make_rows, notes, **limits)
    lips = measure_weights(options.pack, options.split, folder)
    if lips is not None:
        result["closures"] = lips
    live = measure_live(options.pack, options.split, folder) if options.frames is None else None
    if live is not None:
        result["live"] = live
    if album is not None:
        measured = measure_photographs(album, options.pack, options.split, folder, options.engine, **limits)
        result["photographs"] = measured
    write_json(result, options.output)
    print(to_markdown(result))


def _add_paper(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("paper", help="measure and draw the paper's table and figures again, on a pack")
    command.add_argument("-p", "--pack", metavar="PACK_DIR", type=as_path, required=True)
    command.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    command.add_argument("--split", default="val", metavar="NAME")
    command.add_argument("--frames", type=int, metavar="N", help="of each clip, the first N only: a quick look")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes that measure (default 1)")
    command.add_argument("--parts", metavar="A,B,…", help="some of: table, ablations, fig1, fig5a, fig5b, fig6, fig7")
    _add_weights(command)
    command.set_defaults(run=_paper)


def _paper(options: argparse.Namespace) -> None:
    from atvg.paper.run import PAGE, PARTS, paper

    parts = tuple(PARTS) if options.parts is None else [part.strip() for part in options.parts.split(",")]
    written = paper(
        options.pack, options.output, options.split, options.frames, options.workers, parts, options.weights,
        options.engine,
    )  # fmt: skip
    print(f"{options.output / PAGE}: {', '.join(parts)}; {len(written)} files")


def _add_teeth(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("teeth", help="cut the teeth of smiling people out of their photos, for other mouths")
    command.add_argument("donors", metavar="DONORS_DIR", type=Path)
    command.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    command.add_argument("--skip", metavar="A,B,…", default="", help="names of photos, without ending, to leave out")
    command.add_argument("--detector", default="auto", help="auto (default), mediapipe or face-alignment")
    command.set_defaults(run=_teeth)


def _teeth(options: argparse.Namespace) -> None:
    from atvg.data.donors import make_donors
    from atvg.face.detector import make_detector

    skip = tuple(name.strip() for name in options.skip.split(","))
    names = make_donors(options.donors, options.output, make_detector(options.detector), skip)
    print(f"{options.output}: {', '.join(names)}")


def _add_bench(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("bench", help="speed and memory of every stage")
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.add_argument("--runs", type=int, default=5, metavar="N", help="timed runs of each stage (default 5)")
    command.add_argument("--seconds", type=float, default=8.0, metavar="S", help="of audio (default 8)")
    command.add_argument("--against", metavar="authors", help="also time networks of the authors' sizes, in turns")
    command.add_argument("--curve", action="store_true", help="also render 5 s to 10 min of audio (6 minutes of work)")
    _add_weights(command)
    command.set_defaults(run=_bench)


def _bench(options: argparse.Namespace) -> None:
    from atvg.bench.run import bench
    from atvg.bench.table import to_table

    result = bench(options.weights, options.runs, options.seconds, options.engine, options.against, options.curve)
    print(json.dumps(result, indent=1) if options.json else to_table(result))


def _add_app(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("app", help="open the Gradio app")
    command.add_argument("--port", type=int, metavar="N", help="default: the first free one from 7860")
    command.set_defaults(run=_app)


def _app(options: argparse.Namespace) -> None:
    # The app stands beside the package, as Hugging Face Spaces wants it, and uses it; never the other way round.
    path = Path(__file__).resolve().parent.parent / "app.py"
    if not path.is_file():
        raise OutputError("app.py is not beside the atvg package; run this from a clone of the repository")
    environment = dict(os.environ)
    if options.port is not None:
        environment["GRADIO_SERVER_PORT"] = str(options.port)
    os.execve(sys.executable, [sys.executable, str(path)], environment)
