"""Runs the deliberate mutations of tests/mutants.toml: each is applied to a copy of the repository, and the test that must
notice it is run there.

    tests/env/bin/python tests/mutants.py                    # all of them; prints each, and a summary
    tests/env/bin/python tests/mutants.py desk.rs "decay"    # those whose file or description holds one of these texts
    tests/env/bin/python tests/mutants.py --check            # only whether every text to be replaced stands there once
    tests/env/bin/python tests/mutants.py --page             # writes docs/mutants.md from the last results

Results are kept in the folder of the copy (RECLRA_MUTANTS, else reclra-mutants among temporary files), so that a run goes on
where one was stopped; --again runs all anew. Python 3.11 or later, cargo, git.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("RECLRA_MUTANTS") or Path(tempfile.gettempdir()) / "reclra-mutants")
COPY, RESULTS = FOLDER / "repository", FOLDER / "results.json"
PACKAGES = {
    "crates/compute": "reclra-compute",
    "crates/core": "reclra",
    "crates/data": "reclra-data",
    "crates/train": "reclra-train",
}
# Seconds that a test may take: a mutation may loop forever.
LIMIT = 600
# The mutated crates are compiled often and run shortly.
FAST = [f"profile.dev.package.{name}.opt-level=0" for name in ["reclra", "reclra-data", "reclra-train"]]


def mutants():
    return tomllib.loads((ROOT / "tests/mutants.toml").read_text())["mutant"]


def key(m):
    """What a result belongs to: the mutation and the test."""
    return json.dumps([m["file"], m["find"], m["replace"], m.get("killed_by")])


def misplaced(all_mutants):
    """Mutations whose text does not stand in its file exactly once."""
    count = lambda m: (ROOT / m["file"]).read_text().count(m["find"]) if (ROOT / m["file"]).exists() else 0
    return [(m, count(m)) for m in all_mutants if count(m) != 1]


def copy():
    """Brings the copy up to date: files of the working tree that git knows or would take."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, check=True).stdout.decode().split("\0"):
        source, to = ROOT / name, COPY / name
        if name and source.is_file() and not (to.is_file() and to.read_bytes() == source.read_bytes()):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, to)
    if not (COPY / "tests/env").exists() and (ROOT / "tests/env").exists():
        (COPY / "tests/env").symlink_to((ROOT / "tests/env").resolve())


def cargo(m):
    """Compiles and runs the test of a mutation: (exit status, output)."""
    target, *names = m["killed_by"].split()
    package = PACKAGES["/".join(m["file"].split("/")[:2])]
    where = ["--lib"] if target == "--lib" else ["--test", target]
    config = [part for text in FAST for part in ["--config", text]]
    command = ["cargo", *config, "test", "--quiet", "-p", package, *where, *names]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(FOLDER / "target"), "RUST_BACKTRACE": "0"}
    try:
        done = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True, timeout=LIMIT)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return 124, "ran too long"


def run(m):
    """killed, survived, or why neither can be said."""
    path = COPY / m["file"]
    text = path.read_text()
    path.write_text(text.replace(m["find"], m["replace"]))
    try:
        status, output = cargo(m)
        if "could not compile" in output:
            return "does not compile: " + next((l for l in output.splitlines() if l.startswith("error")), "?")
        return "killed" if status else "survived"
    finally:
        path.write_text(text)


def baseline(wanted):
    """Fails where a test that must notice mutations fails without one."""
    for by, m in {(m["file"].split("/")[1], m["killed_by"]): m for m in wanted}.items():
        status, output = cargo(m)
        if status or "running 0 tests" in output and "running 1" not in output:
            sys.exit(f"{by} does not pass without a mutation:\n{output[-2000:]}")


def page(results):
    """docs/mutants.md."""
    all_mutants = mutants()
    real = [m for m in all_mutants if "equivalent" not in m]
    state = lambda m: results.get(key(m), "not run")
    killed = sum(state(m) == "killed" for m in real)
    lines = [
        "# Deliberate mutations",
        "",
        "Made by `tests/env/bin/python tests/mutants.py --page` from `tests/mutants.toml` and the results of the last run.",
        "Each row is one change of the code that breaks it, and the test that fails with it.",
        "Mutations that a program generates are in [mutants-generated.md](mutants-generated.md).",
        "",
        f"{len(all_mutants)} mutations, {len(all_mutants) - len(real)} of them equivalent (no test can tell); of the other",
        f"{len(real)}, {killed} are noticed ({100 * killed / len(real):.1f} %).",
    ]
    for file in dict.fromkeys(m["file"] for m in all_mutants):
        lines += ["", f"## `{file}`", "", "| mutation | noticed by |", "|---|---|"]
        for m in [m for m in all_mutants if m["file"] == file]:
            by = f"equivalent: {m['equivalent']}" if "equivalent" in m else f"`{m['killed_by']}`"
            also = "" if "equivalent" in m or state(m) == "killed" else f" ({state(m)})"
            lines.append(f"| {m['breaks']} | {by}{also} |")
    (ROOT / "docs/mutants.md").write_text("\n".join(lines) + "\n")


def main():
    words = sys.argv[1:]
    wrong = misplaced(mutants())
    for m, count in wrong:
        print(f"{m['file']}: {m['breaks']}: the text to be replaced stands there {count} times: {m['find']!r}")
    if "--check" in words or wrong:
        sys.exit(1 if wrong else 0)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() and "--again" not in words else {}
    if "--page" in words:
        return page(results)
    texts = [w for w in words if not w.startswith("--")]
    asked = lambda m: not texts or any(t in m["file"] or t in m["breaks"] for t in texts)
    wanted = [m for m in mutants() if "equivalent" not in m and asked(m) and results.get(key(m)) != "killed"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    copy()
    baseline(wanted)
    for n, m in enumerate(wanted, 1):
        began = time.monotonic()
        results[key(m)] = run(m)
        RESULTS.write_text(json.dumps(results, indent=0))
        took = time.monotonic() - began
        print(f"{n}/{len(wanted)} {results[key(m)]} ({took:.0f} s): {m['file']}: {m['breaks']}", flush=True)
    asked_for = [m for m in mutants() if "equivalent" not in m and asked(m)]
    alive = [m for m in asked_for if results.get(key(m)) != "killed"]
    print(f"{len(asked_for)} mutations, {len(asked_for) - len(alive)} killed")
    sys.exit(1 if alive else 0)


main()
