"""The parameters metric: what a fit's own parameters say against the truth."""

import torch

from nc_testbed.core.rng import RandomStreams
from nc_testbed.data.source import Data
from nc_testbed.families.categorical import Categorical, CategoricalSource
from nc_testbed.families.estimator import FamilyFit
from nc_testbed.families.ising import IsingModel, IsingSource
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.parameters import Parameters
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.reference import Reference


def measured(fit, data: Data):
    streams = RandomStreams(0, (0, 1))
    reference = Reference.build(data, Plain(), 20)
    training = None  # it looks at the fit alone
    evaluation = Evaluation(fit, data.x[:, :1], reference, streams, fit, training)
    return Parameters().measure(evaluation)


def test_columns_are_the_familys_against_the_datas_truth():
    data = CategoricalSource(probs=(0.5, 0.3, 0.2)).load(2, 0, 0, 1)
    shares = torch.tensor([[0.4, 0.6, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    columns = measured(FamilyFit(Categorical(3), {"shares": shares}, data.space), data)
    assert columns["mean_2"].tolist() == [0.6, 0.0]
    assert columns["alive_classes"].tolist() == [2, 1]
    assert columns["absorbed"].tolist() == [0, 1]
    torch.testing.assert_close(columns["missing_mass"], torch.tensor([0.2, 0.8]).double())


def test_the_truth_is_that_of_the_fits_own_family():
    data = IsingSource(spins=3, theta_1=0.2).load(2, 0, 0, 1)
    for learn, truth in (
        ("theta_1", data.true_parameters[0][1]),
        ("both", data.true_parameters[1][1]),
    ):
        model = IsingModel(spins=3, learn=learn)
        fit = model.restore(
            {k: v.expand(2, *v.shape[1:]) for k, v in truth.items()}, data.space
        )
        columns = measured(fit, data)
        torch.testing.assert_close(columns["kl"], torch.zeros(2).double(), atol=1e-12, rtol=0)
        torch.testing.assert_close(columns["mean"], torch.full((2,), 0.2).double().tanh())
