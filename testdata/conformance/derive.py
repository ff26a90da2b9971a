#!/usr/bin/env python3
"""Writes the files of network-policy/ that are marked as derived.

The expectations do not come from Portcullis. `allows` below is the text of the Kubernetes API reference for
`networking.k8s.io/v1` (NetworkPolicySpec, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, IPBlock),
one function for each sentence that decides something. For the cases of `end-to-end.md` there is a second, independent
expectation: `closed` and `open` statements, written by hand from what the case is about. The two must agree, or
nothing is written.

    derive.py           write the files
    derive.py --check   say whether the files are what would be written
"""

import ipaddress
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROTOCOLS = ["TCP", "UDP", "SCTP"]
NUMBERS = {"main": 80, "side": 81}
NAMESPACES = "xyz"
PODS = "abc"
EVERYONE = [f"{ns}/{pod}" for ns in NAMESPACES for pod in PODS]


def cluster():
    """Nine pods; each has ports `main` (80) and `side` (81) of each protocol."""
    pods = {}
    for third, ns in enumerate(NAMESPACES, start=1):
        for last, pod in zip((4, 9, 40), PODS):
            pods[f"{ns}/{pod}"] = {
                "namespace": {"ns": ns, "kubernetes.io/metadata.name": ns},
                "labels": {"pod": pod},
                "address": ipaddress.ip_address(f"10.0.{third}.{last}"),
                "ports": {
                    (f"{name}-{protocol.lower()}", protocol): number
                    for name, number in NUMBERS.items()
                    for protocol in PROTOCOLS
                },
            }
    return pods


# The API text.


def selects(selector, labels):
    # "A label selector is a label query over a set of resources. The result of matchLabels and matchExpressions are
    # ANDed. An empty label selector matches all objects."
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        meets(expression, labels.get(expression["key"])) for expression in selector.get("matchExpressions", [])
    )


def meets(expression, value):
    # "operator represents a key's relationship to a set of values."
    operator, values = expression["operator"], expression.get("values", [])
    if operator == "In":
        return value is not None and value in values
    if operator == "NotIn":
        return value is None or value not in values
    if operator == "Exists":
        return value is not None
    assert operator == "DoesNotExist"
    return value is None


def affects(policy, direction):
    # "If this field is not specified, it will default based on the existence of ingress or egress rules; policies that
    # contain an egress section are assumed to affect egress, and all policies (whether or not they contain an ingress
    # section) are assumed to affect ingress."
    spec = policy["spec"]
    types = spec.get("policyTypes")
    if types is None:
        return direction == "Ingress" or bool(spec.get("egress"))
    return direction in types


def is_peer(policy, peer, name, pod):
    # ipBlock: "If this field is set then neither of the other fields can be." The conformance suite has it match pods.
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = pod["address"] in ipaddress.ip_network(block["cidr"])
        # "except is a slice of CIDRs that should not be included within an IPBlock"
        return inside and not any(pod["address"] in ipaddress.ip_network(hole) for hole in block.get("except", []))
    # "podSelector ... If namespaceSelector is also set, then the NetworkPolicyPeer as a whole selects the pods matching
    # podSelector in the namespaces selected by NamespaceSelector. Otherwise it selects the pods matching podSelector in
    # the policy's own namespace."
    # "namespaceSelector ... Otherwise it selects all pods in the namespaces selected by namespaceSelector."
    if "namespaceSelector" in peer:
        there = selects(peer["namespaceSelector"], pod["namespace"])
    else:
        there = name.split("/")[0] == policy["metadata"]["namespace"]
    return there and selects(peer.get("podSelector", {}), pod["labels"])


def is_port(entry, destination, protocol, number):
    # "protocol ... If not specified, this field defaults to TCP."
    if entry.get("protocol", "TCP") != protocol:
        return False
    # "port ... This can either be a numerical or named port on a pod. If this field is not provided, this matches all
    # port names and numbers."
    port = entry.get("port")
    if port is None:
        return True
    if isinstance(port, str):
        return destination["ports"].get((port, protocol)) == number
    # "endPort indicates that the range of ports from port to endPort if set, inclusive, should be allowed by the policy."
    return port <= number <= entry.get("endPort", port)


def side_allows(policies, pods, direction, subject, peer, destination, protocol, number):
    # "podSelector selects the pods to which this NetworkPolicy object applies."
    in_force = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == subject.split("/")[0]
        and selects(policy["spec"].get("podSelector", {}), pods[subject]["labels"])
        and affects(policy, direction)
    ]
    # "Traffic is allowed to a pod if there are no NetworkPolicies selecting the pod [for this direction] ..."
    if not in_force:
        return True
    section, peers_field = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    for policy in in_force:
        for rule in policy["spec"].get(section) or []:
            # "... OR if the traffic matches at least one ingress rule across all of the NetworkPolicy objects whose
            # podSelector matches the pod." "The traffic must match both ports and from."
            # "If this field is empty or missing, this rule matches all sources (traffic not restricted by source)."
            from_peer = not rule.get(peers_field) or any(
                is_peer(policy, one, peer, pods[peer]) for one in rule[peers_field]
            )
            # "If this field is empty or missing, this rule matches all ports (traffic not restricted by port)."
            if protocol is None:
                on_port = not rule.get("ports")
            else:
                on_port = not rule.get("ports") or any(
                    is_port(one, pods[destination], protocol, number) for one in rule["ports"]
                )
            if from_peer and on_port:
                return True
    return False


def allows(policies, pods, source, destination, protocol, number):
    return side_allows(policies, pods, "Egress", source, destination, destination, protocol, number) and side_allows(
        policies, pods, "Ingress", destination, source, destination, protocol, number
    )


# Sets of ports, as the tables write them.


def points(policies):
    """Numbers between which no policy makes a difference, each the first of its interval."""
    firsts = {1, 80, 81, 82}
    for policy in policies:
        for rule in (policy["spec"].get("ingress") or []) + (policy["spec"].get("egress") or []):
            for entry in rule.get("ports") or []:
                if isinstance(entry.get("port"), int):
                    firsts |= {entry["port"], entry.get("endPort", entry["port"]) + 1}
    return sorted(first for first in firsts if first <= 65535)


def open_ports(policies, pods, source, destination):
    """`.`, `-`, or items such as `80/TCP`."""
    if source == destination:
        return "#"
    firsts = points(policies)
    items = []
    for protocol in PROTOCOLS:
        ranges = []
        for first, after in zip(firsts, firsts[1:] + [65536]):
            if not allows(policies, pods, source, destination, protocol, first):
                continue
            if ranges and ranges[-1][1] == first - 1:
                ranges[-1][1] = after - 1
            else:
                ranges.append([first, after - 1])
        for first, last in ranges:
            number = "*" if (first, last) == (1, 65535) else str(first) if first == last else f"{first}-{last}"
            items.append(f"{number}/{protocol}")
    if allows(policies, pods, source, destination, None, None):
        assert items == [f"*/{protocol}" for protocol in PROTOCOLS]
        return "."
    return " ".join(items) if items else "-"


# Text.


def flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(one) for one in value) + "]"
    # Kubernetes reads YAML by the rules of version 1.1, where `y` alone is a boolean.
    return f'"{value}"' if value in ("y", "n") else str(value)


def yaml(policy):
    lines = [
        "apiVersion: networking.k8s.io/v1",
        "kind: NetworkPolicy",
        f"metadata: {flow(policy['metadata'])}",
        "spec:",
    ]
    for key, value in policy["spec"].items():
        if key not in ("ingress", "egress") or not value or value == [{}]:
            lines.append(f"  {key}: {flow(value)}")
            continue
        lines.append(f"  {key}:")
        for rule in value:
            dash = "    - "
            for field, entries in rule.items():
                if isinstance(entries, str) or not entries:
                    lines.append(f"{dash}{field}: {flow(entries)}")
                else:
                    lines.append(f"{dash}{field}:")
                    lines += [f"        - {flow(entry)}" for entry in entries]
                dash = "      "
            if not rule:
                lines.append(f"{dash}{{}}")
    return "\n".join(lines)


def matrix(cells):
    """Rows are sources, columns destinations. Sets of ports become letters, explained below."""
    letters = {}
    rows = [[""] + EVERYONE]
    for source in EVERYONE:
        row = [source]
        for destination in EVERYONE:
            cell = cells[source, destination]
            if "/" in cell:
                cell = letters.setdefault(cell, "pqrstuvw"[len(letters)])
            row.append(cell)
        rows.append(row)
    width = max(len(cell) for row in rows for cell in row[1:])
    lines = [(row[0].ljust(3) + "  " + "  ".join(cell.center(width) for cell in row[1:])).rstrip() for row in rows]
    lines += [f"{letter} = {ports}" for ports, letter in letters.items()]
    return "\n".join(lines)


def fenced(kind, text):
    return f"```{kind}\n{text}\n```\n"


# Pieces of policies.


def policy(name, namespace, pods, types=None, ingress=None, egress=None):
    spec = {"podSelector": pods}
    if types is not None:
        spec["policyTypes"] = types
    if ingress is not None:
        spec["ingress"] = ingress
    if egress is not None:
        spec["egress"] = egress
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def pod(*names):
    return labelled("pod", *names)


def ns(*names):
    return labelled("ns", *names)


def labelled(key, *values):
    if len(values) == 1:
        return {"matchLabels": {key: values[0]}}
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}


def not_in(key, *values):
    return {"matchExpressions": [{"key": key, "operator": "NotIn", "values": list(values)}]}


def from_pods(selector):
    return {"podSelector": selector}


def from_namespaces(selector):
    return {"namespaceSelector": selector}


def from_both(namespaces, pods):
    return {"podSelector": pods, "namespaceSelector": namespaces}


def on(port=None, protocol=None):
    entry = {}
    if protocol is not None:
        entry["protocol"] = protocol
    if port is not None:
        entry["port"] = port
    return entry


METADATA_NAME = "kubernetes.io/metadata.name"


# The cases of end-to-end.md: title, what it shows, policies, changes to the cluster, and by hand what is closed.
#
# A statement is (verb, sources, destinations, ports): `closed` removes the ports (None: everything) from the pairs,
# `open` puts them back. Sources and destinations are names with `*`.

INGRESS, EGRESS, BOTH = ["Ingress"], ["Egress"], ["Ingress", "Egress"]
NOTHING = []
ANYTHING = [{}]


def end_to_end():
    a = pod("a")
    yield (
        "ingress denied by default",
        "A policy that selects every pod of `x` and has no rule closes `x` to everybody, itself included, and nothing else.",
        [policy("none", "x", {}, INGRESS, NOTHING)],
        {},
        [("closed", "*", "x/*", None)],
    )
    yield (
        "everything denied by default",
        "Both directions: nothing goes into `x`, nothing comes out.",
        [policy("none", "x", {}, BOTH, NOTHING, NOTHING)],
        {},
        [("closed", "*", "x/*", None), ("closed", "x/*", "*", None)],
    )
    yield (
        "from a pod of the same namespace",
        "A `podSelector` without `namespaceSelector` means the policy's own namespace: `y/b` has the label and is not meant.",
        [policy("b-to-a", "x", a, INGRESS, [{"from": [from_pods(pod("b"))]}])],
        {},
        [("closed", "*", "x/a", None), ("open", "x/b", "x/a", None)],
    )
    yield (
        "to one pod of a closed namespace",
        "The rules of all policies that select a pod add up.",
        [
            policy("none", "x", {}, INGRESS, NOTHING),
            policy("all-to-a", "x", a, INGRESS, [{"from": [from_both({}, {})]}]),
        ],
        {},
        [("closed", "*", "x/b", None), ("closed", "*", "x/c", None)],
    )
    yield (
        "from every namespace",
        "An empty `namespaceSelector` selects all of them, the policy's own too.",
        [policy("any-namespace", "x", a, INGRESS, [{"from": [from_namespaces({})]}])],
        {},
        [],
    )
    yield (
        "from one namespace",
        "The policy's own namespace is not meant unless it is selected.",
        [policy("y-to-a", "x", a, INGRESS, [{"from": [from_namespaces(ns("y"))]}])],
        {},
        [("closed", "x/*", "x/a", None), ("closed", "z/*", "x/a", None)],
    )
    yield (
        "a pod selector with an expression",
        "`In` with one value is what the label alone would be.",
        [
            policy(
                "b-to-a",
                "x",
                a,
                INGRESS,
                [
                    {
                        "from": [
                            from_pods({"matchExpressions": [{"key": "pod", "operator": "In", "values": ["b"]}]})
                        ]
                    }
                ],
            )
        ],
        {},
        [("closed", "*", "x/a", None), ("open", "x/b", "x/a", None)],
    )
    yield (
        "a namespace selector with an expression",
        "The same, of namespaces.",
        [
            policy(
                "y-to-a",
                "x",
                a,
                INGRESS,
                [
                    {
                        "from": [
                            from_namespaces({"matchExpressions": [{"key": "ns", "operator": "In", "values": ["y"]}]})
                        ]
                    }
                ],
            )
        ],
        {},
        [("closed", "x/*", "x/a", None), ("closed", "z/*", "x/a", None)],
    )
    yield (
        "pods, or namespaces",
        "Two entries: one or the other is enough.",
        [
            policy(
                "either",
                "x",
                a,
                INGRESS,
                [{"from": [from_namespaces(not_in("ns", "x")), from_pods(pod("b"))]}],
            )
        ],
        {},
        [("closed", "x/c", "x/a", None)],
    )
    yield (
        "pods, and namespaces",
        "One entry with both: the pod must match and its namespace too.",
        [policy("both", "x", a, INGRESS, [{"from": [from_both(not_in("ns", "x"), pod("b"))]}])],
        {},
        [("closed", "*", "x/a", None), ("open", "y/b", "x/a", None), ("open", "z/b", "x/a", None)],
    )
    yield (
        "several pods and namespaces",
        "Expressions with several values in both selectors of one entry.",
        [policy("several", "x", a, INGRESS, [{"from": [from_both(not_in("ns", "x"), pod("b", "c"))]}])],
        {},
        [
            ("closed", "x/*", "x/a", None),
            ("closed", "y/a", "x/a", None),
            ("closed", "z/a", "x/a", None),
        ],
    )
    yield (
        "any of two pod selectors",
        "Two entries of the same namespace.",
        [policy("b-or-c", "x", a, INGRESS, [{"from": [from_pods(pod("b")), from_pods(pod("c"))]}])],
        {},
        [("closed", "*", "x/a", None), ("open", "x/b", "x/a", None), ("open", "x/c", "x/a", None)],
    )
    yield (
        "one pod of another namespace",
        "Everybody else is out, its neighbours too.",
        [policy("ya-to-xa", "x", a, INGRESS, [{"from": [from_both(ns("y"), a)]}])],
        {},
        [("closed", "*", "x/a", None), ("open", "y/a", "x/a", None)],
    )
    for protocol in PROTOCOLS:
        yield (
            f"a namespace on one port, {protocol}",
            "Peers and ports of one rule must both match; the port is of one protocol alone.",
            [
                policy(
                    "side",
                    "x",
                    a,
                    INGRESS,
                    [{"from": [from_namespaces(ns("y"))], "ports": [on(81, protocol)]}],
                )
            ],
            {},
            [("closed", "*", "x/a", None), ("open", "y/*", "x/a", f"81/{protocol}")],
        )
    stacked = [
        policy("side", "x", a, INGRESS, [{"from": [from_namespaces(ns("y"))], "ports": [on(81, "TCP")]}]),
        policy("main", "x", a, INGRESS, [{"from": [from_namespaces(ns("y"))], "ports": [on(80, "TCP")]}]),
    ]
    yield (
        "policies that add up",
        "The second policy opens what the first left closed, and takes nothing away.",
        stacked,
        {},
        [("closed", "*", "x/a", None), ("open", "y/*", "x/a", "80-81/TCP")],
    )
    yield (
        "everything allowed",
        "`ingress: [{}]` is a rule without conditions.",
        [policy("all", "x", {}, INGRESS, ANYTHING)],
        {},
        [],
    )
    yield (
        "a named port for everybody",
        "The name is that of the pod's own port; its protocol defaults to TCP.",
        [policy("side", "x", {}, INGRESS, [{"ports": [on("side-tcp")]}])],
        {},
        [("closed", "*", "x/*", None), ("open", "*", "x/*", "81/TCP")],
    )
    yield (
        "a named port for a namespace",
        "Peers and a name.",
        [
            policy(
                "main",
                "x",
                a,
                INGRESS,
                [{"from": [from_namespaces(ns("y"))], "ports": [on("main-tcp", "TCP")]}],
            )
        ],
        {},
        [("closed", "*", "x/a", None), ("open", "y/*", "x/a", "80/TCP")],
    )
    yield (
        "a named port at egress",
        "At egress the name is that of each destination's own port.",
        [policy("main", "x", {}, EGRESS, egress=[{"ports": [on("main-tcp")]}])],
        {},
        [("closed", "x/*", "*", None), ("open", "x/*", "*", "80/TCP")],
    )
    yield (
        "a policy before it is changed",
        "First state of a policy that is then changed: open.",
        [policy("changed", "x", {}, INGRESS, ANYTHING)],
        {},
        [],
    )
    yield (
        "a policy after it is changed",
        "Second state: closed. Nothing of the first is left.",
        [policy("changed", "x", {}, INGRESS, NOTHING)],
        {},
        [("closed", "*", "x/*", None)],
    )
    updated = [policy("updated", "x", a, INGRESS, [{"from": [from_namespaces(labelled("team", "red"))]}])]
    yield (
        "a namespace without the label",
        "Nobody has it.",
        updated,
        {},
        [("closed", "*", "x/a", None)],
    )
    yield (
        "a namespace that gets the label",
        "All of its pods are let in.",
        updated,
        {"y": {"ns": "y", "team": "red"}},
        [("closed", "*", "x/a", None), ("open", "y/*", "x/a", None)],
    )
    updated = [
        policy("updated", "x", a, INGRESS, [{"from": [from_pods({"matchLabels": {"pod": "b", "role": "client"}})]}])
    ]
    yield (
        "a pod without one of two labels",
        "All of `matchLabels` must match.",
        updated,
        {},
        [("closed", "*", "x/a", None)],
    )
    yield (
        "a pod that gets the second label",
        "Now it does.",
        updated,
        {"x/b": {"pod": "b", "role": "client"}},
        [("closed", "*", "x/a", None), ("open", "x/b", "x/a", None)],
    )
    yield (
        "from the own namespace only",
        "An empty `podSelector` selects every pod of the policy's namespace.",
        [policy("own", "x", {}, INGRESS, [{"from": [from_pods({})]}])],
        {},
        [("closed", "y/*", "x/*", None), ("closed", "z/*", "x/*", None)],
    )
    isolated = [policy("isolated", "x", labelled("state", "isolated"), INGRESS, NOTHING)]
    yield ("a subject that does not exist", "The policy selects no pod.", isolated, {}, [])
    yield (
        "a pod that becomes the subject",
        "It gets the label and is closed.",
        isolated,
        {"x/a": {"pod": "a", "state": "isolated"}},
        [("closed", "*", "x/a", None)],
    )
    yield (
        "egress of one pod denied",
        "Its neighbours are not touched, and it can still be reached.",
        [policy("none", "x", a, EGRESS, egress=NOTHING)],
        {},
        [("closed", "x/a", "*", None)],
    )
    yield (
        "egress of a namespace denied",
        "Also from one of its pods to another.",
        [policy("none", "x", {}, EGRESS, egress=NOTHING)],
        {},
        [("closed", "x/*", "*", None)],
    )
    yield (
        "ingress and egress in one policy",
        "Each section decides its own direction.",
        [policy("both", "x", a, BOTH, [{"from": [from_pods(pod("b"))]}], [{"ports": [on(80)]}])],
        {},
        [
            ("closed", "*", "x/a", None),
            ("open", "x/b", "x/a", None),
            ("closed", "x/a", "*", None),
            ("open", "x/a", "*", "80/TCP"),
        ],
    )
    yield (
        "the client's side denies what the server's side allows",
        "Both sides must allow a flow.",
        [
            policy("to-ya", "x", a, EGRESS, egress=[{"to": [from_both(ns("y"), a)]}]),
            policy("xa-to-a", "y", a, INGRESS, [{"from": [from_both(ns("x"), a)]}]),
            policy("xa-to-b", "y", pod("b"), INGRESS, [{"from": [from_both(ns("x"), a)]}]),
        ],
        {},
        [
            ("closed", "x/a", "*", None),
            ("closed", "*", "y/a", None),
            ("closed", "*", "y/b", None),
            ("open", "x/a", "y/a", None),
        ],
    )
    yield (
        "egress to one pod of another namespace",
        "Nothing else is reached.",
        [policy("to-ya", "x", a, EGRESS, egress=[{"to": [from_both(ns("y"), a)]}])],
        {},
        [("closed", "x/a", "*", None), ("open", "x/a", "y/a", None)],
    )
    yield (
        "every port of one protocol",
        "A protocol without a port is all of its ports, and no other protocol.",
        [policy("tcp", "x", a, INGRESS, [{"ports": [on(None, "TCP")]}])],
        {},
        [("closed", "*", "x/a", None), ("open", "*", "x/a", "*/TCP")],
    )
    yield (
        "a second policy that allows all ingress",
        "The union of one port and everything is everything.",
        [
            policy("main", "x", {}, INGRESS, [{"ports": [on(80)]}]),
            policy("all", "x", {}, INGRESS, ANYTHING),
        ],
        {},
        [],
    )
    yield (
        "a second policy that allows all egress",
        "The same, of egress.",
        [
            policy("main", "x", {}, EGRESS, egress=[{"ports": [on(80)]}]),
            policy("all", "x", {}, EGRESS, egress=ANYTHING),
        ],
        {},
        [],
    )
    yield ("policies that are gone", "Without a policy everything is open.", [], {}, [])
    yield (
        "egress to one pod's address",
        "`ipBlock` matches pods by their addresses: the upstream suite asks a pod's own address of it.",
        [policy("to-yb", "x", a, EGRESS, egress=[{"to": [{"ipBlock": {"cidr": "10.0.2.9/32"}}]}])],
        {},
        [("closed", "x/a", "*", None), ("open", "x/a", "y/b", None)],
    )
    around = {"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.1.9/32"]}}
    yield (
        "egress to a block with a hole",
        "The pod in the hole is not reached.",
        [policy("around-xb", "x", a, EGRESS, egress=[{"to": [around]}])],
        {},
        [("closed", "x/a", "x/b", None)],
    )
    yield (
        "a hole that another rule fills",
        "An exception narrows its own block only; what another entry allows stays allowed.",
        [
            policy("around-xb", "x", a, EGRESS, egress=[{"to": [around]}]),
            policy("to-xb", "x", a, EGRESS, egress=[{"to": [{"ipBlock": {"cidr": "10.0.1.9/32"}}]}]),
        ],
        {},
        [],
    )
    yield (
        "directions are apart",
        "One policy opens the egress of a pod, another closes its ingress.",
        [
            policy("out", "x", a, EGRESS, egress=ANYTHING),
            policy("in", "x", a, INGRESS, NOTHING),
        ],
        {},
        [("closed", "*", "x/a", None)],
    )
    yield (
        "SCTP is not TCP",
        "A rule for SCTP opens no TCP port of the same number.",
        [
            policy("none", "x", {}, INGRESS, NOTHING),
            policy("sctp", "x", a, INGRESS, [{"ports": [on(81, "SCTP")]}]),
        ],
        {},
        [("closed", "*", "x/*", None), ("open", "*", "x/a", "81/SCTP")],
    )
    yield (
        "a rule for SCTP isolates",
        "A policy that speaks of SCTP alone denies the other protocols.",
        [policy("sctp", "x", a, INGRESS, [{"ports": [on(80, "SCTP")]}])],
        {},
        [("closed", "*", "x/a", None), ("open", "*", "x/a", "80/SCTP")],
    )
    yield (
        "UDP is not TCP",
        "A rule for UDP opens no TCP port of the same number.",
        [policy("udp", "x", a, INGRESS, [{"ports": [on(81, "UDP")]}])],
        {},
        [("closed", "*", "x/a", None), ("open", "*", "x/a", "81/UDP")],
    )
    yield (
        "a namespace by the label it always has",
        "`kubernetes.io/metadata.name` is on every namespace, written or not.",
        [policy("y-to-a", "x", a, INGRESS, [{"from": [from_namespaces(labelled(METADATA_NAME, "y"))]}])],
        {},
        [("closed", "x/*", "x/a", None), ("closed", "z/*", "x/a", None)],
    )
    yield (
        "all but one namespace by the label it always has",
        "`NotIn`, at egress.",
        [policy("not-y", "x", a, EGRESS, egress=[{"to": [from_namespaces(not_in(METADATA_NAME, "y"))]}])],
        {},
        [("closed", "x/a", "y/*", None)],
    )


def matches(pattern, name):
    if pattern == "*":
        return True
    left, right = pattern.split("/")
    ns_name, pod_name = name.split("/")
    return left == ns_name and right in ("*", pod_name)


def stated(statements):
    cells = {}
    for source in EVERYONE:
        for destination in EVERYONE:
            cell = "."
            for verb, sources, destinations, ports in statements:
                if matches(sources, source) and matches(destinations, destination):
                    cell = "-" if verb == "closed" else ports or "."
            cells[source, destination] = "#" if source == destination else cell
    # What one side closes stays closed, whatever another statement opens for the other side: `closed` statements name
    # whole rows or columns, so that a later `open` for a pair means that both sides let it through.
    return cells


def changed(pods, changes):
    documents = []
    for name, labels in changes.items():
        if "/" in name:
            pods[name]["labels"] = labels
            namespace, pod_name = name.split("/")
            documents.append(pod_yaml(namespace, pod_name, labels, pods[name]["address"]))
        else:
            for key, one in pods.items():
                if key.startswith(name + "/"):
                    one["namespace"] = {**labels, METADATA_NAME: name}
            documents.append(namespace_yaml(name, labels))
    return documents


def namespace_yaml(name, labels):
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {flow(name)}, labels: {flow(labels)}}}"


def pod_yaml(namespace, name, labels, address):
    lines = [
        "apiVersion: v1",
        "kind: Pod",
        f"metadata: {{name: {name}, namespace: {flow(namespace)}, labels: {flow(labels)}}}",
        "spec:",
        "  containers:",
        "    - name: server",
        "      ports:",
    ]
    for port_name, number in NUMBERS.items():
        for protocol in PROTOCOLS:
            lines.append(
                f"        - {{name: {port_name}-{protocol.lower()}, containerPort: {number}, protocol: {protocol}}}"
            )
    lines.append(f"status: {{podIPs: [{{ip: {address}}}]}}")
    return "\n".join(lines)


def cluster_file():
    pods = cluster()
    documents = [namespace_yaml(name, {"ns": name}) for name in NAMESPACES]
    for name, one in pods.items():
        namespace, pod_name = name.split("/")
        documents.append(pod_yaml(namespace, pod_name, one["labels"], one["address"]))
    return "# Derived by derive.py.\n" + "\n---\n".join(documents) + "\n"


NOTE = "Derived by [derive.py](../derive.py). Cluster: [nine pods](nine-pods.yaml)\n"


def end_to_end_file():
    text = ["# What the upstream end-to-end suite asks\n", NOTE]
    text.append(
        "Each question of `test/e2e/network/netpol` in Kubernetes, asked again in our own words and of all nine pods;\n"
        "a question about a change is two cases, before and after.\n"
    )
    for title, reason, policies, changes, statements in end_to_end():
        pods = cluster()
        documents = changed(pods, changes) + [yaml(one) for one in policies]
        cells = {
            (source, destination): open_ports(policies, pods, source, destination)
            for source in EVERYONE
            for destination in EVERYONE
        }
        by_hand = stated(statements)
        different = {pair: (cells[pair], by_hand[pair]) for pair in cells if cells[pair] != by_hand[pair]}
        if different:
            sys.exit(f"{title}: the API text and the statements differ (text, statement): {different}")
        text.append(f"## {title}\n\n{reason}\n")
        if documents:
            text.append(fenced("yaml", "\n---\n".join(documents)))
        text.append(fenced("text", matrix(cells)))
    return "\n".join(text)


# Grids: one policy with a hole, and a line for each filling.


def base(ingress, egress):
    """Ingress to x/a on TCP 80 from b and c of x and y; egress from x/a on TCP 80 to a and b of y and z."""
    return policy("base", "x", pod("a"), BOTH, ingress, egress)


BASE_INGRESS = {"from": [from_both(ns("x", "y"), pod("b", "c"))], "ports": [on(80, "TCP")]}
BASE_EGRESS = {"to": [from_both(ns("y", "z"), pod("a", "b"))], "ports": [on(80, "TCP")]}


def base_with(direction, field, value):
    ingress, egress = dict(BASE_INGRESS), dict(BASE_EGRESS)
    (ingress if direction == "ingress" else egress)[field] = value
    return base([ingress], [egress])


def evaluate(policies):
    pods = cluster()
    return {
        (source, destination): open_ports(policies, pods, source, destination)
        for source in EVERYONE
        for destination in EVERYONE
    }


def grid(title, reason, template, hole, template_cells, variables, fillings):
    """`variables`: column name → pair whose cell it is; `fillings`: (text, policies)."""
    text = [f"## {title}\n\n{reason}\n", fenced("yaml", yaml(template)), fenced("text", matrix(template_cells))]
    rows = []
    for filling, policies in fillings:
        cells = evaluate(policies)
        row = [f"`{filling}`"]
        for pairs in variables.values():
            found = {cells[pair] for pair in pairs}
            assert len(found) == 1, (title, filling, found)
            row.append(found.pop())
        holes = {pair for pairs in variables.values() for pair in pairs}
        for pair, cell in cells.items():
            assert pair in holes or cell == template_cells[pair], (title, filling, pair, cell, template_cells[pair])
        rows.append(row)
    header = [hole] + list(variables)
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    text.append("\n".join(lines) + "\n")
    return "\n".join(text)


def ports_file():
    entries = [on(port, protocol) for protocol in (None, "TCP", "UDP", "SCTP") for port in (None, 81, "side-tcp")]
    entries += [{"protocol": "UDP", "port": 70, "endPort": 81}]
    lists = [[]] + [[one] for one in entries]
    lists += [[one, other] for at, one in enumerate(entries) for other in entries[at + 1 :]]
    text = ["# Ports\n", NOTE]
    text.append(
        "The base policy lets pods `b` and `c` of `x` and `y` into `x/a`, and `x/a` out to pods `a` and `b` of `y` and\n"
        "`z`. One rule's `ports` are replaced by each list; `o` is what they open between the rule's own pairs.\n"
    )
    for direction in ("ingress", "egress"):
        template = base_with(direction, "ports", "<ports>")
        cells = evaluate([base_with(direction, "ports", [on(80, "TCP")])])
        if direction == "ingress":
            holes = [pair for pair in cells if pair[1] == "x/a" and cells[pair] == "80/TCP"]
        else:
            holes = [pair for pair in cells if pair[0] == "x/a" and cells[pair] == "80/TCP"]
        shown = {**cells, **{pair: "o" for pair in holes}}
        fillings = [(flow(one), [base_with(direction, "ports", one)]) for one in lists]
        text.append(
            grid(
                direction,
                f"The `ports` of the {direction} rule. No entry is every port and every protocol; an entry without\n"
                "`protocol` is TCP; a name counts only with the protocol that the pod gave it.",
                template,
                "ports",
                shown,
                {"o": holes},
                fillings,
            )
        )
    return "\n".join(text)


def peers_file():
    selectors = [
        from_pods({}),
        from_pods(pod("c")),
        from_namespaces({}),
        from_namespaces(ns("x")),
        from_namespaces(ns("y", "z")),
        from_both({}, {}),
        from_both({}, pod("c")),
        from_both(ns("x"), {}),
        from_both(ns("x"), pod("c")),
        from_both(ns("y", "z"), pod("a", "b")),
    ]
    blocks = [
        {"ipBlock": {"cidr": "10.0.3.0/24"}},
        {"ipBlock": {"cidr": "10.0.3.0/24", "except": ["10.0.3.32/28"]}},
    ]
    entries = selectors + blocks
    lists = [[]] + [[one] for one in entries]
    lists += [[one, other] for at, one in enumerate(entries) for other in entries[at + 1 :]]
    text = ["# Peers\n", NOTE]
    text.append(
        "The base policy of [ports.md](ports.md); one rule's peers are replaced by each list. A column is a pod: what\n"
        "passes between it and `x/a`.\n"
    )
    for direction, field in (("ingress", "from"), ("egress", "to")):
        template = base_with(direction, field, f"<{field}>")
        shown = evaluate([base_with(direction, field, [])])
        variables = {}
        for name in EVERYONE:
            if name == "x/a":
                continue
            pair = (name, "x/a") if direction == "ingress" else ("x/a", name)
            variables[name.replace("/", "")] = [pair]
            shown[pair] = name.replace("/", "")
        fillings = [(flow(one), [base_with(direction, field, one)]) for one in lists]
        text.append(
            grid(
                direction,
                f"The `{field}` of the {direction} rule.",
                template,
                field,
                shown,
                variables,
                fillings,
            )
        )
    return "\n".join(text)


def sentences_file(name, title, reason, cases):
    text = [f"# {title}\n", NOTE, reason + "\n"]
    for case_title, why, policies in cases:
        text.append(f"## {case_title}\n\n{why}\n")
        text.append(fenced("yaml", "\n---\n".join(yaml(one) for one in policies)))
        text.append(fenced("text", matrix(evaluate(policies))))
    return "\n".join(text)


def targets():
    rule = [dict(BASE_INGRESS)]
    out = [dict(BASE_EGRESS)]
    for namespace in NAMESPACES:
        yield (
            f"a policy in {namespace}",
            "A policy selects pods of its own namespace only.",
            [policy("base", namespace, pod("a"), BOTH, rule, out)],
        )
    for words, selector in (
        ("every pod", {}),
        ("pods by label", pod("a")),
        ("pods by expression", pod("a", "b")),
        ("pods without a label", {"matchExpressions": [{"key": "pod", "operator": "DoesNotExist"}]}),
        ("pods with a label", {"matchExpressions": [{"key": "pod", "operator": "Exists"}]}),
        ("pods but one", not_in("pod", "c")),
        (
            "pods by label and expression",
            {"matchLabels": {"pod": "a"}, "matchExpressions": [{"key": "pod", "operator": "NotIn", "values": ["b", "c"]}]},
        ),
    ):
        yield (words, "The subject is selected by `podSelector`.", [policy("base", "x", selector, BOTH, rule, out)])


def rules():
    a = pod("a")
    for direction in ("Ingress", "Egress"):
        field = direction.lower()
        for words, written in (("no rule", NOTHING), ("a rule without conditions", ANYTHING)):
            yield (f"{field}, {words}", f"`{field}: {flow(written)}`.", [policy("p", "x", a, [direction], **{field: written})])
        yield (
            f"{field}, the section left out",
            "The type without the section is as no rule.",
            [policy("p", "x", a, [direction])],
        )
    yield ("no types and no section", "A policy without `policyTypes` affects ingress.", [policy("p", "x", a)])
    yield (
        "no types and an egress section",
        "It affects egress too.",
        [policy("p", "x", a, None, None, [{"ports": [on(80)]}])],
    )
    yield (
        "no types and an empty egress section",
        "The server defaults by the number of rules: an empty section affects nothing.",
        [policy("p", "x", a, None, None, NOTHING)],
    )
    yield (
        "an ingress section and the type egress",
        "A section whose type is left out has no effect.",
        [policy("p", "x", a, EGRESS, [{"ports": [on(80)]}], NOTHING)],
    )
    yield (
        "an egress section and the type ingress",
        "The same, the other way.",
        [policy("p", "x", a, INGRESS, NOTHING, [{"ports": [on(80)]}])],
    )
    yield (
        "several rules",
        "One of the rules is enough, and each is a conjunction of its own peers and ports.",
        [
            policy(
                "p",
                "x",
                a,
                INGRESS,
                [
                    {"from": [from_pods(pod("b"))], "ports": [on(80)]},
                    {"from": [from_namespaces(ns("y"))], "ports": [on(81)]},
                    {"from": [from_namespaces(ns("z"))], "ports": [{"protocol": "UDP", "port": 1, "endPort": 65535}]},
                ],
            )
        ],
    )


def conflicts():
    b, c = pod("b"), pod("c")
    nobody = [{"from": [from_namespaces(labelled("no-such-label", "x"))]}]
    everybody = [{"from": [from_namespaces({})]}]
    far = [{"from": [{"ipBlock": {"cidr": "192.0.2.0/31"}}]}]
    whole = [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]

    def out(rules):
        return [{"to": rule["from"]} if "from" in rule else rule for rule in rules]

    yield (
        "the server allows, the client denies",
        "Nothing leaves `x/b`.",
        [policy("out", "x", b, EGRESS, egress=NOTHING), policy("in", "y", c, INGRESS, ANYTHING)],
    )
    yield (
        "the client allows, the server denies",
        "Nothing enters `y/c`.",
        [policy("out", "x", b, EGRESS, egress=ANYTHING), policy("in", "y", c, INGRESS, NOTHING)],
    )
    kinds = {
        "nothing": NOTHING,
        "everything": ANYTHING,
        "every pod": everybody,
        "every address": whole,
        "no pod": nobody,
        "addresses of nobody": far,
    }
    pairs = [
        ("nothing", "everything"),
        ("nothing", "every pod"),
        ("nothing", "every address"),
        ("addresses of nobody", "every pod"),
        ("no pod", "every address"),
        ("no pod", "addresses of nobody"),
        ("every pod", "every address"),
    ]
    for one, other in pairs:
        yield (
            f"egress to {one}, and to {other}",
            "What either policy allows is allowed.",
            [
                policy("one", "x", b, EGRESS, egress=out(kinds[one])),
                policy("other", "x", b, EGRESS, egress=out(kinds[other])),
            ],
        )
        yield (
            f"ingress from {one}, and from {other}",
            "What either policy allows is allowed.",
            [
                policy("one", "y", c, INGRESS, kinds[one]),
                policy("other", "y", c, INGRESS, kinds[other]),
            ],
        )
    for one in ("no pod", "addresses of nobody", "every pod", "every address"):
        yield (f"egress to {one} alone", "One rule.", [policy("one", "x", b, EGRESS, egress=out(kinds[one]))])
        yield (f"ingress from {one} alone", "One rule.", [policy("one", "y", c, INGRESS, kinds[one])])
    yield (
        "a block, and a smaller one with a hole",
        "An exception takes nothing from another entry.",
        [
            policy(
                "one",
                "x",
                b,
                EGRESS,
                egress=[
                    {
                        "to": [
                            {"ipBlock": {"cidr": "10.0.2.0/23", "except": ["10.0.2.0/24"]}},
                            {"ipBlock": {"cidr": "10.0.2.0/29"}},
                        ]
                    }
                ],
            )
        ],
    )
    yield (
        "one port of two policies in two directions",
        "The ports that both sides allow.",
        [
            policy("out", "x", b, EGRESS, egress=[{"ports": [{"protocol": "TCP", "port": 80, "endPort": 90}]}]),
            policy("in", "y", c, INGRESS, [{"ports": [{"protocol": "TCP", "port": 85, "endPort": 100}]}]),
        ],
    )


def files():
    folder = HERE / "network-policy"
    return {
        folder / "nine-pods.yaml": cluster_file(),
        folder / "end-to-end.md": end_to_end_file(),
        folder / "ports.md": ports_file(),
        folder / "peers.md": peers_file(),
        folder / "targets.md": sentences_file(
            "targets", "Subjects", "Whom a policy applies to; the rules are those of [ports.md](ports.md).", targets()
        ),
        folder / "rules.md": sentences_file(
            "rules", "Sections and rules", "Which directions a policy affects, and what no rule means.", rules()
        ),
        folder / "conflicts.md": sentences_file(
            "conflicts", "Policies that disagree", "There are no conflicts: allowed is what both sides allow.", conflicts()
        ),
    }


def main():
    stale = []
    for path, text in files().items():
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"not what derive.py writes: {', '.join(stale)}")


main()
