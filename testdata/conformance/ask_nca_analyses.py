#!/usr/bin/env python3
"""Asks network-config-analyzer (PyPI) the questions of analyses/ and compares its answers with those that are published.

usage: ask_nca_analyses.py        with a Python that has the package `network-config-analyzer`

The published answers are about that program's own files. That it gives the same ones here shows that the policies of
analyses/ ask what its tests ask.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).parent / "analyses"


def sections():
    """(title, cluster, sets by name, rows) of each section."""
    for file in sorted(FOLDER.glob("*.md")):
        if file.name == "README.md":
            continue
        head, *parts = file.read_text().split("\n## ")
        cluster = (FOLDER / re.search(r"Cluster: \[[^]]*\]\(([^)]*)\)", head)[1]).read_text()
        for part in parts:
            title, body = part.split("\n", 1)
            sets = dict(re.findall(r"```yaml (\S+)\n(.*?)```", body, re.S))
            rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\| .*\|$", body, re.M)]
            yield f"{file.stem}: {title}", cluster, sets, rows[1:]


def namespaces(text):
    return dict(re.findall(r"name: ([^,}]+), namespace: ([^,}]+)", text))


def ask(cluster, sets, rows):
    """The number of each row, by running a scheme that expects what no answer is."""
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        (place / "cluster.yaml").write_text(cluster)
        scheme = ["namespaceList: cluster.yaml", "podList: cluster.yaml", "networkConfigList:"]
        for name, text in sets.items():
            (place / f"{name}.yaml").write_text(text)
            scheme += [f"  - name: set-{name}", f"    networkPolicyList: [{name}.yaml]"]
        scheme.append("queries:")
        for number, (_, question, *_) in enumerate(rows):
            kind, *asked = question.split()
            scheme += [f"  - name: row-{number}", f"    {kind}:"]
            for one in asked:
                name, _, policy = one.partition("/")
                whole = f"/{namespaces(sets[name])[policy]}/{policy}" if policy else ""
                scheme.append(f"      - set-{name}{whole}")
            scheme.append("    expected: 1000")
        (place / "scheme.yaml").write_text("\n".join(scheme) + "\n")
        # It writes warnings to the standard error that it found when it was imported.
        run = [sys.executable, "-c", "from nca.nca_cli import nca_main; nca_main()", "--scheme", "scheme.yaml"]
        said = subprocess.run(run, cwd=directory, capture_output=True, text=True, check=False).stderr
    answers = dict(re.findall(r"result for query row-(\d+): Expected 1000, got (\d+)", said))
    return [answers.get(str(number)) for number in range(len(rows))]


def main():
    asked, failed = 0, 0
    for title, cluster, sets, rows in sections():
        answers = ask(cluster, sets, rows)
        for (there, question, published, *_), answer in zip(rows, answers):
            asked += 1
            if answer != published:
                failed += 1
                print(f"DIFFERS {title}: {question} ({there}): {answer}, published is {published}")
    print(f"{asked} questions asked, {asked - failed} answered as published")
    return 1 if failed or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
