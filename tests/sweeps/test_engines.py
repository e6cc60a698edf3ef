"""Every engine really launches jobs, and ends in the bytes that jobs made here have.

``make engines`` installs what they need; without it these tests fail rather than being skipped.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from nc_testbed.config.hydra_app import PRESETS

pytestmark = pytest.mark.engines
ROOT = Path(__file__).parents[2]
COIN = ["data=bernoulli", "model=bernoulli", "n=20", "chains=50", "generations=4", "device=cpu"]
MODEL = """
from dataclasses import dataclass
import torch
from nc_testbed.core.machine import CORES
from my_blob import Blob as Plain, BlobFit


@dataclass(frozen=True)
class Blob(Plain):
    fail: bool = False

    def fit(self, training, streams, previous=None, progress=None):
        if self.fail:
            raise ArithmeticError("as it was told")
        return super().fit(training, streams)

    def restore(self, state, space):
        return Fit(space, **state)


@dataclass(frozen=True)
class Fit(BlobFit):
    def report(self):
        return {"fit_cores": torch.full_like(self.scale, CORES)}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A working directory with a model of the user's own, which fails or says how many cores it
    may use."""
    home = tmp_path_factory.mktemp("home")
    page = (ROOT / "docs" / "guide" / "model.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    (home / "my_blob.py").write_text(code)
    (home / "my_models.py").write_text(MODEL)
    (home / "conf" / "model").mkdir(parents=True)
    (home / "conf" / "model" / "blob.yaml").write_text(
        "_target_: my_models.Blob\nfail: false\n"
    )
    return home


OWN = ["--config-dir", "conf", "extensions=[my_models]", "model=blob", "data=blobs",
       "data.rows=60", "metrics=[spread]", "policy=replace", "chains=2", "generations=2",
       "device=cpu"]  # fmt: skip


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / "train.py"), "-m", *words]


def environment(home: Path) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    own = {"PYTHONPATH": str(ROOT), "NC_TESTBED_CACHE": str(home / "cache"), "HOME": str(home)}
    return kept | own


def sweep(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*words), cwd=home, env=environment(home), timeout=900,
                          capture_output=True, text=True)  # fmt: skip
    print(done.stdout, done.stderr)
    return done


def tables(folder: Path) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in folder.glob("*/metrics.parquet")}


@pytest.fixture(scope="module")
def here(home) -> dict[str, bytes]:
    """What the jobs come to in this process, one after the other."""
    assert (
        sweep(
            home, *COIN, "policy=replace,anchor", "seed=1,2", "hydra.sweep.dir=here"
        ).returncode
        == 0
    )
    return tables(home / "here")


ENGINES = {
    "joblib": ["hydra.launcher.n_jobs=2"],
    "submitit_local": [],
    "ray": ["hydra.launcher.ray.init.num_cpus=2"],
}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_makes_the_same_bytes_and_skips_what_is_there(engine, home, here):
    words = [*COIN, "policy=replace,anchor", "seed=1,2", f"hydra/launcher={engine}",
             *ENGINES[engine], f"hydra.sweep.dir={engine}"]  # fmt: skip
    done = sweep(home, *words)
    assert done.returncode == 0
    assert (
        "4 made" in done.stdout and len(re.findall(r"^\d/4  policy=", done.stdout, re.M)) == 4
    )
    assert tables(home / engine) == here
    stamps = {p: p.stat().st_mtime_ns for p in (home / engine).glob("*-*/**/*")}
    assert "4 already there" in sweep(home, *words).stdout
    assert {p: p.stat().st_mtime_ns for p in (home / engine).glob("*-*/**/*")} == stamps


@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_that_fails_in_a_worker_is_told_of_and_shares_are_kept(engine, home):
    """Workers find the user's model and its settings; no job takes all the cores."""
    import pyarrow.parquet as pq

    words = [*OWN, "model.fail=false,true", "seed=1,2", f"hydra/launcher={engine}",
             *ENGINES[engine], f"hydra.sweep.dir=own-{engine}"]  # fmt: skip
    done = sweep(home, *words)
    assert done.returncode == 1
    assert "2 made, 2 failed" in done.stdout and "Traceback" not in done.stdout + done.stderr
    failed = re.findall(r"^failed: \S+: ArithmeticError: as it was told \(see (.*)\)$",
                        done.stdout, re.M)  # fmt: skip
    assert len(failed) == 2
    assert all("ArithmeticError: as it was told" in Path(log).read_text() for log in failed)
    made = list((home / f"own-{engine}").glob("*/metrics.parquet"))
    cores = {c for table in made for c in pq.read_table(table)["fit_cores"].to_pylist()}
    share = max(1, len(os.sched_getaffinity(0)) // 2) if engine == "joblib" else 1
    assert len(made) == 2 and (cores == {share} or engine == "submitit_local")


LONG = ["data=gaussian", "model=gaussian", "policy=replace", "n=2000", "chains=100", "seed=1",
        "generations=60", "sampling.draw=rows", "device=cpu", "metrics=[parameters]"]  # fmt: skip


def test_a_job_that_is_preempted_is_requeued_and_goes_on(home):
    """submitit's signal reaches a run in its third generation or later."""
    assert sweep(home, *LONG, "hydra.sweep.dir=whole").returncode == 0
    words = [*LONG, "hydra/launcher=submitit_local", "hydra.sweep.dir=preempted"]
    with subprocess.Popen(command(*words), cwd=home, env=environment(home), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:  # fmt: skip
        folder, since = home / "preempted", time.monotonic()
        while not list(folder.glob("*/generations/0002")):
            assert time.monotonic() < since + 200 and child.poll() is None
            time.sleep(0.01)
        (first,) = folder.glob("*/generations/0001/manifest.json")
        stamp = first.stat().st_mtime_ns
        pid = int((first.parents[2] / "lock").read_text().split()[1])
        os.kill(pid, signal.SIGUSR2)
        said = child.communicate(timeout=300)[0]
    assert child.returncode == 0, said
    logs = "".join(p.read_text() for p in folder.glob(".submitit/*/*.out"))
    assert "Requeued job" in logs and "1 made" in said
    assert first.stat().st_mtime_ns == stamp
    assert tables(folder) == tables(home / "whole") != {}


def test_a_sweep_that_is_ended_takes_its_workers_along(home):
    words = [*LONG, "seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
             "hydra.sweep.dir=ended"]  # fmt: skip
    with subprocess.Popen(command(*words), cwd=home, env=environment(home), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:  # fmt: skip
        folder, since = home / "ended", time.monotonic()
        while len(list(folder.glob("*/generations/0001"))) < 2:
            assert time.monotonic() < since + 200 and child.poll() is None
            time.sleep(0.01)
        workers = [int((p / "lock").read_text().split()[1]) for p in folder.glob("*-*")]
        child.send_signal(signal.SIGTERM)
        said = child.communicate(timeout=60)[0]
    assert child.returncode == 143, said
    assert said.count("not finished: seed=") == 2
    time.sleep(2)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    assert "1 made" in sweep(home, *LONG, "hydra.sweep.dir=ended").stdout
    whole = tables(home / "whole") or pytest.fail("run the test before")
    first = [table for name, table in tables(folder).items() if name.startswith("seed=1-")]
    assert first == list(whole.values())


def test_a_search_finds_the_smallest_k_twice(home):
    """Redrawn rows keep a coin's Gini at 0.4 from k = 6 of 20 on or so, and no trial is lost."""
    words = [*COIN, "hydra/sweeper=optuna", "hydra.sweeper.n_trials=8", "policy=anchor",
             "policy.k=range(1,20)", "hydra.sweep.dir=search",
             "objective={metric: heterozygosity, smallest: policy.k, at_least: 0.4}"]  # fmt: skip
    done = sweep(home, *words)
    assert done.returncode == 0
    found = yaml.safe_load((home / "search" / "optimization_results.yaml").read_text())
    tried = {}
    for run in (home / "search").glob("policy.k=*"):
        mean = json.loads((run / "summary.json").read_text())["metrics"]["heterozygosity"][
            "last"
        ]["mean"]
        k = yaml.safe_load((run / "config.yaml").read_text())["policy"]["k"]
        tried[k] = k if mean >= 0.4 else 20 + 0.4 - mean
    assert len(tried) >= 4
    best = min(tried, key=tried.get)
    assert found["best_value"] == pytest.approx(tried[best])
    assert found["best_params"] == {"policy.k": best} and tried[best] == best
    assert f"best: policy.k={best}: objective {best}  heterozygosity " in done.stdout
    assert "8 already there" in sweep(home, *words).stdout


THEIRS = [preset for preset in sorted(PRESETS.rglob("*.yaml")) if preset.stem != "packed"]


@pytest.mark.parametrize("preset", THEIRS, ids=lambda preset: preset.stem)
def test_a_preset_has_only_keys_that_its_plugin_has(preset):
    """Workers compose a job anew with what the plugin offers under that name."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins
    from omegaconf import OmegaConf

    Plugins.instance()._initialize()  # as if no preset had taken its place
    group = "/".join(preset.parent.relative_to(PRESETS).parts)
    name = {"slurm": "submitit_slurm"}.get(preset.stem, preset.stem)
    theirs = OmegaConf.to_container(ConfigStore.instance().load(f"{group}/{name}.yaml").node)
    ours = yaml.safe_load(preset.read_text())
    assert ours["_target_"] == theirs["_target_"]
    assert set(ours) - {"defaults"} <= set(theirs)
