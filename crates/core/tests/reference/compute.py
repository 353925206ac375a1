"""The second computation: two training steps of every rule and setting, in NumPy and float64, from the equations.

    tests/env/bin/python crates/core/tests/reference/compute.py           # writes perceptrons.json and images.json here
    tests/env/bin/python crates/core/tests/reference/compute.py FOLDER    # writes them there

It shares no code with the crate: the sources are the method and the headers of the rules. The numbers are committed;
crates/core/tests/second_computation.rs compares them to the crate, and this script's output to them. Random draws are data:
draws.json has them by key. Where one is missing, this script adds it without values and stops; RECLRA_WRITE_DRAWS=1 with
`cargo test -p reclra --test second_computation draws` fills them in.
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import cases
import image_cases
import images
import perceptrons
from common import START, Draws

HERE = Path(__file__).resolve().parent


def write(path, all_cases, run, draws):
    lines = []
    for case in all_cases:
        lines.append(json.dumps({**case, "expected": run(case, draws)}, separators=(",", ":")))
    if not draws.missing:
        path.write_text('{"start":' + json.dumps(START) + ',"cases":[\n' + ",\n".join(lines) + "\n]}\n")


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    draws = Draws(HERE / "draws.json")
    write(folder / "perceptrons.json", cases.perceptrons(), perceptrons.run, draws)
    write(folder / "images.json", image_cases.cases(), images.run, draws)
    if draws.missing:
        draws.save_missing()
        sys.exit(f"{len(draws.missing)} draws are missing in draws.json: let the Rust test fill them in, then run this again")


main()
