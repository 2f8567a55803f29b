"""A link that carries the settings: the page's address says what is chosen, and a page opened by it begins with that.

Neither a photo nor a voice is in it, unless it is one of the examples, by its name.
"""

import json
import math
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from atvg.studio.examples import PORTRAITS, VOICES_AT_HAND
from atvg.studio.settings import PAGE, PRIVATE, QUICK, asset
from atvg.studio.talk import Talk

EXAMPLES = {
    name: {path.stem: path for path in paths} for name, paths in (("photo", PORTRAITS), ("voice", VOICES_AT_HAND))
}
_LONGEST = 2000  # characters of an address that is read
_ON, _OFF = ("true", "1", "on"), ("false", "0", "off")
_READ = """() => {
  const query = window.location.search;
  window.linkRead = true;
  window.linkPart = /[?&](start|end)=/.test(query);
  return query;
}"""


class Link:
    """Writes the address whenever something is chosen, and reads it when the page is opened."""

    def __init__(self, talk: Talk):
        self._controls = talk.controls.named() | dict(zip(("start", "end"), talk.voice.part, strict=True))
        self._controls["hold"] = talk.photo.film.hold
        self._fields: dict[str, gr.components.Component] = {"photo": talk.photo.field, "voice": talk.voice.field}
        self._copy = talk.result.copy
        self._first, *_ = PAGE["tabs"]

    def wire(self, page: gr.Blocks, tabs: gr.Tabs) -> None:
        """Reading, writing and copying."""
        everything = self._controls | self._fields
        query = gr.Textbox(visible=False)
        page.load(self.read, query, [*everything.values(), tabs], js=_READ, **QUICK)
        write = f"(...values) => {{ ({asset('link.js')})({json.dumps(self._told())}, values); }}"
        gr.on(
            [component.change for component in everything.values()], None, [*everything.values()], None,
            js=write, **PRIVATE,
        )  # fmt: skip
        tabs.select(
            None, [*everything.values()], None,
            js=f"(...values) => requestAnimationFrame(() => ({write})(...values))", **PRIVATE,
        )  # fmt: skip
        self._copy.click(self.copied, None, None, js=asset("copy.js"), **QUICK)

    def _told(self) -> dict[str, Any]:
        """What the page has to know to write an address."""
        return {
            "names": [*self._controls, *self._fields],
            "defaults": {name: control.value for name, control in self._controls.items()},
            "examples": {name: {str(path): stem for stem, path in known.items()} for name, known in EXAMPLES.items()},
            "tab": self._first,
        }

    def read(self, query: str) -> list[Any]:
        """What an address says, for the controls, photo, voice and tabs; what it says wrongly is left out."""
        said = parse_qs(str(query or "")[:_LONGEST].removeprefix("?"))
        updates: list[Any] = []
        wrong = []
        for name in (*self._controls, *self._fields, "tab"):
            update = gr.skip()
            if name in said:
                try:
                    update = self._update(name, said[name][-1])
                except ValueError:
                    wrong.append(name)
            updates.append(update)
        if wrong:
            gr.Warning(PAGE["link_wrong"].format(", ".join(wrong)))
        return updates

    def _update(self, name: str, text: str) -> Any:
        """Raises ValueError if a control cannot take it; numbers out of range are brought into it."""
        if name == "tab":
            if text not in PAGE["tabs"]:
                raise ValueError(text)
            return gr.Tabs(selected=text)
        if name in EXAMPLES:
            path: Path | None = EXAMPLES[name].get(text)
            if path is None:
                raise ValueError(text)
            return str(path)
        return _value(self._controls[name], text)

    def copied(self) -> None:
        """Says that the link is in the clipboard."""
        gr.Info(PAGE["link_copied"])


def _value(control: Any, text: str) -> Any:
    """What a control is set to by what an address says of it."""
    if isinstance(control, gr.Checkbox):
        if text.lower() not in _ON + _OFF:
            raise ValueError(text)
        return text.lower() in _ON
    if isinstance(control, gr.Radio):
        if text not in (value for _, value in control.choices):
            raise ValueError(text)
        return text
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    low, high = control.minimum, control.maximum
    number = min(max(number, -math.inf if low is None else low), math.inf if high is None else high)
    return round(number) if getattr(control, "precision", None) == 0 or number == round(number) else number
