"""One process of libFuzzer at one door: ``python -m tests.fuzz.drive DOOR CORPUS FINDINGS SECONDS``.

It ends with the first finding, as libFuzzer does; `tests.fuzz.__main__` starts it again.
"""

import os
import sys

import atheris

# What coverage is measured in; libraries of C are not seen.
INSTRUMENTED = ["atvg", "PIL", "tarfile", "zipfile", "numpy.lib.format", "gradio.routes", "gradio.route_utils"]
LONGEST = 1 << 16  # bytes of an input
MEGABYTES = 4096


def main() -> None:
    """Brings what libFuzzer makes of the corpus to the door until time is up."""
    name, corpus, findings, seconds = sys.argv[1:]
    for loaded in set(INSTRUMENTED) & set(sys.modules):  # by atheris itself
        del sys.modules[loaded]
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        from tests.fuzz import harness

        door = harness.door(name)

    def one(data: bytes) -> None:
        harness.check(name, data)

    for number, seed in enumerate(door.seeds()):
        path = os.path.join(corpus, f"seed-{number:03d}")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(seed)
    options = {
        "max_total_time": seconds, "artifact_prefix": f"{findings}/", "timeout": 4 * door.SECONDS, "max_len": LONGEST,
        "rss_limit_mb": MEGABYTES, "detect_leaks": 0, "print_final_stats": 1, "reload": 0, "verbosity": 1,
        "report_slow_units": 4 * door.SECONDS,
    }  # fmt: skip
    harness.warm(name)
    atheris.Setup([sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), corpus], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
