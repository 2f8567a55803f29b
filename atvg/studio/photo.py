"""The photo on the Talk tab: its field, the check beside it, and where in it the face is."""

import math
from contextlib import suppress
from typing import Any

import gradio as gr
import numpy as np

from atvg.errors import ATVGError, FaceTooSmallError, LyingPhotoError, NoFaceError, SeveralFacesError
from atvg.face.advice import advise
from atvg.face.detection import Detection
from atvg.show.sketch import sketch_boxes, sketch_face, sketch_points
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, is_shown, open_photo, save_png, turned_copy, typed_place
from atvg.studio.film import Film
from atvg.studio.settings import CHECKING, MAX_SIDE, PAGE, POINTS, PRIVATE, QUICK, RAW
from atvg.studio.studio import Studio


class Photo:
    """Brings a photo, and says before any work whether a face is found in it."""

    def __init__(self, studio: Studio):
        self._animator, self._guests, self.film = studio.animator, studio.guests, Film(studio)

    def show(self) -> None:
        """The photo beside what was found in it, room for examples, and its place by hand."""
        gr.Markdown(PAGE["step_photo"], elem_classes="step")
        with gr.Row(elem_id="faces"):
            self.field, self.check = gr.Image(**PAGE["photo"]), gr.Image(**PAGE["check"])
        self.said = gr.Markdown(PAGE["face_hint"], **PAGE["said"])
        self.film.show()
        self.turn = gr.Button(**PAGE["turn"])
        self.report = gr.JSON(visible=False, label=PAGE["report"])
        self.faces = gr.Radio([], **PAGE["faces"])
        self.examples = gr.Column()
        with gr.Accordion(**PAGE["place"]):
            gr.Markdown(PAGE["about_place"], elem_classes="caption")
            self.place = [gr.Textbox(**PAGE[name]) for name in ("box", "points")]

    def wire(self) -> None:
        """Every new photo, and every new place, is checked."""
        checking = {
            "fn": self.check_face, "inputs": [self.field, *self.place],
            "outputs": [self.check, self.said, self.report], "show_progress": "minimal",
        } | CHECKING  # fmt: skip
        choosing = {
            "fn": self.choices,
            "inputs": [self.report, self.film.picture],
            "outputs": [self.faces, self.turn],
        } | PRIVATE
        # A place belongs to one photo: the next one begins without.
        begun = self.field.change(self.begin, self.field, [self.field, *self.place], **PRIVATE | RAW)
        begun.then(**checking, api_name="check_face").then(**choosing)
        gr.on([field.submit for field in self.place], **checking, api_visibility="private").then(**choosing)
        chosen = self.faces.input(lambda box: (box, ""), self.faces, self.place, **PRIVATE)
        chosen.then(**checking, api_visibility="private").then(**choosing)
        self.check.select(
            self.mark, [self.field, self.report, self.place[1]],
            [*self.place, self.check, self.said, self.report], **QUICK,
        ).then(**choosing)  # fmt: skip
        self.turn.click(self.turn_photo, [self.field, self.report], self.field, **QUICK)

    def begin(self, photo: Upload, request: gr.Request | None = None) -> tuple[Any, str, str]:
        """A new photo has no place yet."""
        return self.visible(photo, request), "", ""

    def visible(self, photo: Upload, request: gr.Request | None = None) -> Any:
        """A photo's field: it is shown as a JPEG if browsers do not know its format, as with HEIC."""
        with suppress(ATVGError):  # whoever reads it says what is wrong
            if photo and not is_shown(photo):
                return self._turned(photo, 0, request)
        return gr.skip()

    def turn_photo(self, photo: Upload, report: dict[str, Any], request: gr.Request | None = None) -> str:
        """The photo as the check found that it has to be turned."""
        with explaining():
            return self._turned(photo, report["turned"] // 90, request)

    def _turned(self, photo: Upload, quarters: int, request: gr.Request | None) -> str:
        _, folder = self._guests.new_run(request, photo)
        with self._guests.removed_on_error(folder):
            return turned_copy(photo, quarters, folder)

    def check_face(
        self, photo: Upload, box: str = "", points: str = "", request: gr.Request | None = None
    ) -> tuple[str | None, str, dict[str, Any]]:
        """Looks for the face in a photo and says what would spoil the result, before any work is done.

        Args:
            photo: a picture with one face, or with one placed by hand.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.

        Returns:
            A picture: the crop with its landmarks, or else the photo, with all faces if there are several. What was
            found, in words. And the same as data: whether a face was found, boxes of the faces (x, y, width, height in
            pixels of the photo), warnings, and by how many degrees counter-clockwise the photo must be turned.
        """
        report: dict[str, Any] = {"found": False, "faces": [], "warnings": [], "turned": 0}
        if not photo:
            return None, PAGE["face_hint"], report
        _, folder = self._guests.new_run(request, photo)
        shown: np.ndarray | None = None
        scale, small = 1.0, False
        try:
            shown, scale = open_photo(photo)
            face = self._animator.read_face(shown, **typed_place(box, points, scale))
            advice = advise(face)
            seen = Detection(face.landmarks, face.mesh).box
            report |= {"found": True, "faces": [_unscaled(seen, scale)], "warnings": [vars(a) for a in advice]}
            said = "\n\n".join([PAGE["face_found"], *(PAGE["face_warning"].format(a.message) for a in advice)])
            shown, small = sketch_face(face), "small" in {a.kind for a in advice}
        except SeveralFacesError as error:
            report["faces"] = [_unscaled(found, scale) for found in error.boxes]
            assert shown is not None  # in which several were found
            shown, said = sketch_boxes(shown, error.boxes), PAGE["faces_several"].format(len(error.boxes))
        except LyingPhotoError as error:
            report["turned"] = error.turn
            said = PAGE["face_lying"].format(error)
        except NoFaceError as error:
            said = PAGE["face_missing"].format(error)
        except ATVGError as error:
            said, small = PAGE["face_problem"].format(error), isinstance(error, FaceTooSmallError)
        if small and scale < 1:
            said += "\n\n" + PAGE["face_shrunk"].format(MAX_SIDE)
        with self._guests.removed_on_error(folder):
            return None if shown is None else save_png(shown, folder / "face.png", made=False), said, report

    def choices(self, report: dict[str, Any], film: str) -> tuple[Any, Any]:
        """The faces to choose from, by their boxes, and the button that turns a photo which lies; but no film."""
        boxes = [] if report["found"] else report["faces"]
        names = [(PAGE["face_number"].format(i), ", ".join(map(str, box))) for i, box in enumerate(boxes, 1)]
        return gr.update(choices=names, value=None, visible=bool(boxes)), gr.update(
            visible=bool(report["turned"] and not film)
        )

    def mark(
        self,
        photo: Upload,
        report: dict[str, Any],
        points: str,
        click: gr.SelectData,
        request: gr.Request | None = None,
    ) -> tuple[Any, ...]:
        """A click into the photo chooses a face, or sets the next of its five points → box, points, and the check."""
        stay = (gr.skip(),) * 5
        if report["found"] or not photo:
            return stay
        with explaining():
            picture, scale = open_photo(photo)
            x, y = (value / scale for value in click.index)
            if report["faces"]:
                away = {math.dist((x, y), (b[0] + b[2] / 2, b[1] + b[3] / 2)) / max(b[2:]): b for b in report["faces"]}
                if min(away) > 1:  # on a phone small faces are hard to hit
                    return stay
                box = ", ".join(map(str, away[min(away)]))
                return box, "", *self.check_face(photo, box, "", request)
            numbers = [*(typed_place(None, points, 1).get("points", [])[: 2 * (POINTS - 1)]), round(x), round(y)]
            points = ", ".join(f"{number:g}" for number in numbers)
            if len(numbers) == 2 * POINTS:
                return "", points, *self.check_face(photo, "", points, request)
            dots = sketch_points(picture, np.reshape(numbers, (-1, 2)) * scale)
            _, folder = self._guests.new_run(request)
            with self._guests.removed_on_error(folder):
                path = save_png(dots, folder / "points.png", made=False)
            return "", points, path, PAGE["points_next"][len(numbers) // 2], report


def _unscaled(box: tuple[float, float, float, float], scale: float) -> list[int]:
    """In pixels of the photo as it was brought."""
    return [round(value / scale) for value in box]
