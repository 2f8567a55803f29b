"""VG-net: one photo + landmarks → frames, by attention between a generated motion map and the photo.

Image and landmarks are encoded apart, fused at 8² by the MMCRNN over time, and decoded with skips from both. All
convolutions run at ≤ 64², between a pixel-unshuffle and a pixel-shuffle. Whatever depends on the photo alone is
computed once per photo, so a frame costs only its landmarks' share.

Motion is drawn over a base: the photo warped by the landmarks, so that skin and lips are carried along with their
texture, and mouth and eyes in layers (`atvg.motion.layers`). The network adds what neither knows, such as new folds.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from atvg.config import CROP_SIZE, N_LANDMARKS, VGNetConfig
from atvg.motion.layers import Layers
from atvg.motion.teeth import Teeth
from atvg.nets.blocks import conv
from atvg.nets.conv_gru import ConvGRU
from atvg.nets.decoder import DecoderStage, Residual, Smooth, StaticAttention
from atvg.nets.ground import Ground, Turned, lay_ground

HEAT_SIZE = 32  # side of the landmark maps
_VECTOR_WIDTH = 256
_MOST_TINT = 0.3  # of [−1, 1]


class PhotoCode(NamedTuple):
    """All that VG-net needs of the photo and its landmarks, for B photos."""

    photo: Tensor  # (B, 3, 128, 128)
    landmarks: Tensor  # (B, 68, 2) crop pixels
    example: Tensor  # what these landmarks add to the encoder of each frame's
    skips: tuple[Tensor, Tensor, Tensor, Tensor]  # what the photo adds at 64², 32², 16² and 8²
    start: Tensor  # (B, hidden, 8, 8), the MMCRNN's state before the first frame
    teeth: Teeth | None = None  # what may come to light between the lips, if the network draws in layers


class Frames(NamedTuple):
    """T generated frames of B clips: ``frame = attention · motion + (1 − attention) · photo``, the photo as turned."""

    frame: Tensor  # (B, T, 3, 128, 128) in [−1, 1]
    attention: Tensor  # (B, T, 1, 128, 128) in [0, 1]
    motion: Tensor  # (B, T, 3, 128, 128) in [−1, 1]


def landmark_maps(landmarks: Tensor, sigma: float) -> Tensor:
    """Landmarks in crop pixels (..., 68, 2) → Gaussian bumps of height 1, (..., 68, 32, 32); σ in cells."""
    cells = torch.arange(HEAT_SIZE, device=landmarks.device, dtype=landmarks.dtype)
    centres = (landmarks + 0.5) * (HEAT_SIZE / CROP_SIZE) - 0.5
    bumps = torch.exp(-0.5 * ((cells - centres[..., None]) / sigma) ** 2)  # (..., 68, 2, 32)
    return bumps[..., 1, :, None] * bumps[..., 0, None, :]


def _per_frame(x: Tensor, steps: int) -> Tensor:
    """What B clips share, for each of their frames: (B, …) → (B·T, …)."""
    return x[:, None].expand(-1, steps, *x.shape[1:]).flatten(0, 1)


class Encoded(NamedTuple):
    """What drives N frames, at the bottom and as skips."""

    at_8: Tensor  # (N, widths, 8, 8)
    at_16: Tensor | None = None  # (N, widths, 16, 16)
    at_32: Tensor | None = None  # (N, widths, 32, 32)


class VGNet(nn.Module):
    """The generator. `encode_photo` once, then `forward` for each stretch of frames, handing the state on.

    What drives a frame is its ``signal``: landmarks here, sound in `atvg.nets.direct_net`.
    """

    landmark_in: nn.Conv2d | nn.Linear
    example_in: nn.Conv2d | nn.Linear
    landmark_encoder: nn.ModuleList | nn.Sequential
    attention_head: nn.Sequential | StaticAttention
    input_ranges: Tensor

    def __init__(self, config: VGNetConfig):
        super().__init__()
        self.config = config
        p64, p32, p16, p8 = config.photo_widths
        d64, d32, d16 = config.decoder_widths
        self.photo_encoder = nn.ModuleList(
            [
                nn.Sequential(nn.PixelUnshuffle(2), conv(12, p64), conv(p64, p64)),
                nn.Sequential(conv(p64, p32, 2), conv(p32, p32)),
                nn.Sequential(conv(p32, p16, 2), conv(p16, p16)),
                nn.Sequential(conv(p16, p8, 2), conv(p8, p8)),
            ]
        )
        self.photo_skips = nn.ModuleList(
            nn.Conv2d(width, out, 3, padding=1)
            for width, out in zip((p64, p32, p16, p8), (d64, d32, d16, config.hidden), strict=True)
        )
        self.start = nn.Conv2d(p8, config.hidden, 1)
        l32, l16 = self._add_encoder(config)
        self.landmark_bottom = nn.Conv2d(config.landmark_widths[-1], config.hidden, 3, padding=1, bias=False)
        self.fuse = nn.Sequential(nn.BatchNorm2d(config.hidden), nn.ReLU())
        self.mmcrnn = ConvGRU(config.hidden, config.hidden)
        self.bottom = Residual(config.hidden)
        self.stages = nn.ModuleList(
            [DecoderStage(config.hidden, l16, d16), DecoderStage(d16, l32, d32), DecoderStage(d32, 0, d64)]
        )
        if config.warp:
            self.warped_64 = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(24, d64, 3, padding=1, bias=False))
            self.warped_32 = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(96, d32, 3, padding=1, bias=False))
        motion = nn.Conv2d(d64, 12, 3, padding=1)
        self.motion_head = nn.Sequential(motion, nn.PixelShuffle(2))
        if config.warp:  # begin with the warped photo itself
            for parameter in motion.parameters():
                nn.init.zeros_(parameter)
        # Begin near "all photo": α that begins at ½ smears the whole picture before it has learnt where to look.
        if config.attention == "dynamic":
            logits = nn.Conv2d(d64, 4, 3, padding=1)
            assert logits.bias is not None  # as of every convolution that is not told otherwise
            nn.init.constant_(logits.bias, -1.0)
            self.attention_head = nn.Sequential(logits, nn.PixelShuffle(2), Smooth(), nn.Sigmoid())
        elif config.attention == "static":
            self.attention_head = StaticAttention(-1.0)

        # Least and greatest input of each of the `frame_layers`, for drawing in 8-bit integers; zeros while unknown.
        self.register_buffer("input_ranges", torch.zeros(len(self.frame_layers()), 2))

    def _add_encoder(self, config: VGNetConfig) -> tuple[int, int]:
        """Adds what reads the signal; returns the channels of its skips at 32² and 16², 0 where there is none."""
        l32, l16, l8 = config.landmark_widths
        # A layer over [target, target − example] is the sum of one over each: the example's part is done once.
        if config.landmark_maps:
            self.landmark_in = nn.Conv2d(N_LANDMARKS, l32, 3, padding=1, bias=False)
            self.example_in = nn.Conv2d(N_LANDMARKS, l32, 3, padding=1, bias=False)
            self.landmark_norm = nn.Sequential(nn.BatchNorm2d(l32), nn.ReLU())
            self.landmark_encoder = nn.ModuleList([conv(l32, l16, 2), conv(l16, l8, 2)])
            return l32, l16
        # Ablation: a vector of coordinates, as in the authors' code.
        self.landmark_in = nn.Linear(2 * N_LANDMARKS, _VECTOR_WIDTH)
        self.example_in = nn.Linear(2 * N_LANDMARKS, _VECTOR_WIDTH, bias=False)
        self.landmark_encoder = nn.Sequential(
            nn.ReLU(), nn.Linear(_VECTOR_WIDTH, l8 * 64), nn.Unflatten(1, (l8, 8, 8)), nn.ReLU()
        )
        return 0, 0

    def frame_layers(self) -> dict[str, nn.Conv2d]:
        """The convolutions that are computed for every frame, by name."""
        once = ("photo_encoder", "photo_skips", "start", "example_in")
        return {n: m for n, m in self.named_modules() if isinstance(m, nn.Conv2d) and not n.startswith(once)}

    def encode_photo(self, photo: Tensor, example: Tensor, teeth: Teeth | None = None) -> PhotoCode:
        """What every frame shares.

        Args:
            photo: (B, 3, 128, 128) in [−1, 1].
            example: (B, 68, 2) its landmarks, crop pixels.
            teeth: what may come to light between its lips; without, a network that draws in layers draws it itself.
        """
        example_code = self.example_in(self._landmarks(example))
        return PhotoCode(photo, example, example_code, *self._photo_features(photo), teeth)

    def _photo_features(self, photo: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor]:
        """Photos (B, 3, 128, 128) → `PhotoCode.skips` and `PhotoCode.start`."""
        features, x = [], photo
        for stage in self.photo_encoder:
            x = stage(x)
            features.append(x)
        at_64, at_32, at_16, at_8 = (skip(feature) for skip, feature in zip(self.photo_skips, features, strict=True))
        return (at_64, at_32, at_16, at_8), torch.tanh(self.start(x))

    def forward(
        self, code: PhotoCode, signal: Tensor, state: Tensor | None = None, turned: Turned | None = None
    ) -> tuple[Frames, Tensor]:
        """Draws T frames.

        Args:
            code: from `encode_photo`, for B photos.
            signal: landmarks (B, T, 68, 2), crop pixels.
            state: MMCRNN state (B, hidden, 8, 8) after the frame before; None at the beginning.
            turned: the photo in the head pose of each frame; None while the head stays as in the photo.

        Returns:
            the frames and the state after the last one.
        """
        made, states = self.paint(code, signal, self.ground(code, signal, turned), state)
        return made, states[:, -1]

    def ground(self, code: PhotoCode, signal: Tensor, turned: Turned | None = None) -> Ground:
        """What each frame is drawn over: the photo, turned or as it is, and its layers, moved by the landmarks."""
        own = Turned(code.photo[:, None], code.landmarks[:, None]) if turned is None else turned
        with torch.autocast(signal.device.type, enabled=False):  # a bfloat16 knows a place to half a pixel
            return lay_ground(self.config, own, signal, code.teeth)

    def paint(
        self, code: PhotoCode, signal: Tensor, ground: Ground, state: Tensor | None = None
    ) -> tuple[Frames, Tensor]:
        """Draws over `ground`: all that is learnt, and nothing but operations that a compiler knows.

        Returns:
            the frames and the state after each of them, (B, T, hidden, 8, 8).
        """
        batch, steps = signal.shape[:2]
        photo, over = ground
        encoded = self._encode(signal.flatten(0, 1), _per_frame(code.example, steps))
        skip_64, skip_32, skip_16, skip_8 = (_per_frame(skip, steps) for skip in code.skips)
        if over is not None:
            both = torch.cat([over.base, photo], dim=1)
            skip_64, skip_32 = skip_64 + self.warped_64(both), skip_32 + self.warped_32(both)

        x = self.fuse(self.landmark_bottom(encoded.at_8) + skip_8).unflatten(0, (batch, steps))
        states = self._remember(x, code.start, state)
        x = self.bottom(states.flatten(0, 1))
        x = self.stages[0](x, skip_16, encoded.at_16)
        x = self.stages[1](x, skip_32, encoded.at_32)
        x = self.stages[2](x, skip_64)
        motion = self._motion(self.motion_head(x), over)
        if self.config.attention == "none":
            frame, attention = motion, torch.ones_like(motion[:, :1])
        else:
            attention = self.attention_head(x)
            if over is not None and self.config.attention == "dynamic":
                # What lips have covered or uncovered is never half there.
                attention = attention + over.changed * (1 - attention)
            frame = attention * motion + (1 - attention) * photo
        return Frames(*(part.unflatten(0, (batch, steps)) for part in (frame, attention, motion))), states

    def _encode(self, signal: Tensor, example: Tensor) -> Encoded:
        """Reads N frames' signals, and for each frame what its photo's own adds."""
        known = self.landmark_in(self._landmarks(signal)) + example
        if not self.config.landmark_maps:
            return Encoded(self.landmark_encoder(known))
        at_32 = self.landmark_norm(known)
        at_16 = self.landmark_encoder[0](at_32)
        return Encoded(self.landmark_encoder[1](at_16), at_16, at_32)

    def _remember(self, x: Tensor, start: Tensor, state: Tensor | None) -> Tensor:
        """The MMCRNN's states (B, T, hidden, 8, 8), from its input, alike, and what it starts from, without T."""
        batch, steps = x.shape[:2]
        if self.config.recurrence == "time":
            return self.mmcrnn(x, start if state is None else state)[0]
        if self.config.recurrence == "batch":  # at each time from one sample to the next; a clip alone has no memory
            return self.mmcrnn(x.transpose(0, 1), _per_frame(start[:1], steps))[0].transpose(0, 1)
        states, _ = self.mmcrnn(x.flatten(0, 1)[:, None], _per_frame(start, steps))
        return states.unflatten(0, (batch, steps))[:, :, 0]

    def _landmarks(self, landmarks: Tensor) -> Tensor:
        """(N, 68, 2) crop pixels → what the landmark encoder reads."""
        if self.config.landmark_maps:
            return landmark_maps(landmarks, self.config.heat_sigma)
        return (landmarks / (CROP_SIZE / 2) - 1).flatten(1)

    def _motion(self, residual: Tensor, over: Layers | None) -> Tensor:
        if over is None:
            return torch.tanh(residual)
        # How light and how tinted it is behind the lips; no more, see `atvg.motion.layers`. Where lids come down there
        # are too few of them in training to do better than their own skin.
        size = over.unknown.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        tint = ((residual * over.unknown).sum(dim=(2, 3), keepdim=True) / size).clamp(-_MOST_TINT, _MOST_TINT)
        motion = over.base + (residual + over.unknown * (tint - residual)) * (1 - over.lids)
        # In training the sum may leave [−1, 1]: cut off there, it would get no gradient that brings it back.
        return motion if self.training else motion.clamp(-1, 1)
