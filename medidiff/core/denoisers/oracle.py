"""The Gaussian oracle: a denoiser that is exact, for tests and benchmarks.

    x0 ~ N(m, C):     D(x, t) = m + a C (a^2 C + s^2 I)^-1 (x - a m - b y)
    A x0 + sigma_y n:  x0 | y ~ N(m + G (y - A m), C - G A C),   G = C A^T (A C A^T + sigma_y^2 I)^-1

C is kept by its eigenpairs, so every level costs two products. `moments` gives the exact law of what a
sampler returns, without a chain: a sampler that is affine in its state acts on each eigenmode alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.linear.operators import LinearOperator
from medidiff.core.process.kernels import Kernel, known, like
from medidiff.core.process.loop import sample
from medidiff.core.process.noise import NoiseStreams
from medidiff.core.process.samplers import Sampler


@dataclass(frozen=True)
class Moments:
    """The law N(mean, variance) of a sampler's output by eigenmode, beside the prior's own."""

    mean: Tensor
    variance: Tensor
    prior_mean: Tensor
    prior_variance: Tensor

    @property
    def mean_error(self) -> float:
        """The largest error of a mode's mean, in standard deviations of that mode."""
        return float(((self.mean - self.prior_mean).abs() / self.prior_variance.sqrt()).max())

    @property
    def covariance_error(self) -> float:
        """|Cov - C| / |C| in the Frobenius norm."""
        gap = torch.linalg.vector_norm(self.variance - self.prior_variance)
        return float(gap / torch.linalg.vector_norm(self.prior_variance))


@dataclass(frozen=True)
class GaussianOracle:
    """The exact denoiser of N(mean, basis diag(variances) basis^T), on a kernel.

    `mean` (R, C, *space), R = 1 or one mean a row; `variances` (d,), d voxels; `basis` (d, d) orthogonal,
    None for independent voxels.
    """

    kernel: Kernel
    mean: Tensor
    variances: Tensor
    basis: Tensor | None = None

    @classmethod
    def from_covariance(cls, kernel: Kernel, mean: Tensor, covariance: Tensor) -> GaussianOracle:
        """From a dense covariance (d, d): one symmetric eigendecomposition; d up to about a thousand."""
        variances, basis = torch.linalg.eigh((covariance + covariance.mT) / 2)
        return cls(kernel, mean, variances.clamp_min(0), basis)

    @property
    def covariance(self) -> Tensor:
        """C as a dense matrix (d, d)."""
        if self.basis is None:
            return torch.diag(self.variances)
        return (self.basis * self.variances) @ self.basis.mT

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """E[x0 | x_t] of rows (K, C, *space); t is a 0-dim tensor."""
        a, b, _ = self.kernel.coeffs(t)
        centred = x - like(a, x) * self.mean.to(x) - known(b, context.y, x)
        x0 = self.mean.to(x) + self.jacobian(centred, t)
        return Estimate(x0, x0)

    def jacobian(self, v: Tensor, t: Tensor) -> Tensor:
        """J v with J = dD/dx = a C (a^2 C + s^2 I)^-1, symmetric; (s^2 / a) J is the posterior covariance."""
        a, _, s = self.kernel.coeffs(t)
        gain = a * self.variances / (a**2 * self.variances + s**2)
        return self._filter(v, gain)

    def draw(self, count: int, streams: NoiseStreams, purpose: str = "truth") -> Tensor:
        """Exact draws of x0, (count, C, *space), in the dtype of `variances`."""
        size = self.mean.shape[1:]
        n = torch.stack([streams.white(size, purpose, streams.first_sample + k, 0, 0) for k in range(count)])
        return self.mean + self._colour(n.to(self.variances))

    def posterior(self, operator: LinearOperator, y: Tensor, sigma_y: float) -> GaussianOracle:
        """The law of x0 given y = A x0 + sigma_y n, for rows of y: one covariance, one mean a row."""
        A = matrix(operator, self.mean.shape[1:]).to(self.variances)
        C, noise = self.covariance, sigma_y**2 * torch.eye(A.shape[0]).to(self.variances)
        G = torch.linalg.solve(A @ C @ A.mT + noise, A @ C).mT
        residual = (y - operator(self.mean.to(y))).flatten(1).to(self.variances)
        mean = self.mean + (residual @ G.mT).reshape(-1, *self.mean.shape[1:])
        keep = torch.eye(C.shape[0]).to(C) - G @ A
        return self.from_covariance(self.kernel, mean, keep @ C @ keep.mT + sigma_y**2 * G @ G.mT)

    def moments(
        self,
        sampler: Sampler,
        grid: Tensor,
        *,
        start_mean: Tensor | float | None = None,
        start_variance: Tensor | float | None = None,
    ) -> Moments:
        """The exact law of a sampler's output, by eigenmode; the start law defaults to the exact one.

        The sampler itself is run, on rows that differ by a unit of start or of one step's noise: it must be
        affine in both and draw once a step. Kernels without b.
        """
        mean, variance = self._modes(), self.variances
        a, _, s = self.kernel.coeffs(grid[0])
        m0 = a * mean if start_mean is None else torch.as_tensor(start_mean).to(mean).expand_as(mean)
        v0 = a**2 * variance + s**2 if start_variance is None else torch.as_tensor(start_variance).to(mean)
        rows = len(grid) + 1  # as is, a unit more at the start, a unit more of each step's noise
        start = m0.expand(rows, 1, -1).clone()
        start[1] += 1.0
        modal = GaussianOracle(self.kernel, mean[None], variance)
        context = Context(NoiseStreams(0), noise=_Impulse())
        out = sample(modal, self.kernel, sampler, grid, start=start, context=context)[:, 0]
        response = out[1:] - out[0]
        spread = response[0] ** 2 * v0 + (response[1:] ** 2).sum(0)
        return Moments(out[0], spread, mean[0], variance)

    def _modes(self) -> Tensor:
        mean = self.mean.flatten(1).to(self.variances)
        return mean if self.basis is None else mean @ self.basis

    def _filter(self, v: Tensor, gain: Tensor) -> Tensor:
        flat, gain = v.flatten(1), gain.to(v)
        if self.basis is None:
            return (flat * gain).reshape(v.shape)
        basis = self.basis.to(v)
        return ((flat @ basis * gain) @ basis.mT).reshape(v.shape)

    def _colour(self, n: Tensor) -> Tensor:
        flat = n.flatten(1) * self.variances.sqrt()
        return (flat if self.basis is None else flat @ self.basis.mT).reshape(n.shape)


class _Impulse:
    """Noise that is one in row 2 + step and zero elsewhere: the response of a sampler to one draw."""

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        n = torch.zeros(tuple(shape))
        n[2 + step] = 1.0
        return n


def matrix(operator: LinearOperator, shape: Sequence[int]) -> Tensor:
    """The matrix (outputs, inputs) of an operator on rows of `shape`, column by column; for small ones."""
    d = torch.Size(shape).numel()
    columns = operator(torch.eye(d, dtype=operator.dtype, device=operator.device).reshape(d, *shape))
    return columns.reshape(d, -1).mT
