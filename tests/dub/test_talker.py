"""Who looks for faces in films."""

from atvg.dub.talker import follower_of
from atvg.face.detector import FirstThatFinds
from atvg.face.face_alignment import FaceAlignmentDetector
from atvg.face.mediapipe import MediaPipeDetector


def test_what_finds_faces_in_photos_finds_them_in_films_if_it_can():
    """Its models are loaded already; new ones take 50 MB."""
    one, other = MediaPipeDetector(), FaceAlignmentDetector()
    assert follower_of(one) is one
    assert follower_of(FirstThatFinds(one, other)) is one
    assert isinstance(follower_of(other), MediaPipeDetector)
