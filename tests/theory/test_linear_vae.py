"""Spectra of linear VAEs against the recursion of their fits."""

import numpy as np
import pytest

from nc_testbed.theory import linear_vae


def decoder_means(spectrum, noise):
    """Probabilistic PCA: the decoder means' spectrum of a fit with fixed decoder variance."""
    return np.maximum(spectrum - noise, 0)


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_linear_vae(noise):
    truth, share = np.array([2.0, 1.0, 0.4, 0.1]), 0.15
    replaced = decoder_means(truth, noise)
    fresh, stored = replaced, [truth, replaced]
    for t in range(2, 31):
        replaced = decoder_means(replaced, noise)
        fresh = decoder_means(share * truth + (1 - share) * fresh, noise)
        stored.append(decoder_means(np.mean(stored, axis=0), noise))
        for law, value in (
            (linear_vae.decoder_mean_spectrum(t, truth, noise), replaced),
            (linear_vae.fresh_spectrum(t, truth, noise, share), fresh),
            (linear_vae.accumulated_spectrum(t, truth, noise), stored[-1]),
        ):
            np.testing.assert_allclose(law, value, atol=1e-12)


def test_a_direction_survives_above_its_share():
    truth, noise = np.array([1.0]), 0.1
    assert linear_vae.fresh_spectrum(10**4, truth, noise, 0.11)[0] > 0
    assert linear_vae.fresh_spectrum(10**4, truth, noise, 0.09)[0] == 0
