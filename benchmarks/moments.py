"""Moments of the membrane: the propagated density and the Gaussian closure against Monte Carlo, over a grid of neurons.

    python benchmarks/moments.py

Prints Markdown. An error of a mean is in percent of the standard deviation, one of a variance or rate in percent of itself; the
largest over T = 4 steps is shown, beside the standard errors of the Monte Carlo estimates of variance and rate.
"""

from __future__ import annotations

import argparse

import numpy as np

from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.moments import MembraneMoments, MomentMethod, membrane_moments
from qif_deploy.neuron.params import QIFParams, ResetMode

STEPS = 4
NEURONS = {
    "fixed points 0.25, 0, 0.5": QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5),
    "fixed points 0.1, 0, 0.5": QIFParams.from_fixed_points(a=0.1, u_rest=0.0, u_crit=0.5),
    "roots 0.25, 0, 0.5": QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5),
    "roots 0.5, -0.5, 0.5": QIFParams.from_roots(a=0.5, u1=-0.5, u2=0.5),
    "LIF 0.5": QIFParams.lif(decay=0.5),
    "LIF 0.9": QIFParams.lif(decay=0.9),
    "LIF 0.9, subtract": QIFParams.lif(decay=0.9, reset=ResetMode.SUBTRACT),
}
STDS = (0.5, 1.0, 1.25)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--samples", type=int, default=2_000_000)
    samples = arguments.parse_args().samples
    print(f"{samples} samples, seed 0, T = {STEPS}, input N(0, std^2), theta = 1\n")
    print("| neuron | input std | density: mean / variance / rate | closure: mean / variance / rate | standard error: variance / rate |")
    print("| --- | --- | --- | --- | --- |")
    worst = 0.0
    for name, params in NEURONS.items():
        for std in STDS:
            truth, error = monte_carlo(params, std, samples)
            cells = []
            for method in (MomentMethod.DENSITY, MomentMethod.CLOSURE):
                found = membrane_moments(params, input_mean=0.0, input_var=std**2, steps=STEPS, method=method)
                errors = compare(found, truth)
                worst = max(worst, *errors[:2]) if method is MomentMethod.DENSITY else worst
                cells.append(" / ".join(f"{value:.2f}" for value in errors))
            print(f"| {name} | {std} | {cells[0]} | {cells[1]} | {error[0]:.2f} / {error[1]:.2f} |")
    print(f"\nLargest error of mean and variance by the propagated density: {worst:.2f} %.")


def monte_carlo(params: QIFParams, std: float, samples: int) -> tuple[MembraneMoments, tuple[float, float]]:
    """Moments by simulation, and the largest relative standard errors of variance and rate in percent."""
    rng = np.random.default_rng(0)
    r = np.full(samples, params.r0[0])
    rows = []
    for _ in range(STEPS):
        step = float_step(
            r, rng.normal(0.0, std, samples), c2=params.c2, c1=params.c1, c0=params.c0, theta=params.theta, u_reset=params.u_reset,
            reset_by=params.reset_by, u_min=None, reset=params.reset, spike=lambda u, theta: (u >= theta).astype(np.float64),
        )  # fmt: skip
        r = step.r
        kurtosis = ((step.u - step.u.mean()) ** 4).mean() / step.u.var() ** 2
        share = step.s.mean()
        errors = (100 * np.sqrt((kurtosis - 1) / samples), 100 * np.sqrt((1 - share) / (share * samples)))
        rows.append((step.u.mean(), step.u.var(), share, *errors))
    mean, var, rate, *errors = np.array(rows).T[:, :, np.newaxis]
    return MembraneMoments(mean=mean, var=var, rate=rate), (float(errors[0].max()), float(errors[1].max()))


def compare(found: MembraneMoments, truth: MembraneMoments) -> tuple[float, float, float]:
    """Largest errors of mean, variance and rate over the steps, in percent."""
    mean = np.abs(found.mean - truth.mean) / np.sqrt(truth.var)
    var, rate = np.abs(found.var / truth.var - 1), np.abs(found.rate / truth.rate - 1)
    return tuple(100 * float(error.max()) for error in (mean, var, rate))  # type: ignore[return-value]  # three, as zipped


if __name__ == "__main__":
    main()
