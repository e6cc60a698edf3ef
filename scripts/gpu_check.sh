#!/usr/bin/env bash
# All that needs a GPU, in one go: the tests marked gpu and the benchmark. Nothing is downloaded.
#
#   scripts/gpu_check.sh [rows of the benchmark, default all]
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
python=${PYTHON:-python3}
"$python" -c 'import sys, torch; torch.cuda.is_available() or sys.exit("torch sees no GPU here")'
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
status=0
"$python" -m pytest -m gpu || status=$? # the benchmark is worth having though a test fails
"$python" scripts/bench.py device=cuda rows="${1:-all}"
exit "$status"
