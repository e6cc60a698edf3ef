"""The verb ``measure``: every metric of a run on samples that were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from nc_testbed.cli.door import verb
from nc_testbed.cli.ruler_words import compose_words, read_chain, split_words
from nc_testbed.cli.show_controls import write_json
from nc_testbed.config.output_dir import output_of
from nc_testbed.core.cache import caching
from nc_testbed.core.errors import require

HELP = """Every metric of a run on samples that you made, with controls beside them.

nc-testbed export data=mnist_lt chain=0 out=train.npz
nc-testbed measure data=mnist_lt samples=mine.npz train=train.npz

  data             the real rows, as of train
  samples          your rows: .npz (x, optional y) or .npy (x); images uint8, vectors floats in the
                   units of your data; [rows, ...] or [chains, rows, ...] (needed)
  chain            whose law they are of, 0 the first: which class is rare; default 0, with an axis
                   of chains 0, 1, ..
  train            the rows your model was trained on, in the same form; default: those of export
  metrics          what is measured; default: all that apply
  evaluation.rows  rows that are measured; default: as of train, or as many as you have
  out              the folder written to; default: a new one in outputs/measure
seed, device, compute and extensions are as of train. measure.json has every column:
{samples: {column: [low, mean, high]}, and the same of each control}."""


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Measure the samples and their controls; print both, and where the file lies."""
    texts, passed = split_words(words, ("out", "samples", "train", "chain"))
    remedy = "name the .npz or .npy of your rows"
    require(bool(texts.get("samples")), "samples", texts.get("samples", ""), remedy)
    require(texts.get("train") != "", "train", "", remedy)
    chain = read_chain(texts.get("chain"))
    folder = output_of("measure", texts.get("out"))
    with caching():
        config = compose_words(passed)

        from nc_testbed.run.user_samples import (
            SampleRequest,
            measure_samples,
        )  # torch: not sooner

        request = SampleRequest(texts["samples"], texts.get("train"), chain, "chain" in texts)
        summary = measure_samples(config, request, print)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "measure.json"
    write_json(path, summary)
    print(f"measure: {path}")
