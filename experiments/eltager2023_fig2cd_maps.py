"""Fig. 2C and D of eltager2023: two embeddings of equal validation loss, one with good clusters and one without.

    python experiments/eltager2023_fig2cd_maps.py --rows runs/eltager2023/pancan_eb-eltager2023_scaled --out results/fig2cd
    python experiments/eltager2023_fig2cd_maps.py --preset smoke --out runs/smoke

Takes one model (`--model`, default: the one with the largest difference). Among its trainings with losses within 2% of each
other it takes the two whose ARIs differ most. It trains both again with their seeds and draws their embeddings in two
dimensions, coloured by type. One or two minutes. The study's pair: losses of about 1, ARI 0.72 and 0.01.
Deviates: t-SNE of scikit-learn, not UMAP, which is not a dependency of this package.

Writes OUT/maps.png and OUT/maps.csv (sample, label, coordinates of both).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from eltager2023_fig2_losses import equal_loss
from eltager2023_grid import smoke_run
from matplotlib.figure import Figure
from scripts import Parser, add_reading, described, entry, retrained, rows_of, write

from vaebench.analysis.importance import hyperparameters
from vaebench.analysis.settings import ARI, LOSS, setting_text, usable
from vaebench.errors import InputError
from vaebench.figures import style
from vaebench.types import Dataset


def map_of(z: np.ndarray) -> np.ndarray:
    """t-SNE coordinates [N, 2] of z [N, L], started at its principal components."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(z)


def maps_figure(maps: Sequence[np.ndarray], names: Sequence[str], data: Dataset, note: str) -> Figure:
    """Both maps side by side, a colour and marker a type."""
    figure, axes = style.new_figure(4.9, 1, 2)
    assert data.labels is not None
    for ax, at, name in zip(axes, maps, names, strict=True):
        for i, label in enumerate(data.label_names):
            mine = data.labels == i
            colour, mark = (
                style.PALETTE[i % len(style.PALETTE)],
                style.MARKERS[i // len(style.PALETTE) % len(style.MARKERS)],
            )
            ax.scatter(at[mine, 0], at[mine, 1], s=9, color=colour, marker=mark, alpha=0.7, linewidths=0, label=label)
        ax.set_title(name, loc="left", fontsize=10)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(visible=False)
    handles, labels = axes[0].get_legend_handles_labels()
    columns = 1 + (len(labels) > 17)
    figure.legend(handles, labels, loc="outside right upper", fontsize=7, frameon=False, ncols=columns, markerscale=1.5)
    style.add_footnote(figure, note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig2cd")
    add_reading(parser, smoke_run)
    parser.add_argument("--model", default=None, help="the model to take the pair from")
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(LOSS, ARI))
    pairs = equal_loss(rows)
    if options.model is not None:
        pairs = pairs[pairs["model"] == options.model]
    if pairs.empty:
        raise InputError(f"no two trainings of {options.model or 'one model'} have an ARI and losses within 2%")
    pair = pairs.sort_values("ari_span", ascending=False).iloc[0].to_dict()
    chosen = rows.set_index("point", drop=False).loc[[pair["good_point"], pair["bad_point"]]]
    data, again, kept = retrained(rows, chosen, options.out / "trained_again")
    again = again.set_index("point").loc[chosen["point"]]
    maps = [map_of(kept[point]) for point in chosen["point"]]
    names = [n for n in hyperparameters(rows) if n != "static/variant"]
    titles = [
        f"ARI {ari:.2f}, loss {loss:.4g}\n{setting_text(row, names)}"
        for ari, loss, row in zip(usable(again, ARI), usable(again, LOSS), chosen.to_dict("records"), strict=True)
    ]
    shown = pd.DataFrame({"sample": data.samples, "label": np.array(data.label_names)[data.labels]})
    for name, at in zip(("good", "bad"), maps, strict=True):
        shown[f"{name}_1"], shown[f"{name}_2"] = at[:, 0], at[:, 1]
    note = f"{pair['model']}: two trainings with losses within 2%, embeddings as clustered, by t-SNE. {described(rows)}"
    write(options.out, "maps", shown, maps_figure(maps, titles, data, note))


if __name__ == "__main__":
    sys.exit(entry(main))
