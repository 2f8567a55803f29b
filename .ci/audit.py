"""Asks a database of known vulnerabilities about every installed package: ``python .ci/audit.py PIP_AUDIT [OPTIONS]``.

pip-audit takes a package that its index does not know for one without flaws. So it is asked for JSON, and it is counted
what was really looked up. Exit status 1: a vulnerability that is not in ``audit-ignored.txt``. Exit status 0: none.

Where no database answers, ``advisories.json`` is read, and it is said how old that is and how many of the installed
packages are in it. ``--keep`` writes what a database says into it, for such places.
"""

import json
import subprocess
import sys
import sysconfig
from datetime import date
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

SERVICES = ("pypi", "osv")  # each needs its own host
PATIENCE = 600  # seconds for one service
IGNORED = Path(__file__).with_name("audit-ignored.txt")
KEPT = Path(__file__).with_name("advisories.json")


def read_ignored(text: str) -> dict[str, str]:
    """Lines ``ID reason`` → reasons by ID; an ID without a reason is an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    ignored = dict((line.split(maxsplit=1) + [""])[:2] for line in lines)
    for name, reason in ignored.items():
        if not reason:
            raise SystemExit(f"{IGNORED.name}: {name} has no reason")
    return ignored


def judge(report: dict[str, Any], ignored: dict[str, str]) -> tuple[int, list[str], list[str]]:
    """A report of pip-audit → how many packages were looked up, what is bad, what else is to be said."""
    looked_up, bad, notes, skipped = 0, [], [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
            continue
        looked_up += 1
        for flaw in package["vulns"]:
            names = [flaw["id"], *flaw.get("aliases", [])]
            reason = next((ignored[name] for name in names if name in ignored), None)
            fix = ", ".join(flaw.get("fix_versions", [])) or "none yet"
            said = f"{package['name']} {package['version']}: {' = '.join(names)}; fixed in: {fix}"
            bad.append(said) if reason is None else notes.append(f"ignored: {said}; {reason}")
    if skipped:
        notes.append(f"not in the database: {', '.join(skipped)}")
    return looked_up, bad, notes


def ask(pip_audit: str, service: str, options: list[str]) -> dict[str, Any] | None:
    """The report of one service; None if it does not answer."""
    command = [pip_audit, "--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
    command += options or ["--path", sysconfig.get_path("purelib")]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE)
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def keep(report: dict[str, Any], service: str) -> None:
    """Writes what a service has said, without the packages that it does not know and without long descriptions."""
    known = [package for package in report["dependencies"] if "skip_reason" not in package]
    for flaw in (flaw for package in known for flaw in package["vulns"]):
        flaw.pop("description", None)
    kept = {"made": date.today().isoformat(), "source": service, "dependencies": known}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def recall(installed: dict[str, str]) -> tuple[dict[str, Any], str] | None:
    """What is kept of the installed versions, as a report, and how old it is; None if nothing is kept.

    Args:
        installed: versions by the names of packages.
    """
    if not KEPT.is_file():
        return None
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    known = [one for one in kept["dependencies"] if installed.get(plain(one["name"])) == one["version"]]
    days = (date.today() - date.fromisoformat(kept["made"])).days
    age = f"{KEPT.name} of {kept['made']}, {days} days old, by {kept['source']}"
    return {"dependencies": known}, f"{age}; it knows {len(known)} of {len(installed)} installed packages"


def plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def main(pip_audit: str, *options: str) -> int:
    ignored = read_ignored(IGNORED.read_text(encoding="utf-8"))
    wishes = [option for option in options if option != "--keep"]
    for service in SERVICES:
        report = ask(pip_audit, service, wishes)
        looked_up, bad, notes = judge(report, ignored) if report else (0, [], [])
        if report and looked_up:
            if "--keep" in options:
                keep(report, service)
            return tell(bad, notes, f"{looked_up} packages looked up ({service})")
    print(f"audit: NOT DONE, none of the databases ({', '.join(SERVICES)}) could be reached; nothing was looked up")
    recalled = recall({plain(one.metadata["Name"]): one.version for one in distributions() if one.metadata["Name"]})
    if recalled is None:
        return 0
    report, age = recalled
    return tell(*judge(report, ignored)[1:], f"instead {age}")


def tell(bad: list[str], notes: list[str], what: str) -> int:
    print(*notes, *(f"VULNERABLE: {said}" for said in bad), sep="\n")
    print(f"audit: {what}, {len(bad)} known vulnerabilities")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
