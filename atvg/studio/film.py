"""A film in place of the photo on the Talk tab: its button, what is said of it, and what changes while it is there."""

from contextlib import closing
from typing import Any

import gradio as gr

from atvg.dub.follow import first_faces
from atvg.dub.footage import frames
from atvg.dub.talker import follower_of
from atvg.errors import ATVGError
from atvg.studio.files import Upload, open_film, path_of, save_png
from atvg.studio.settings import PAGE, PRIVATE, RAW
from atvg.studio.studio import Studio


class Film:
    """Brings a film. Its first picture with a face becomes the photo, and is looked at as any photo is.

    As long as that picture is the photo, the film is what is made to speak.
    """

    def __init__(self, studio: Studio):
        self._animator, self._guests = studio.animator, studio.guests

    def show(self) -> None:
        """The button, and what is seen only with a film."""
        self.field = gr.UploadButton(**PAGE["film"])
        self.about = gr.Markdown(visible=False, **PAGE["about_film"])
        self.hold = gr.Checkbox(visible=False, **PAGE["hold"])
        self.picture = gr.Textbox(visible=False, label=PAGE["film_picture"])

    def wire(
        self, photo: gr.Image, consent: gr.Checkbox, generate: gr.Button, dub: gr.Button, notes: list[gr.Markdown]
    ) -> None:
        """A film takes the photo's place, and another photo that of the film.

        Args:
            consent: asks for more while there is a film.
            generate, dub: one of them is seen.
            notes: on tabs that know photos only.
        """
        changing = [self.field, self.picture, self.about, self.hold, consent, generate, dub, *notes]
        self._count = len(changing)
        self.field.upload(
            self.bring, self.field, [photo, *changing], api_visibility="private", concurrency_id="films",
            show_progress="minimal", show_progress_on=photo, **RAW,
        )  # fmt: skip
        photo.change(self.forget, [photo, self.picture], changing, **PRIVATE | RAW)

    def bring(self, film: Upload, request: gr.Request | None = None) -> tuple[Any, ...]:
        """The picture of a film that shows its first face, as the photo; and all that changes with it."""
        try:
            footage = open_film(film)
            with closing(frames(footage)) as pictures:
                at, picture, _ = first_faces(pictures, follower_of(self._animator.detector))
        except ATVGError as error:
            return gr.skip(), *self._without(PAGE["face_problem"].format(error))
        _, folder = self._guests.new_run(request, film)
        with self._guests.removed_on_error(folder):
            path = save_png(picture, folder / "picture.png", made=False)
        rate, (width, height) = float(footage.fps), footage.size
        numbers = {"seconds": f"{footage.seconds:.0f}", "rate": f"{rate:.4g}", "width": width, "height": height}
        said = PAGE["film_found"].format(**numbers, at=f"{at / rate:.1f}")
        return path, *self._changed(gr.skip(), path, said, PAGE["film_consent"], True)

    def forget(self, photo: Upload, picture: str) -> tuple[Any, ...]:
        """Another photo than the film's is there."""
        if picture and path_of(photo) != picture:
            return self._without()
        stay = [gr.skip()] * self._count
        if not picture:  # of a film that could not be used something may still be said
            stay[2] = gr.update(value="", visible=False)
        return tuple(stay)

    def _without(self, said: str = "") -> tuple[Any, ...]:
        return self._changed(None, "", said, PAGE["consent"]["label"], False)

    def _changed(self, field: Any, picture: str, said: str, consent: str, here: bool) -> tuple[Any, ...]:
        seen, hidden = gr.update(visible=here), gr.update(visible=not here)
        about = gr.update(value=said, visible=bool(said))
        asked = gr.update(label=consent, value=False)
        return field, picture, about, seen, asked, hidden, *(seen,) * (self._count - 6)
