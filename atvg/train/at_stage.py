"""Training of AT-net on codes of rotation-free shapes."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.fabric import Fabric
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from atvg.checkpoint import load_ear, locate, save_at_net
from atvg.config import ATNetConfig
from atvg.data.heard import Features, Hearing, Rows, read
from atvg.data.heard_cache import hear_pack
from atvg.data.pack import Clip, read_pack
from atvg.data.speech import SpeechClip, fit_speech, sample_clips
from atvg.data.speech_bank import SpeechBank, SpeechStream, versions_of
from atvg.data.storage import AnyPath
from atvg.nets.at_net import ATNet
from atvg.train import losses
from atvg.train.settings import ATSettings
from atvg.train.stage import Stage, make_player, total, update

_MASK_FRAMES = 1.5  # longest stretch of sound that is blanked


class Batch(NamedTuple):
    """B windows of T frames, with `shift` frames of codes more on either side than of sound."""

    heard: Tensor  # (B, L, C), what the network gets, see `ATNet.forward`
    identity: Tensor  # (B, K_e), of the photo
    manner: Tensor  # (B, K_e), the same with more noise
    target: Tensor  # (B, T + 2·shift, K_z) codes
    inside: Tensor  # (B, T + 2·shift), 1 for those that lie within the clip, else 0
    rest: Tensor  # (B, K_z), the code of the mouth at rest


class Given:
    """What AT-net is called with. No tuple: Fabric would round what lies in one to bfloat16."""

    def __init__(self, batch: Batch):
        self.heard, self.identity, self.manner = batch.heard, batch.identity, batch.manner


class OnePass(nn.Module):
    """A window from its beginning in one `forward`, which is what Fabric's precision and DDP wrap.

    How a face moves may depend less on whose it is than what its photo shows already, so the noise is another.
    """

    def __init__(self, net: ATNet):
        super().__init__()
        self.net = net

    def forward(self, given: Given) -> tuple[Tensor, Tensor]:
        """Codes (B, T, K_z), and the constant part of them (B, 1, K_z)."""
        codes, _ = self.net(given.heard, given.manner, self.net.initial_state(len(given.heard)))
        own = self.net.own(given.identity)[:, None].float()
        return codes.float() - self.net.own(given.manner)[:, None].float() + own, own


class ATStage(Stage[ATNet, ATSettings]):
    """The photo is a random frame of the clip; the target is the offset of every frame of a window from it."""

    name = "at_net"

    def __init__(self, fabric: Fabric, pack_dir: str | AnyPath, settings: ATSettings, config: ATNetConfig):
        self.fabric, self.settings, self.config = fabric, settings, config
        sample = sample_clips(pack_dir, "train")
        self.speech = fit_speech(sample, config.identity_codes, config.motion_codes)
        self.shape = self.speech.shape
        self.hearing, self.bank = self._listen(pack_dir, sample)
        net = ATNet(config)
        self.hearing.prepare(net)
        self._opening = torch.as_tensor(self.shape.opening_per_code(), dtype=torch.float32, device=fabric.device)
        self.players = {"main": make_player(fabric, net, settings, callee=OnePass(net))}

    def _listen(self, pack_dir: str | AnyPath, sample: list[Clip]) -> tuple[Hearing, SpeechBank]:
        """Makes the hearing, and hears the clips; those of a stream as they come in."""
        settings, config, fabric = self.settings, self.config, self.fabric
        clips = []
        if not settings.stream:
            clips = [clip for clip in read_pack(pack_dir, "train", with_frames=False) if clip.sync]
        if config.ear == "none":
            hearing: Hearing = Rows(config, sample, settings.distort, settings.noise)
            tracks = versions_of(hearing, clips, 1, settings.seed)
        else:
            ear = load_ear(locate()).to(fabric.device)
            about = (ear, config, sample, settings.distort, settings.noise, settings.seed)
            if settings.stream:
                hearing = Features(*about)
            else:
                folder = Path(settings.cache) if settings.cache else None
                first = fabric.global_rank == 0
                hearing, tracks = hear_pack(pack_dir, clips, *about, settings.versions, folder, write=first)
        if settings.stream:
            process = (fabric.global_rank, fabric.world_size)
            versions = settings.versions
            return hearing, SpeechStream(pack_dir, "train", self.speech, hearing, versions, settings.seed, *process)
        return hearing, SpeechBank(
            [self.speech.clip(clip).with_sound(track) for clip, track in zip(clips, tracks, strict=True)]
        )

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draws windows, either short ones or fewer long ones."""
        settings = self.settings
        length = settings.long if rng.random() < settings.long_share else settings.short
        length = min(length, self.bank.longest())
        # Fewer of the long windows, so that every batch holds about as many frames.
        count = max(2, round(settings.batch * min(1.0, settings.short / length)))
        drawn = (self._draw(clip, length, rng) for clip in self.bank.draw(rng, count, length))
        heard, *others = map(np.stack, zip(*drawn, strict=True))
        heard = self.hearing.roughen(heard, rng)
        _blank(heard, int(_MASK_FRAMES * self.hearing.per_frame), rng)
        return Batch(*(torch.as_tensor(x, dtype=torch.float32, device=self.fabric.device) for x in (heard, *others)))

    def _draw(self, clip: SpeechClip, length: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """One window of a clip: the members of `Batch`, of which `heard` is a part of the clip's track."""
        settings = self.settings
        tempo = 1 + settings.tempo * rng.uniform(-1, 1)
        tempo = min(tempo, len(clip) / length)
        first = rng.uniform(0, max(0.0, len(clip) - length * tempo))
        # Both tracks are read at the same instants: frame t of the window has its centre at tempo·(t + ½).
        places = first + tempo * (np.arange(-settings.shift, length + settings.shift) + 0.5) - 0.5
        inside = (places >= -0.5) & (places <= len(clip) - 0.5)
        smooth = clip.codes if settings.smooth == 0 else gaussian_filter1d(clip.codes, settings.smooth, axis=0)
        codes = read(smooth, places)
        track = clip.heard[rng.integers(len(clip.heard))]
        heard = self.hearing.read(track, first + tempo * self.hearing.times(length))
        if rng.random() < settings.silence:
            heard, codes = self.hearing.silence(len(heard), rng), np.broadcast_to(clip.rest, codes.shape)
            inside = np.ones_like(inside)
        photo = rng.integers(len(clip))
        identity = self.shape.identity_code(clip.shapes[photo])
        identity = identity + settings.identity_noise * rng.standard_normal(identity.shape)
        manner = identity + settings.manner_noise * rng.standard_normal(identity.shape)
        return heard, identity, manner, codes - clip.codes[photo], inside, clip.rest - clip.codes[photo]

    def step(self, step: int) -> dict[str, Tensor]:
        settings, main = self.settings, self.players["main"]
        batch = self.batch(np.random.default_rng([settings.seed, self.fabric.global_rank, step]))
        codes, own = main.net(Given(batch))
        terms = self._terms(codes, own, batch.target, batch.inside, batch.rest)
        update(self.fabric, main, total(terms), settings.clip_norm)
        return {name: term.detach() for name, term in terms.items()}

    def _terms(self, predicted: Tensor, own: Tensor, target: Tensor, inside: Tensor, rest: Tensor) -> dict[str, Tensor]:
        """The losses by name, of the lag between sound and picture that fits each window best.

        Cutting a broadcast into clips moves sound and picture apart by a frame or two, another way for each clip, and
        a network that is held to the nominal lag learns to blur.
        """
        settings, length = self.settings, predicted.shape[1]
        weights = {
            "codes": 1.0,
            "velocity": settings.velocity,
            "opening": settings.opening,
            "closure": settings.closure,
            "spread": settings.spread,
            "own": settings.own,
        }
        by_lag = []
        for lag in range(2 * settings.shift + 1):
            true, known = target[:, lag : lag + length], inside[:, lag : lag + length]
            found = losses.speech_losses(predicted, own, true, known, rest, self._opening, settings.level)
            by_lag.append({name: weight * found[name] for name, weight in weights.items()})
        stacked = {name: torch.stack([found[name] for found in by_lag], dim=1) for name in weights}  # (B, lags)
        chances = losses.lag_chances(total(stacked).detach(), settings.lag)
        return {name: (chances * values).sum(dim=1).mean() for name, values in stacked.items()}

    def sample(self, net: ATNet) -> None:
        """AT-net draws nothing."""

    def ship(self, net: ATNet, folder: Path, notes: dict[str, Any]) -> None:
        save_at_net(folder, net, self.shape, notes)


def _blank(heard: np.ndarray, longest: int, rng: np.random.Generator) -> None:
    """Two stretches, of `longest` places at most, of each sound (B, L, C) become its mean, in place."""
    for window in heard:
        for start in rng.integers(len(window), size=2):
            window[start : start + rng.integers(longest + 1)] = window.mean(axis=0)
