"""Measure one training step of the expression VAE: our lanes against a torch loop, one model after another.

    python benchmarks/lane_step.py [--features 5000 --hidden 512 --latent 50 --batch 64 --steps 20 --repeats 7]

Network and objective are the same: linear, batch normalisation, tanh, Gaussian heads, squared error plus KL, Adam.
Every repeat times all rivals in turn, so that a change of the machine's load affects all of them. Printed: medians of seconds per
lane-step, and medians over the repeats of the ratios. Needs torch (and pythae for its row); neither is a dependency of
the library.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.space import Point, static_of, traced_of
from vaebench.training.lane import Split
from vaebench.training.pool import on_device
from vaebench.training.train import make_train

TORCH = ("torch, Adam", "torch, fused Adam")


def ours(options: argparse.Namespace, lanes: int) -> Callable[[], float]:
    """A timer of one epoch of ``steps`` steps in a pool of ``lanes``: seconds per lane-step."""
    samples, features = options.steps * options.batch, options.features
    x = jnp.asarray(np.random.default_rng(0).normal(size=(samples + 2, features)), jnp.float32)
    rows = np.arange(samples + 2, dtype=np.int32)
    split = Split(rows[:samples], rows[samples:], np.zeros(features, np.float32), np.ones(features, np.float32))
    size = {"latent": options.latent, "hidden": (options.hidden,), "batch": options.batch}
    point = Point(**size, epochs=10**6, stopping="fixed")
    program = make_train(static_of(point, features), lanes)
    lane = program.start(on_device(traced_of(point)), on_device(split))
    pools = [program.idle(lane)]
    for slot in range(lanes):
        pools[0] = program.put(pools[0], slot, lane)

    def epoch() -> float:
        started = time.perf_counter()
        pools[0], _ = jax.block_until_ready(program.advance(pools[0], x, 1))
        return (time.perf_counter() - started) / options.steps / lanes

    epoch()
    return epoch


def torch_network(options: argparse.Namespace):
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width, latent, features = options.hidden, options.latent, options.features
            self.encoder = nn.Sequential(nn.Linear(features, width), nn.BatchNorm1d(width), nn.Tanh())
            self.mean, self.logvar = nn.Linear(width, latent), nn.Linear(width, latent)
            self.decoder = nn.Sequential(nn.Linear(latent, width), nn.BatchNorm1d(width), nn.Tanh())
            self.output = nn.Linear(width, features)

    return Network()


def torch_loop(options: argparse.Namespace, fused: bool) -> Callable[[], float]:
    """A timer of the studies' way: one model, a loop over batches, the framework's Adam."""
    import torch

    torch.set_num_threads(options.threads)
    network = torch_network(options)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused)
    x = torch.randn(options.steps * options.batch, options.features)

    def loss(batch):
        h = network.encoder(batch)
        mean, logvar = network.mean(h), network.logvar(h)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        reconstruction = network.output(network.decoder(z))
        nll = 0.5 * ((batch - reconstruction) ** 2).sum(1)
        return (nll - 0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1)).mean()

    def epoch() -> float:
        order = torch.randperm(len(x))
        started = time.perf_counter()
        for i in range(options.steps):
            optimizer.zero_grad()
            loss(x[order[i * options.batch : (i + 1) * options.batch]]).backward()
            optimizer.step()
        return (time.perf_counter() - started) / options.steps

    epoch()
    return epoch


def pythae_training(options: argparse.Namespace) -> Callable[[], float]:
    """A timer of one epoch of pythae's trainer with the same layers."""
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    inner = torch_network(options)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.mean, self.logvar = inner.encoder, inner.mean, inner.logvar

        def forward(self, x):
            h = self.body(x)
            return ModelOutput(embedding=self.mean(h), log_covariance=self.logvar(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.output = inner.decoder, inner.output

        def forward(self, z):
            return ModelOutput(reconstruction=self.output(self.body(z)))

    config = VAEConfig(input_dim=(options.features,), latent_dim=options.latent, reconstruction_loss="mse")
    x = torch.randn(options.steps * options.batch, options.features)
    folder = tempfile.mkdtemp()
    settings = BaseTrainerConfig(
        output_dir=folder, num_epochs=1, per_device_train_batch_size=options.batch, optimizer_cls="Adam", no_cuda=True
    )
    data = BaseDataset(x, torch.ones(len(x)))
    trainer = BaseTrainer(VAE(config, encoder=Encoder(), decoder=Decoder()), data, training_config=settings)
    trainer.prepare_training()

    def epoch() -> float:
        started = time.perf_counter()
        trainer.train_step(epoch=1)
        return (time.perf_counter() - started) / options.steps

    epoch()
    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"features": 5000, "hidden": 512, "latent": 50, "batch": 64, "steps": 20, "repeats": 7}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch; ours takes all cores")
    parser.add_argument("--lanes", default="1,2,4")
    options = parser.parse_args()
    rivals = {f"vaebench, lanes: {n}": ours(options, n) for n in map(int, options.lanes.split(","))}
    if importlib.util.find_spec("torch"):
        rivals |= {name: torch_loop(options, "fused" in name) for name in TORCH}
    if importlib.util.find_spec("pythae"):
        rivals["pythae"] = pythae_training(options)
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(options.repeats):
        for name, epoch in rivals.items():
            seconds[name].append(epoch())
    print(", ".join(f"{name} {getattr(options, name)}" for name in sizes), f"· {options.threads} cores")
    base = [name for name in TORCH if name in rivals]
    print(f"{'':24}{'ms a lane-step':>16}{'lowest':>9}" + "".join(f"{'faster than ' + name:>32}" for name in base))
    for name, values in seconds.items():
        ratios = [statistics.median(b / a for a, b in zip(values, seconds[rival], strict=True)) for rival in base]
        cells = "".join(f"{ratio:31.2f}x" for ratio in ratios)
        print(f"{name:24}{1e3 * statistics.median(values):16.2f}{1e3 * min(values):9.2f}{cells}")


if __name__ == "__main__":
    main()
