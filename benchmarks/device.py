"""Everything that is to be measured on one GPU machine, in one call.

    python benchmarks/device.py --minutes 8 --out results/device

Takes eight minutes (it keeps to the clock: what does not fit is a row "not run: out of time"), needs one GPU, and writes two
files, again after every row: OUT/device.json (numbers) and OUT/device.md (the same as a table, beside the targets). A part
that fails is a row with the reason, and the others go on. Runs from a checkout; vaebench need not be installed.

Needs jax with CUDA, flax, optax, numpy, scipy, scikit-learn, pandas and safetensors, and torch for its rival. Nothing else is
imported. To evaluate with Leiden on the same machine, carry wheels along:
`pip install --no-index --find-links wheels leidenalg igraph loky texttable`.

Parts (`--parts a,b`): a copy and matrix products; b the lane-step by lanes, precision, and the engine's choices; c the torch
loop; d the study's grid with refill; e MUSE-XAE and folded-normal lanes; f `sparse` and `spike_slab`; g Cox, WSEPIN and
neighbours; f and g beside one CPU core. `--size small` is a test on a CPU, two to three minutes long.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# torch gets the rest: its rival is one small model
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.85")
if "small" in sys.argv or "--small" in sys.argv:
    # a test of itself: most of its time is compilation
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import jax  # noqa: E402
from device_parts import evaluation, grid, pools, rates, rival, signatures, steps  # noqa: E402
from device_parts.children import Child  # noqa: E402
from device_parts.sizes import SIZES  # noqa: E402
from device_parts.table import OUT_OF_TIME, Clock, Table, attempt  # noqa: E402

PARTS = {
    "a": (0.03, rates.run),
    "b": (0.38, steps.run),
    "c": (0.10, rival.run),
    "d": (0.22, grid.run),
    "g": (0.06, evaluation.run),
    "f": (0.09, signatures.others),
    "e": (0.12, signatures.autoencoders),
}
"""Letter -> (share of the time, function), in the order in which they run."""
BESIDE = {"g": "evaluation", "f": "signatures"}
"""Parts whose measurements on one core of the CPU are begun with everything else."""
CHILDREN = {"torch": rival.child, "signatures": signatures.child, "evaluation": evaluation.child}


def cached_programs() -> None:
    """Keep compiled programs on this machine: a second call, and the children, compile less."""
    folder = Path(tempfile.gettempdir()) / pools.CACHE
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def run(out: Path, minutes: float, size: str, parts: list[str]) -> Table:
    """Run the parts in turn, each within its share of the time that is left."""
    clock = Clock(60 * minutes)
    device = jax.devices()[0]
    facts = {
        "device": f"{device.platform} {device.device_kind}",
        "jax": jax.__version__,
        "size": size,
        "minutes": minutes,
        "command": f"python benchmarks/device.py --minutes {minutes:g} --size {size}",
    }
    table = Table(out, facts)
    known: dict[str, Any] = {}  # what later parts use of earlier ones
    chosen = {letter: PARTS[letter] for letter in PARTS if letter in parts}
    known["children"] = {
        BESIDE[letter]: Child(BESIDE[letter], size, one_core=True) for letter in BESIDE if letter in chosen
    }
    later = sum(weight for weight, _ in chosen.values())
    for letter, (weight, work) in chosen.items():
        later -= weight
        clock.begin(weight, max(0.0, later))
        if clock.left() < 1:
            table.add(letter, "all", status=OUT_OF_TIME)
            continue
        attempt(table, letter, "all", lambda work=work: work(table, clock, SIZES[size], known))
    for child in known["children"].values():
        child.stop()
    return table


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, default=Path("results/device"))
    parser.add_argument("--size", choices=tuple(SIZES), default="full")
    parser.add_argument("--small", action="store_const", const="small", dest="size", help="the same as --size small")
    parser.add_argument("--parts", default=",".join(PARTS), help="letters, separated by commas")
    parser.add_argument("--child", choices=tuple(CHILDREN), help=argparse.SUPPRESS)
    options = parser.parse_args()
    cached_programs()
    if options.child:
        CHILDREN[options.child](SIZES[options.size])
        return
    run(options.out, options.minutes, options.size, options.parts.split(","))
    print(f"written: {options.out / 'device.json'} and {options.out / 'device.md'}")


if __name__ == "__main__":
    main()
