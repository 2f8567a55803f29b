"""Whether the parts of the work can be done here: each is done once, on something small."""

import tempfile
from pathlib import Path

from atvg.doctor.finding import Finding
from atvg.errors import ATVGError, CheckpointError


def weights(source: str | None) -> Finding:
    """That each of them can be read whole; what a Hub id names is not fetched."""
    from atvg.checkpoint import load_at_nets, load_ear, load_idle, load_vg_nets, locate, notes

    if source is not None and not Path(source).is_dir():
        raise CheckpointError(f"{source} is no folder on this machine")
    where = locate(source)
    betas, (ears, _) = load_vg_nets(where), load_at_nets(where)
    load_ear(where)
    load_idle(where)
    about = notes(where, "vg_net")
    said = f"VG-net of β {', '.join(f'{beta:g}' for beta in sorted(betas))} ({about.get('step', 'unknown')} steps)"
    return Finding("weights", f"{where}: {said}, AT-net with ear {' and '.join(ears)}, ear, idle motion")


def engine(source: str | None) -> Finding:
    """Which one ``auto`` is, compiled; and why not another."""
    from atvg.animate.engine import ENGINES, check_engine, make_engine
    from atvg.checkpoint import load_vg_net, locate

    net = load_vg_net(locate(source), "vg_net")
    reasons = {}
    for name in ENGINES[1:]:
        try:
            check_engine(name, net)
        except ATVGError as error:
            reasons[name] = str(error).partition("here: ")[2].partition(";")[0]
    chosen = make_engine("auto", net).name
    available = ", ".join(name for name in ENGINES[1:] if name not in reasons)
    said = f"{chosen} (auto); available: {available}; int8 {'no' if 'openvino-int8' in reasons else 'yes'}"
    said += "".join(f"; no {name}: {reason}" for name, reason in reasons.items())
    if chosen == "torch":
        return Finding(
            "engine", said, "warn", "it works, at half the speed; run: pip install --force-reinstall openvino"
        )
    return Finding("engine", said)


def film() -> Finding:
    """A film of one frame, with sound."""
    import imageio_ffmpeg
    import numpy as np

    from atvg.film.video import VideoWriter

    with tempfile.TemporaryDirectory(prefix="atvg-doctor-") as folder:
        path = Path(folder) / "film.mp4"
        with VideoWriter(path, (64, 64), np.zeros(16_000, np.float32)) as writer:
            writer.write(np.zeros((1, 64, 64, 3), np.uint8))
        size = path.stat().st_size
    return Finding("ffmpeg", f"{imageio_ffmpeg.get_ffmpeg_version()} makes MP4 ({size} bytes of one frame)")


def box() -> Finding:
    """Which limits hold for what decodes foreign files."""
    from atvg.bench.samples import sample_photo
    from atvg.box.layers import layers

    sample_photo()  # it is decoded there
    held = layers()
    todo = "give an app that strangers use a Linux of its own: 5.13 or later, with seccomp and Landlock"
    return Finding("decoders", f"run {held}", "ok" if all(held) else "warn", todo)


def detector() -> Finding:
    """Finds the face in a portrait that is installed anyway."""
    from atvg.bench.samples import sample_photo
    from atvg.face.detector import make_detector

    faces = make_detector("mediapipe").detect(sample_photo())
    if len(faces) == 1:
        return Finding("detector", "mediapipe finds the face in a portrait")
    todo = "run: pip install --force-reinstall mediapipe==0.10.21"
    return Finding("detector", f"mediapipe finds {len(faces)} faces in a portrait of one", "fail", todo)


def second_detector() -> Finding:
    """It is asked when it is chosen, and, once its weights are here, when the first finds nobody."""
    from atvg.face.detector import make_detector

    detector = make_detector("face-alignment")
    here = "here" if detector.is_here() else "not here, and fetched if it is chosen"
    return Finding("detector 2", f"{detector.name}: its weights are {here}")


def speech() -> Finding:
    from atvg.voice.speak import VOICES, say

    return Finding("speech", f"eSpeak NG says “one” in {len(say('one')) / 16_000:.1f} s of sound; {len(VOICES)} voices")
