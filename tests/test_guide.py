"""The guide: every command on its pages is executed, in a copy of the project, in order."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from nc_testbed.core.status import WORDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    page.stem: page for page in [DOCS / "index.md", *sorted((DOCS / "guide").glob("*.md"))]
}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHORT = ("generations=2", "chains=2", "model.steps=5")
"""What is added to the default run, which would take minutes."""
LEFT = shutil.ignore_patterns(
    ".git", ".venv", "outputs", "__pycache__", "*.egg-info", ".*_cache"
)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every code block of a page."""
    return BLOCK.findall(page.read_text())


def commands(text: str) -> list[list[str]]:
    """The words of every command of a block, without comments."""
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words for words in lines if words]


def name(text: str) -> str:
    """The file that a block is saved as: its first line is ``# its/path``."""
    return text.splitlines()[0].removeprefix("# ")


class Reader:
    """Who follows a page, word by word, in a copy of the project."""

    def __init__(self, place: Path, cache: Path):
        self.place = place
        shutil.copytree(ROOT, place, ignore=LEFT, symlinks=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PYTHONPATH": str(place), "PATH": path, "NC_TESTBED_CACHE": str(cache)}
        self.environment = os.environ | own

    def follow(self, page: Path) -> None:
        """Save every file and execute every command."""
        for language, text in blocks(page):
            if language in ("python", "yaml"):
                target = self.place / name(text)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            for words in commands(text) if language == "sh" else ():
                getattr(self, f"do_{words[0].replace('-', '_')}")(words)

    def do_python(self, words: list[str]) -> None:
        default = words[1] == "scripts/train.py" and not any(
            word.startswith(("data=", "experiment=", "resume=", "-")) for word in words
        )
        here = [word.replace("launcher=slurm", "launcher=submitit_local") for word in words]
        self._run([*here, *SHORT] if default else here)

    def do_nc_testbed(self, words: list[str]) -> None:
        self._run(words)

    def do_python3(self, words: list[str]) -> None:
        self._run(words)

    def do_make(self, words: list[str]) -> None:
        self._run(["make", "--dry-run", *words[1:]])  # it would install

    def do_source(self, words: list[str]) -> None:
        assert (self.place / words[1]).is_file()

    def do_pip(self, words: list[str]) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert words[:3] == ["pip", "install", "-e"]
        extra = re.fullmatch(r"\.(?:\[(\w+)\])?", words[3])
        assert extra and (extra[1] is None or extra[1] in project["optional-dependencies"])

    def do_tensorboard(self, words: list[str]) -> None:
        command = [sys.executable, "-m", "tensorboard.main", *words[1:], "--port", "0"]
        served = subprocess.Popen(
            command, cwd=self.place, env=self.environment, stderr=subprocess.PIPE, text=True
        )
        try:
            assert served.stderr is not None
            address = next(filter(None, (re.search(r"http://\S+", x) for x in served.stderr)))[
                0
            ]
            with urllib.request.urlopen(f"{address}data/runs", timeout=60) as answer:
                assert answer.status == 200
        finally:
            served.terminate()
            served.communicate(timeout=60)

    def _run(self, words: list[str]) -> None:
        done = subprocess.run(
            words,
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-1000:]}{done.stderr}"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where all pages keep what is made once, such as a referee."""
    return tmp_path_factory.mktemp("cache")


def marked(stem: str):
    mark = (
        pytest.mark.engines if stem == "engines" else pytest.mark.guide
    )  # some have its extras
    return pytest.param(PAGES[stem], id=stem, marks=mark)


@pytest.mark.parametrize("page", [marked(stem) for stem in PAGES])
def test_every_command_of_a_page_can_be_executed(page, tmp_path, cache):
    Reader(tmp_path / "nc_testbed", cache).follow(page)


@pytest.mark.guide
def test_the_site_can_be_built(tmp_path):
    config = DOCS / "site" / "mkdocs.yml"
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        str(config),
    ]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "guide" / "metrics.html").is_file()


def test_pages_and_commands_were_found():
    found = [words for page in PAGES.values() for lang, text in blocks(page) if lang == "sh"
             for words in commands(text)]  # fmt: skip
    assert len(PAGES) >= 10
    assert sum(words[:2] == ["python", "scripts/train.py"] for words in found) >= 15


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_every_block_is_a_command_a_file_or_an_output(page):
    for language, text in blocks(page):
        assert language in ("sh", "python", "yaml", "text"), text
        if language in ("python", "yaml"):
            assert re.fullmatch(r"[\w/]+\.(py|yaml)", name(text)), text
    assert page.read_text().count("```") == 2 * len(blocks(page))


def test_the_page_of_metrics_is_what_metrics_declare():
    path = ROOT / "scripts" / "metrics_page.py"
    spec = importlib.util.spec_from_file_location("metrics_page", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = PAGES["metrics"].read_text()
    assert module.renewed(page) == page, "run python scripts/metrics_page.py"


def test_the_page_of_metrics_has_the_columns_beside_them():
    page = PAGES["metrics"].read_text()
    sources = (ROOT / "nc_testbed" / "models").glob("*.py")
    columns = {c for file in sources for c in re.findall(r'"(fit_\w+)"', file.read_text())}
    assert len(columns) >= 5
    assert not [column for column in columns if f"`{column}`" not in page]
    assert all(f"{code} {word}" in page for code, word in enumerate(WORDS))
