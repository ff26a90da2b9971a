#!/usr/bin/env python3
"""Asks network-config-analyzer (PyPI) the cases of network-policy/ and compares its answers with the tables.

usage: ask_nca.py        with a Python that has the package `network-config-analyzer`

It reads NetworkPolicy and knows neither Cilium's kinds nor ports of protocols other than TCP, UDP and SCTP, so the other
folders are left out. A difference without a reason in EXPLAINED is an error, and so is a reason that explains nothing.
"""

import contextlib
import io
import ipaddress
import pathlib
import re
import sys
import tempfile

from nca import nca_cli

ROOT = pathlib.Path(__file__).parent
TRANSPORT = ("TCP", "UDP", "SCTP")

# Why its answer may differ, each with a test of a case and one difference in it: (source, destination, what it says, what
# the table says). It says None where it refuses to answer.
EXPLAINED = {
    "it matches an ipBlock against addresses outside the cluster alone. The API reference leaves open whether a pod's "
    "address counts; the tables count it, so that they can only have more, and between pods":
        lambda case, source, destination, said, table: "ipBlock" in case.yaml
        and is_pod(source) and is_pod(destination) and said is not None and holds(table, said),
    "it takes `egress: []` without policyTypes for a policy of egress; the API server adds the type only where there is a "
    "rule (SetDefaults_NetworkPolicy: `len(obj.Spec.Egress) != 0`)":
        lambda case, source, destination, said, table: "policyTypes" not in case.yaml and "egress: []" in case.yaml
        and said == [],
    "it refuses a section that policyTypes leaves out; the API server takes it and ignores it":
        lambda case, source, destination, said, table: said is None
        and re.search(r"policyTypes: \[(Ingress|Egress)\]", case.yaml) and "ingress:" in case.yaml and "egress:" in case.yaml,
}


class Case:
    def __init__(self, name, yaml, cluster, table):
        self.name, self.yaml, self.cluster, self.table = name, yaml, cluster, table


def cases():
    for file in sorted((ROOT / "network-policy").glob("*.md")):
        head, *sections = file.read_text().split("\n## ")
        link = re.search(r"Cluster: \[[^]]*\]\(([^)]*)\)", head)
        cluster = (file.parent / link.group(1)).read_text() if link else ""
        for section in sections:
            title, body = section.split("\n", 1)
            blocks = re.findall(r"```(\w+)([^\n]*)\n(.*?)```", body, re.S)
            yaml = "".join(text for kind, _, text in blocks if kind == "yaml")
            table = next((text for kind, _, text in blocks if kind == "text"), None)
            if table is None:
                continue
            rows = [line for line in body.splitlines() if line.startswith("|")]
            grid = [[cell.strip().strip("`").replace("\\|", "|") for cell in row.strip("|").split(" | ")] for row in rows]
            name = f"{file.stem}: {title}"
            if not grid:
                yield Case(name, yaml, cluster, read_table(table, {}))
                continue
            holes = grid[0]
            for filling in grid[2:]:
                cells = dict(zip(holes[1:], filling[1:]))
                filled = yaml.replace(f"<{holes[0]}>", filling[0])
                yield Case(f"{name} {filling[0]}", filled, cluster, read_table(table, cells))


def read_table(text, cells):
    """(source, destination) -> what may pass, as a set of (protocol, first, last); None where it is not asked."""
    lines = [line for line in text.splitlines() if line.strip()]
    letters = dict(cells)
    while lines and " = " in lines[-1]:
        letter, meaning = lines.pop().split(" = ", 1)
        letters[letter.strip()] = meaning
    columns = lines[0].split()
    table = {}
    for line in lines[1:]:
        source, *row = line.split()
        for destination, cell in zip(columns, row, strict=True):
            meaning = letters.get(cell, cell)
            if meaning not in ("#", "~"):
                table[source, destination] = read_ports(meaning)
    return table


def read_ports(text):
    if text == "-":
        return []
    if text == ".":
        return [(protocol, 1, 65535) for protocol in TRANSPORT]
    ports = []
    for item in text.split():
        if "/" not in item or item.startswith("icmp"):
            continue
        numbers, protocol = item.split("/")
        first, last = (1, 65535) if numbers == "*" else map(int, (numbers.split("-") * 2)[:2])
        ports += [(one, first, last) for one in (TRANSPORT if protocol == "ANY" else (protocol,))]
    return ports


def ask(case):
    """What it says may pass, as lines of (source, destination, ports)."""
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        own = identities(case.yaml)
        cluster = [document for document in case.cluster.split("\n---\n") if not identities(document) & own]
        # It reads files in the order of their names, and policies need to find namespaces read already.
        (place / "1-cluster.yaml").write_text("\n---\n".join(cluster))
        (place / "2-case.yaml").write_text(case.yaml)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            nca_cli.nca_main(
                ["--connectivity", "-r", directory, "-o", "txt_no_fw_rules", "--output_endpoints", "pods", "--return_0"]
            )
    answers = []
    for line in out.getvalue().splitlines():
        said = re.fullmatch(r"(.+?) => (.+?) : (.*)", line)
        if said:
            answers.append((said[1], said[2], read_connection(said[3])))
    if not answers and "unique endpoints" not in out.getvalue() + err.getvalue():
        return None
    return answers


def identities(text):
    found = set()
    for document in text.split("\n---\n"):
        kind = re.search(r"^kind: (\S+)", document, re.M)
        name = re.search(r"metadata: \{name: ([^,}]+)(?:, namespace: ([^,}]+))?", document)
        if kind and name:
            found.add((kind[1], name[2] or "", name[1]))
    return found


def read_connection(text):
    if text == "All connections":
        return read_ports(".")
    if text == "No connections":
        return []
    ports = []
    for protocols, numbers in re.findall(r"protocols:([A-Z]+(?:, ?[A-Z]+)*)(?:,dst_ports:([0-9,-]+))?", text):
        for protocol in protocols.replace(" ", "").split(","):
            if protocol not in TRANSPORT:
                continue
            for item in (numbers or "1-65535").split(","):
                first, last = map(int, (item.split("-") * 2)[:2])
                ports.append((protocol, first, last))
    if not ports:
        raise SystemExit(f"cannot read the connection {text!r}")
    return ports


def is_party(written, party):
    """Whether a party of an answer (a pod, or addresses) is or holds one of the table."""
    if is_pod(party):
        return written == party
    if written[0].isdigit() and party[0].isdigit():
        for part in written.replace(" ", "").split(","):
            if "-" in part:
                first, last = map(ipaddress.ip_address, part.split("-"))
            else:
                network = ipaddress.ip_network(part)
                first, last = network[0], network[-1]
            if first <= ipaddress.ip_address(party) <= last:
                return True
    return False


def is_pod(party):
    return "/" in party and "." not in party


def holds(all_ports, some):
    return merged(all_ports + some) == merged(all_ports)


def merged(ports):
    """The same ports as sorted intervals that neither meet nor touch."""
    result = []
    for protocol, first, last in sorted(ports):
        if result and result[-1][0] == protocol and first <= result[-1][2] + 1:
            result[-1] = (protocol, result[-1][1], max(last, result[-1][2]))
        else:
            result.append((protocol, first, last))
    return result


def differences(case):
    answers = ask(case)
    if answers is None:
        yield None, None, None, None
        return
    for (source, destination), expected in case.table.items():
        if source.startswith("node:") or destination.startswith("node:"):
            continue
        said = [ports for a, b, ports in answers if is_party(a, source) and is_party(b, destination)]
        said, expected = merged(port for ports in said for port in ports), merged(expected)
        if said != expected:
            yield source, destination, said, expected


def main():
    used, asked, equal, failed = dict.fromkeys(EXPLAINED, 0), 0, 0, 0
    for case in cases():
        asked += 1
        reasons, unexplained = set(), []
        for difference in differences(case):
            why = next((why for why, explains in EXPLAINED.items() if explains(case, *difference)), None)
            if why is None:
                source, destination, said, expected = difference
                unexplained.append(f"{source} -> {destination}: {said}, the table has {expected}")
            else:
                reasons.add(why)
        for why in reasons:
            used[why] += 1
        if unexplained:
            failed += 1
            print(f"DIFFERS {case.name}\n  " + "\n  ".join(unexplained[:6]))
        elif not reasons:
            equal += 1
    print(f"{asked} cases asked, {equal} answered the same, {failed} differ without a reason")
    for why, cases_with_it in used.items():
        print(f"{cases_with_it} differ: {why}")
        failed += cases_with_it == 0
    return 1 if failed or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
