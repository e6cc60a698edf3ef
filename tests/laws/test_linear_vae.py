"""Linear VAEs refitted to their decoders' means (F1, F2): probabilistic PCA of 10^6 rows."""

import math

import pytest
import torch
from laboratory import streams

from nc_testbed.core.family import Statistic
from nc_testbed.families.gaussian import Gaussian
from nc_testbed.theory import linear_vae
from nc_testbed.theory.rules import mean_check

ROWS, CHAINS = 10**6, 64
SETTINGS = [  # eigenvalues of the truth, decoder variance, fresh share
    ((1.0, 0.6, 0.25), 0.1, 0.3),
    ((4.0, 1.0), 0.3, 0.5),
    ((2.0, 1.5, 0.9, 0.05), 0.2, 0.25),
]


def draw(factor, t, purpose, rows=ROWS):
    parameters = {"mean": torch.zeros(factor.shape[:2]).double(), "factor": factor}
    return Gaussian(factor.shape[1]).draw(parameters, round(rows), streams(t, CHAINS), purpose)


def decoder(statistic: Statistic, noise):
    """The fit's W: directions of more variance than the decoder's, less that variance."""
    scatter = statistic.values["scatter"]
    values, vectors = torch.linalg.eigh(scatter @ scatter.mT / statistic.count)
    return vectors * (values - noise).clamp(min=0).sqrt()[:, None]


def spectra(eigenvalues, noise, refits, sampled="mean", share=0.0, everything=False):
    """``{t: [R, K]}``: variances of the decoder's means along the truth's directions, falling."""
    d, curve = len(eigenvalues), {}
    truth = torch.diag(torch.tensor(eigenvalues).double().sqrt()).expand(CHAINS, d, d)
    rows = draw(truth, 0, "real")
    for t in range(1, max(refits) + 1):
        W = decoder(rows, noise)
        values = torch.linalg.eigvalsh(W @ W.mT).flip(1)
        curve[t] = values
        new = draw(W, t, "synthetic", (1 - share) * ROWS)
        if sampled == "sample":
            new = draw(with_noise(W, noise), t, "synthetic")
        if share:
            new = Gaussian(d).merge(new, draw(truth, t, "fresh", share * ROWS))
        rows = Gaussian(d).merge(rows, new) if everything else new
    return {t: curve[t] for t in refits}


def with_noise(W, noise):
    """A factor of W W' + noise I."""
    return torch.linalg.cholesky(W @ W.mT + noise * torch.eye(W.shape[1]).double())


def agree(values, law):
    """Every direction with its law; 0.01 is the scale of those that are lost."""
    for i, expected in enumerate(law):
        scale = max(float(expected), 0.01)
        assert mean_check(values[:, i], expected, scale=scale).verdict == "pass"


T = (1, 2, 5)


@pytest.mark.parametrize(("eigenvalues", "noise", "share"), SETTINGS)
def test_decoder_means_lose_the_decoders_variance(eigenvalues, noise, share):
    for t, values in spectra(eigenvalues, noise, T).items():
        agree(values, linear_vae.decoder_mean_spectrum(t, eigenvalues, noise))


@pytest.mark.parametrize(("eigenvalues", "noise", "share"), SETTINGS)
def test_noisy_samples_keep_it(eigenvalues, noise, share):
    """Where there was any: a direction below the noise is sampled with the noise exactly, and
    its fit stays about zero, of order 1/sqrt(rows)."""
    first = linear_vae.decoder_mean_spectrum(1, eigenvalues, noise)
    for values in spectra(eigenvalues, noise, T, sampled="sample").values():
        agree(values[:, first > 0], first[first > 0])
        assert (values[:, first == 0] < 5e-3).all()


@pytest.mark.parametrize(("eigenvalues", "noise", "share"), SETTINGS)
def test_a_direction_survives_a_large_enough_fresh_share(eigenvalues, noise, share):
    runs = spectra(eigenvalues, noise, (*T, 20), share=share)
    for t, values in runs.items():
        agree(values, linear_vae.fresh_spectrum(t, eigenvalues, noise, share))
    survives = [share > noise / value for value in eigenvalues]
    assert [bool(alive) for alive in runs[20].mean(0) > 0.01] == survives


@pytest.mark.parametrize(("eigenvalues", "noise", "share"), SETTINGS)
def test_accumulating_loses_it_slowly(eigenvalues, noise, share):
    for t, values in spectra(eigenvalues, noise, T, everything=True).items():
        agree(values, linear_vae.accumulated_spectrum(t, eigenvalues, noise))


def test_wrong_laws_fail():
    """t off by one, the fresh share doubled, one policy taken for another."""
    eigenvalues, noise, share = SETTINGS[0]
    replaced = spectra(eigenvalues, noise, T)[5][:, 0]
    fresh = spectra(eigenvalues, noise, T, share=share)[5][:, 0]
    stored = spectra(eigenvalues, noise, T, everything=True)[5][:, 0]
    for t in (4, 6):
        law = linear_vae.decoder_mean_spectrum(t, eigenvalues, noise)[0]
        assert mean_check(replaced, law).verdict == "fail"
    for t, f in ((4, share), (5, 2 * share)):
        law = linear_vae.fresh_spectrum(t, eigenvalues, noise, f)[0]
        assert mean_check(fresh, law).verdict == "fail"
    for t in (4, 6):
        law = linear_vae.accumulated_spectrum(t, eigenvalues, noise)[0]
        assert mean_check(stored, law).verdict == "fail"
    law = linear_vae.decoder_mean_spectrum(5, eigenvalues, noise)[0]
    assert mean_check(stored, law).verdict == mean_check(fresh, law).verdict == "fail"


def test_too_few_chains_are_inconclusive():
    law = linear_vae.decoder_mean_spectrum(2, (0.21,), 0.1)[0]
    few = torch.tensor([0.01, 0.03]).double()
    assert math.isclose(law, 0.01)
    assert mean_check(few, law).verdict == "inconclusive"
    one = spectra((0.21, 0.5), 0.1, (2,))[2][:1, 1]
    assert mean_check(one, law).verdict == "inconclusive"
