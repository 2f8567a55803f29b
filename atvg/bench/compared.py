"""VG-net beside one of the authors' size: how many times as fast it draws."""

import statistics
from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from atvg.animate.drawer import Drawer
from atvg.animate.engine import Engine, make_engine
from atvg.animator import Animator
from atvg.bench.measure import seconds_of
from atvg.config import CROP_SIZE
from atvg.nets.authors import AuthorsATNet, AuthorsVGNet
from atvg.nets.blocks import channels_last

N_FRAMES, AT_ONCE = 50, 10


def time_authors(animator: Animator, photo: np.ndarray, runs: int) -> dict[str, float]:
    """VG-nets of both sizes draw the same number of frames, in turns; ratios are medians over the turns.

    Theirs is drawn by PyTorch. Ours is drawn by the engine that is timed, and by PyTorch as well.
    """
    face = animator.read_face(photo)
    places = np.repeat(face.crop_landmarks[None, :, :2], N_FRAMES, axis=0)
    device = animator.device
    torch.manual_seed(0)
    at_net = AuthorsATNet().to(device).eval()
    vg_net = channels_last(AuthorsVGNet().to(device)).eval()
    picture = torch.rand(1, 3, CROP_SIZE, CROP_SIZE, device=device)
    example, asked = torch.rand(1, 136, device=device), torch.rand(AT_ONCE, 136, device=device)
    windows, codes = torch.rand(AT_ONCE, 28, 12, device=device), torch.rand(1, 6, device=device)

    @torch.inference_mode()
    def theirs() -> None:
        features = vg_net.encode(picture)
        for _ in range(N_FRAMES // AT_ONCE):
            vg_net(picture, features, example, asked).cpu()

    @torch.inference_mode()
    def their_at_net() -> None:
        for _ in range(N_FRAMES // AT_ONCE):
            at_net(windows, codes).cpu()

    def drawn_with(engine: Engine) -> Callable[[], None]:
        def draw() -> None:
            drawer = Drawer(engine, face.crop, face.crop_landmarks[:, :2])
            for first in range(0, N_FRAMES, AT_ONCE):
                drawer.draw(places[first : first + AT_ONCE])

        return draw

    times = _in_turns(
        {
            "ours": drawn_with(animator.engine()),
            "ours_in_pytorch": drawn_with(make_engine("torch", animator.engine().net)),
            "theirs": theirs,
            "their_at_net": their_at_net,
        },
        runs,
    )
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        vg_net(picture, vg_net.encode(picture), example, asked[:1])
    ratios, plain = (
        [b / a for a, b in zip(times[n], times["theirs"], strict=True)] for n in ("ours", "ours_in_pytorch")
    )
    return {
        "parameters": sum(p.numel() for p in vg_net.parameters()),
        "gflop_first_frame": counter.get_total_flops() / 1e9,
        **{f"{name}_frames_per_second": N_FRAMES / statistics.median(seconds) for name, seconds in times.items()},
        "ratio": statistics.median(ratios),
        "least_ratio": min(ratios),
        "greatest_ratio": max(ratios),
        "ratio_in_pytorch": statistics.median(plain),
    }


def _in_turns(contest: dict[str, Callable[[], None]], runs: int) -> dict[str, list[float]]:
    """The seconds of each in every turn, so that what else the machine does hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in contest}
    for work in contest.values():
        work()
    for _ in range(runs):
        for name, work in contest.items():
            times[name] += seconds_of(work, 1, warm=False)
    return times
