"""Stages are broken, and known failures are made to happen."""

import re

import pytest
from gradio_client.exceptions import AppError

from tests.studio.files import path_of


def test_a_stage_is_broken_and_measured(client, photo, syllable):
    """Another person's landmarks need no second upload."""
    video, finding, table = client.predict(photo, syllable, "other_landmarks", api_name="/break_it")
    assert path_of(video).suffix == ".mp4" and len(finding) > 20
    assert len(table["headers"]) == 3 and len(table["data"]) > 3


@pytest.mark.parametrize(("name", "wrong"), [("/ablate", []), ("/break_it", "gravity")])
def test_what_is_unknown_is_explained(client, photo, voice, name, wrong):
    with pytest.raises(AppError, match=f"{re.escape(str(wrong))}.*choose from"):
        client.predict(photo, voice, wrong, api_name=name)


@pytest.mark.long  # each is made by a quick test of `atvg.lab.failures`
def test_known_failures_come_with_their_causes(client, photo, syllable):
    gallery = client.predict(photo, syllable, api_name="/show_failures")
    assert len(gallery) >= 6
    assert all(len(entry["caption"]) > 40 and path_of(entry["image"]).is_file() for entry in gallery)
