"""``scripts/referee.py``: train the referees that come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nc_testbed.cli.door import verb
from nc_testbed.config.command_line import read_command
from nc_testbed.config.output_dir import output

HELP = """Train a referee that comes with the package; print its accuracy and its hash.

python scripts/referee.py binarize=true out=/tmp

  binarize  true: pixels drawn as 0 or 255; default false
  out       the folder written to; default: where the package keeps its own"""


@dataclass(frozen=True)
class RefereeSettings:
    """The words of the command: see HELP."""

    binarize: bool = False
    out: str | None = None


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Train on MNIST's training rows; print
    accuracy on held-out ones, and where it lies."""
    settings = read_command(RefereeSettings, words)

    from safetensors.torch import save

    from nc_testbed.data.mnist import Mnist
    from nc_testbed.metrics.referee_store import SHIPPED, lessons
    from nc_testbed.metrics.referee_training import train

    out = SHIPPED if settings.out is None else output("out", settings.out)
    data = Mnist(binarize=settings.binarize).load(1, 0, 0, 1)
    assert data.held_out_y is not None
    x, y, name = lessons(data)
    referee = train(data.space, x, y)
    classification = referee.classify(referee.describe(data.held_out))
    correct = classification.label == data.held_out_y
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.safetensors"
    path.write_bytes(save(dict(referee.weights)))
    print(f"{path}\naccuracy {correct.float().mean():.4f} on {len(correct)} held-out rows")
    print(f"sha256 of the weights {referee.sha256}")
