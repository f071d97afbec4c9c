"""The Gaussian oracle: a denoiser that is exact, for tests and benchmarks.

    x0 ~ N(m, C):     D(x, t) = m + a C (a^2 C + s^2 I)^-1 (x - a m - b y)
    A x0 + sigma_y n:  x0 | y ~ N(m + G (y - A m), C - G A C),   G = C A^T (A C A^T + sigma_y^2 I)^-1

For kernels with b, this is the law of x0 given y. C is kept by its eigenpairs, so every level costs two
products. `moments` gives the exact law of what a sampler returns, without a chain: a sampler that is affine
in its state acts on each eigenmode alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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

    def wasserstein(self, other: Moments) -> float:
        """The 2-Wasserstein distance to another law with the same modes."""
        gap = self.variance.sqrt() - other.variance.sqrt()
        return float((gap**2 + (self.mean - other.mean) ** 2).sum().sqrt())


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

    def log_density(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """Log density of each row of x_t, without the constant that all Gaussians of d voxels share; (K,)."""
        a, b, s = self.kernel.coeffs(t)
        centred = self._modes(x - like(a, x) * self.mean.to(x) - known(b, context.y, x))
        variance = a**2 * self.variances + s**2
        return -(centred**2 / variance + torch.log(variance)).sum(1) / 2

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
        y: Tensor | None = None,
    ) -> Moments:
        """The exact law of a sampler's output, by eigenmode; the start law defaults to the exact one.

        The sampler itself is run, on a state whose channels are the mean, the deviation that comes from the
        start and the deviation that comes from each draw of noise: it must be affine in the state and the
        noise. The norm of a row is then the root mean square of its norm over the law, so a step size taken
        from norms is that of an image of very many such modes. `y` (1, C, *space): for kernels with b.
        """
        mean, variance = self._modes(self.mean), self.variances
        a, b, s = self.kernel.coeffs(grid[0])
        m0 = a * mean + known(b, None if y is None else self._modes(y), mean)
        known_modes = torch.zeros_like(mean) if y is None else self._modes(y)
        if start_mean is not None:
            m0 = torch.as_tensor(start_mean).to(mean).expand_as(mean)
        v0 = a**2 * variance + s**2 if start_variance is None else torch.as_tensor(start_variance).to(mean)
        noise, channels = _Impulses(), 0
        while channels != 2 + len(noise.names):  # the first run finds the draws; without any, it is enough
            channels = 2 + len(noise.names)
            start = _first(m0, channels)
            start[0, 1] = v0.sqrt()
            modal = GaussianOracle(self.kernel, _first(mean, channels), variance.repeat(channels))
            context = Context(NoiseStreams(0), noise=noise, y=_first(known_modes, channels))
            out = sample(modal, self.kernel, sampler, grid, start=start, context=context)[0]
        return Moments(out[0], (out[1:] ** 2).sum(0), mean[0], variance)

    def output(self, t: Tensor) -> Moments:
        """The law of D(x_t) for an exact x_t, to which the samplers converge on grids that end at t."""
        a, _, s = self.kernel.coeffs(t)
        mean, variance = self._modes(self.mean)[0], self.variances
        return Moments(mean, a**2 * variance**2 / (a**2 * variance + s**2), mean, variance)

    def _modes(self, v: Tensor) -> Tensor:
        flat = v.flatten(1).to(self.variances)
        return flat if self.basis is None else flat @ self.basis

    def _filter(self, v: Tensor, gain: Tensor) -> Tensor:
        flat, gain = v.flatten(1), gain.to(v)
        if self.basis is None:
            return (flat * gain).reshape(v.shape)
        basis = self.basis.to(v)
        return ((flat @ basis * gain) @ basis.mT).reshape(v.shape)

    def _colour(self, n: Tensor) -> Tensor:
        flat = n.flatten(1) * self.variances.sqrt()
        return (flat if self.basis is None else flat @ self.basis.mT).reshape(n.shape)


@dataclass
class _Impulses:
    """Noise that is one in a channel of its own for each name it is drawn under, and zero elsewhere."""

    names: dict[tuple[str, int], int] = field(default_factory=dict)

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        channel = self.names.setdefault((purpose, step), 2 + len(self.names))
        n = torch.zeros(tuple(shape))
        n[:, channel : channel + 1] = 1.0  # beyond the last channel while the draws are being found
        return n


def _first(v: Tensor, channels: int) -> Tensor:
    """(1, channels, d) with v in the first channel and zero in the others."""
    out = torch.zeros(1, channels, v.shape[-1]).to(v)
    out[0, 0] = v[0]
    return out


def matrix(operator: LinearOperator, shape: Sequence[int]) -> Tensor:
    """The matrix (outputs, inputs) of an operator on rows of `shape`, column by column; for small ones."""
    d = torch.Size(shape).numel()
    columns = operator(torch.eye(d, dtype=operator.dtype, device=operator.device).reshape(d, *shape))
    return columns.reshape(d, -1).mT
