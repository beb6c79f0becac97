"""Every comparison, one after another, and the table that docs/speed.md holds.

python benchmarks/all.py
python benchmarks/all.py --rounds 9         on a machine that does nothing else
"""

import subprocess
import sys
from pathlib import Path

from comparing import arguments

SCRIPTS = (
    *("features.py", "transforms.py", "operators.py"),
    *("against_timm.py", "against_ast.py", "against_paper.py", "scaling.py"),
)


def main() -> None:
    """Runs the scripts; what they print is the result."""
    parser = arguments(__doc__, rounds=5)
    chosen = parser.parse_args()
    failed = []
    for script in SCRIPTS:
        sizes = ["--batch", str(chosen.batch)] if script.startswith("against") else []
        form = ["--json"] if chosen.json and script != "scaling.py" else []
        command = [sys.executable, str(Path(__file__).parent / script), "--rounds", str(chosen.rounds)]
        done = subprocess.run([*command, "--device", chosen.device, *sizes, *form], check=False)
        failed += [script] if done.returncode else []
        print(flush=True)  # noqa: T201
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
