"""One HTML file with everything in it: no other file, no script and no address is needed to read it."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from atvg.paper.parts import Cell, Film, Part, Picture, Table

_CSS = """
:root { color-scheme: light dark; --ground: #ffffff; --text: #1b1e25; --muted: #5b6270; --line: #d9dce3;
  --plate: #f4f5f8; --good: #00664c; --bad: #a53c00; --link: #0b5cab; }
@media (prefers-color-scheme: dark) { :root { --ground: #111318; --text: #e8eaef; --muted: #a4abb9; --line: #333844;
  --plate: #1b1e25; --good: #5fd3b0; --bad: #ff9d66; --link: #8cc8ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main, header { max-width: 64rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p, li { max-width: 46rem; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1.25rem 0; }
figure img { display: block; width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 6px; padding: .4rem; }
figure video { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #111318; }
figcaption, caption { color: var(--muted); font-size: .9rem; text-align: left; padding: .35rem 0; max-width: 46rem; }
.wide { overflow-x: auto; margin: 1.25rem 0; }
.wide:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
caption { font-weight: 600; color: var(--text); }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
thead th { background: var(--plate); font-weight: 600; min-width: 5rem; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--ground); min-width: 7rem;
  max-width: 14rem; }
thead th:first-child { background: var(--plate); }
td > span { white-space: nowrap; }
td small { display: block; color: var(--muted); white-space: nowrap; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
@media (max-width: 40rem) { body { font-size: 15px; } th:first-child { min-width: 5.5rem; max-width: 8rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""


def page(title: str, lead: str, about: Mapping[str, str], parts: Sequence[Part]) -> str:
    """The whole page.

    Args:
        lead: one paragraph below the title.
        about: what was run, name and value.

    Returns:
        HTML in which pictures and films lie as base64.
    """
    links = "".join(f'<li><a href="#{escape(part.name)}">{escape(part.title)}</a></li>' for part in parts)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in about.items())
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n<dl>{facts}</dl>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n</header>\n'
        f"<main>\n{''.join(map(_section, parts))}</main>\n</body>\n</html>\n"
    )


def _section(part: Part) -> str:
    inside = [f"<p>{escape(text)}</p>" for text in part.text]
    inside += [_table(table) for table in part.tables]
    if part.points:
        inside.append(f"<ul>{''.join(f'<li>{escape(point)}</li>' for point in part.points)}</ul>")
    inside += [_picture(picture) for picture in part.pictures]
    inside += [_film(film) for film in part.films]
    joined = "\n".join(inside)
    return f'<section id="{escape(part.name)}">\n<h2>{escape(part.title)}</h2>\n{joined}\n</section>\n'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *table.columns))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_cell, cells))}</tr>' for name, cells in table.rows
    )
    caption = escape(table.caption)
    return (  # that can be scrolled with the keyboard
        f'<div class="wide" role="region" tabindex="0" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    mark = f' class="{escape(cell.mark)}"' if cell.mark else ""
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td><span{mark}>{escape(cell.text)}</span>{note}</td>"


def _picture(picture: Picture) -> str:
    return (
        f'<figure><img src="data:image/png;base64,{_base64(picture.path)}" alt="{escape(picture.alt)}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def _film(film: Film) -> str:
    # A film that starts by itself has to be mute; of one that speaks the sound is the point.
    how = "controls playsinline" if film.sound else "controls autoplay muted loop playsinline"
    return (
        f'<figure><video {how} aria-label="{escape(film.caption)}" '
        f'src="data:video/mp4;base64,{_base64(film.path)}"></video>'
        f"<figcaption>{escape(film.caption)}</figcaption></figure>"
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
