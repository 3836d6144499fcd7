"""Building blocks of an offline HTML page: style, script, pictures, tables. The page loads nothing from elsewhere."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from vaebench.atomic import replacing

_CSS = """
:root{color-scheme:light;--ink:#1d2329;--paper:#fff;--quiet:#4a545e;--line:#d5dbe1;--head:#f4f6f8;--note:#fdf6f1;
--mark:#d55e00;--base:#f7f7f4;--edge:#000;--flip:none}
.note.night{display:none}.option{white-space:nowrap}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;--ink:#e4e7ea;--paper:#191919;--quiet:#aeb6be;
--line:#3a4046;--head:#25292d;--note:#2b231c;--mark:#e69f00;--base:#222521;--edge:#fff;
--flip:invert(.9) hue-rotate(180deg)}.note.night,.plot .own .night{display:block!important}.plot .own .day{display:none}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);margin:0 auto;max-width:100rem;
padding:1.5rem 1rem 4rem;background:var(--paper)}h1{font-size:1.6rem;line-height:1.25;margin:0 0 .6rem;
overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--line);
padding-bottom:.25rem}p{max-width:46rem;margin:.5rem 0;overflow-wrap:anywhere}.explain,.hint{border-left:4px solid var(--mark);
background:var(--note);padding:.5rem .9rem;max-width:48rem;margin:.5rem 0}.hint p{margin:0}.hint small{display:block;
margin-top:.2rem}.wide{overflow-x:auto;border:1px solid var(--line);border-radius:4px}table{border-collapse:collapse;
font-size:.875rem;width:100%;font-variant-numeric:tabular-nums}th,td{padding:.35rem .6rem;text-align:left;
vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}th{background:var(--head);font-weight:600}
td.n,th.n{text-align:right}td.wrap{white-space:normal;overflow-wrap:anywhere;min-width:14rem}td small{display:block;
color:var(--quiet);font-size:.75rem}tr.baseline td{background:var(--base)}
tr.baseline td:first-child{box-shadow:inset 3px 0 var(--edge)}
th[aria-sort]{cursor:pointer}th[aria-sort=ascending]::after{content:" ▲"}
th[aria-sort=descending]::after{content:" ▼"}
figure{margin:1.2rem 0}.plot{overflow-x:auto}.plot img{width:750px;min-width:34rem;max-width:100%;height:auto;
display:block;filter:var(--flip)}.plot .own img{filter:none}
.plot .own .night{display:none}.spots{position:relative;width:750px;min-width:34rem;max-width:100%}
.spots svg{position:absolute;inset:0;width:100%;height:100%}
circle{fill:transparent}circle:hover{stroke:var(--edge);stroke-width:2}figcaption,.note{color:var(--quiet);
font-size:.875rem;max-width:46rem}dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.25rem 1rem;
font-size:.9rem}dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere;min-width:0}
dd code{font-size:.85rem;white-space:pre-wrap;user-select:all}button{font:inherit;color:inherit;margin:.6rem 0;
padding:.3rem .8rem;border:1px solid var(--line);border-radius:4px;background:var(--head)}
input.filter{display:block;font:inherit;color:inherit;background:var(--paper);margin:.6rem 0;padding:.3rem .6rem;width:24rem;
max-width:100%;border:1px solid var(--line);border-radius:4px}
@media screen and (min-width:98rem){figure{display:inline-block;vertical-align:top;margin-right:2rem;max-width:750px}}
@media (max-width:36rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}h1{font-size:1.35rem}
figcaption::after{content:" Swipe the figure sideways for the rest."}}
@media print{body{max-width:none;padding:0;font-size:10pt}.wide,.plot{overflow:visible;border:0}
.plot img,.spots{min-width:0}.plot img{width:auto;max-height:23cm}button,input.filter{display:none}
.wide[data-more]:not([data-more=""])::after{content:"and " attr(data-more) " more lines, on the screen";font-size:8pt}
table{font-size:7.5pt}th,td{padding:.15rem .3rem;white-space:normal}td small{font-size:6.5pt;white-space:nowrap}
figure,tr,.explain,.hint{break-inside:avoid}
h2{break-after:avoid}}
"""

_JS = r"""
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0], heads = Array.from(table.tHead.rows[0].cells), limit = Number(table.dataset.first);
  var words = [], all = body.rows.length, button;
  function wanted(row) {
    return words.every(function (word) {
      return Array.from(row.cells).some(function (cell) {
        var text = cell.textContent.toLowerCase();
        return isNaN(word) ? text.includes(word) : text !== "" && Number(text) === Number(word);
      });
    });
  }
  function trim() {
    var shown = 0;
    Array.from(body.rows).forEach(function (row) { row.hidden = !wanted(row) || ++shown > limit; });
    table.parentNode.dataset.more = shown > limit ? shown - limit : "";
    if (button) { button.textContent = "Show all " + shown; button.hidden = shown <= limit; }
  }
  function value(row, i) {
    var v = row.cells[i].dataset.v;
    return v === undefined ? row.cells[i].textContent : v === "" ? NaN : Number(v);
  }
  function sort(head, i) {
    var now = head.getAttribute("aria-sort"), up = now === "none" ? !head.dataset.down : now === "descending";
    heads.forEach(function (h) { h.setAttribute("aria-sort", h === head ? up ? "ascending" : "descending" : "none"); });
    Array.from(body.rows).sort(function (a, b) {
      var x = value(a, i), y = value(b, i);
      if (x !== x || y !== y) return (x !== x) - (y !== y);
      return (typeof x === "number" ? x - y : x.localeCompare(y)) * (up ? 1 : -1);
    }).forEach(function (row) { body.appendChild(row); });
    trim();
  }
  heads.forEach(function (head, i) {
    head.tabIndex = 0; head.setAttribute("aria-sort", "none"); head.onclick = function () { sort(head, i); };
    head.onkeydown = function (e) { if (e.key === "Enter") sort(head, i); };
  });
  if (all <= limit) return;
  var filter = document.createElement("input"); filter.className = "filter"; filter.type = "search";
  filter.placeholder = "Filter " + all + " lines, e.g. " + table.dataset.example; filter.setAttribute("aria-label", "Filter");
  filter.oninput = function () { words = filter.value.toLowerCase().split(/\s+/).filter(Boolean); trim(); };
  button = document.createElement("button");
  button.onclick = function () { limit = Infinity; trim(); };
  table.parentNode.before(filter); table.parentNode.after(button); trim();
});
"""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title><style>{css}</style></head><body><main>{body}</main><script>{js}</script></body></html>
"""
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_WITH_VALUE = re.compile(rf"{_OPTION.pattern}(?: (?!--)\S{{1,16}}(?=\s|$))?")
"""An option and its value, if that is short enough for the line of a phone."""
_WHOLE = r'<span class="option">\g<0></span>'


def text(value: object) -> str:
    """Format a value for people: mappings and sequences in one line, without what is empty, large and small numbers short."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name}: {text(inner)}" for name, inner in value.items() if inner not in (None, "", [], {}, ())
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else str(value)


def definitions(values: Mapping[str, Any]) -> str:
    """Return an HTML list of names and values; empty values are left out."""
    lines = (f"<dt>{escape(str(k))}</dt><dd>{_value(k, v)}</dd>" for k, v in values.items() if v not in (None, {}, []))
    return f"<dl>{''.join(lines)}</dl>"


def _value(name: str, value: object) -> str:
    """Return HTML of a value; a command stands as it is typed in a shell, so that it can be pasted."""
    if name != "command":
        return escape(text(value))
    typed = shlex.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"<code>{_WITH_VALUE.sub(_WHOLE, escape(typed))}</code>"


def whole_options(html: str) -> str:
    """Return HTML in which no option of the command line is broken at the end of a line, where it would be two words."""
    return _OPTION.sub(_WHOLE, html)


def head(name: str, numeric: bool, down: bool = False) -> str:
    """Return the head of a column; with ``down`` the first click sorts downwards, which puts the best on top."""
    first = ' data-down="1"' if down else ""
    kind = ' class="n"' if numeric else ""
    return f"<th{kind}{first}>{escape(name)}</th>"


def cell(shown: str, key: float | None = None) -> str:
    """Return a cell that shows the HTML ``shown``; with ``key`` it is numeric and sorts by it, NaN last."""
    if key is None:
        return f"<td>{shown}</td>"
    # JavaScript reads Infinity as a number, and inf as none
    number = "" if key != key else repr(float(key)).replace("inf", "Infinity")
    return f'<td class="n" data-v="{number}">{shown}</td>'


def sortable(heads: str, rows: Iterable[str], first: int, example: str) -> str:
    """Return a table that is sorted by a click on a head.

    Args:
        heads: HTML of the heads.
        rows: HTML of each row.
        first: rows that are shown before "Show all".
        example: words to filter by.
    """
    data = f'data-first="{first}" data-example="{escape(example)}"'
    body = "".join(rows)
    return f'<div class="wide"><table class="sortable" {data}><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def picture(path: Path, caption: str, spots: Iterable[tuple[float, float, str]] = (), dark: bytes | None = None) -> str:
    """Return a PNG embedded in the page with its caption below.

    Args:
        path: of the PNG.
        caption: plain text.
        spots: left and top as shares of the picture, and the text that is shown when pointing there.
        dark: a PNG for the dark, where colours mean something; without it the style turns the picture's lightness over.
    """
    data = base64.b64encode(path.read_bytes()).decode()
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(caption)}" width="750">'
    if dark is not None:
        # both are in the page and the style shows one, so that a page in the dark is printed in the light
        night = f'<img class="night" src="data:image/png;base64,{base64.b64encode(dark).decode()}" alt="" width="750">'
        day = image.replace("<img ", '<img class="day" ', 1)
        image = f'<div class="own">{day}{night}</div>'
    dots = "".join(
        f'<circle cx="{100 * left:.2f}%" cy="{100 * top:.2f}%" r="5"><title>{escape(text)}</title></circle>'
        for left, top, text in spots
    )
    if dots:
        image = f'<div class="spots">{image}<svg>{dots}</svg></div>'
        caption += f" Point at a dot to see what it is (the best {dots.count('<circle'):,})."
    return f'<figure><div class="plot">{image}</div><figcaption>{escape(caption)}</figcaption></figure>'


def write_page(folder: Path, title: str, introduction: str, sections: Mapping[str, str]) -> Path:
    """Write ``folder/report.html`` atomically and return its path.

    Args:
        folder: where to.
        title: plain text.
        introduction: HTML below the title.
        sections: heading (plain text) -> body (HTML).
    """
    body = "".join(f"<section><h2>{escape(name)}</h2>{content}</section>" for name, content in sections.items())
    page = _PAGE.format(
        title=escape(f"{title} · vaebench"), css=_CSS, js=_JS, body=f"<h1>{escape(title)}</h1>{introduction}{body}"
    )
    target = folder / "report.html"
    with replacing(target) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return target
