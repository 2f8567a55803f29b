"""What can be disturbed in the pipeline, one stage at a time, and what a good system should make of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """What is changed in one stage (voice, landmarks, network or photo), and what a good system should do."""

    name: str
    title: str
    stage: str
    explanation: str


TROUBLES = {
    trouble.name: trouble
    for trouble in (
        Trouble(
            "shuffled",
            "Voice in pieces",
            "voice",
            "The voice is cut into pieces of 40 to 200 ms and put together in random order: lips that follow the sound "
            "move as much as before, in the new order and no longer in the old one.",
        ),
        Trouble(
            "reversed",
            "Voice backwards",
            "voice",
            "The voice is played backwards: the lips should follow it and so run backwards too, except where the "
            "network expects the order of real speech.",
        ),
        Trouble(
            "silence",
            "Silence",
            "voice",
            "Nothing is heard: the lips should close and rest, whatever the network makes of zeros.",
        ),
        Trouble(
            "music",
            "Music",
            "voice",
            "Chords, an arpeggio and a drum as loud as the voice: nobody speaks, so the lips should rest; a network "
            "that has learnt from speech alone takes every sound for speech.",
        ),
        Trouble(
            "noise",
            "White noise",
            "voice",
            "White noise is added at the signal-to-noise ratio you choose: the lips should go on following the voice.",
        ),
        Trouble(
            "babble",
            "Babble",
            "voice",
            "A crowd made of the same voice talks along at the signal-to-noise ratio you choose: the lips should go on "
            "following the one that is nearest.",
        ),
        Trouble(
            "other_landmarks",
            "Another person's landmarks",
            "landmarks",
            "VG-net gets the landmarks of another face that says the same, laid over this one by eyes, nose and "
            "temples, instead of this face's own plus an offset: it should keep the identity of the photo, and can "
            "only as far as the landmarks let it.",
        ),
        Trouble(
            "frozen",
            "No memory",
            "network",
            "The MMCRNN forgets after every frame, so each is drawn as if it were the first: whatever the recurrence "
            "adds is lost, above all steadiness.",
        ),
        Trouble(
            "attention_0",
            "Attention 0: the photo alone",
            "network",
            "α is 0 everywhere, so frame = photo: nothing moves, and nothing is lost either.",
        ),
        Trouble(
            "attention_1",
            "Attention 1: the motion alone",
            "network",
            "α is 1 everywhere, so frame = motion: it shows what the network would draw where attention usually keeps "
            "the photo; the lips should stay the same and the rest should suffer.",
        ),
        Trouble(
            "occluded",
            "A box over the mouth",
            "photo",
            "An opaque box hides part of the photo, the landmarks stay: a good system would leave the box alone, or "
            "draw a mouth over it; stretching the box like skin is neither.",
        ),
    )
}
