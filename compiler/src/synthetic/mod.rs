//! Clusters that nobody runs, as manifests: what a large cluster's policies look like, at any size, to measure with.
//!
//! Sizes follow Zipf's law, as those of real clusters do: a few namespaces hold most workloads, a few workloads most
//! pods. Workloads give their ports names, and not always the same number to one name. Policies are what people
//! write: a default deny and DNS for each namespace, rules from workload to workload by label, by namespace and tier,
//! address blocks with holes; with [`Shape::cilium`] also CiliumNetworkPolicies with deny rules, and a few policies
//! for the whole cluster in every tier.
//!
//! The same shape gives the same bytes, whatever the machine. The text is what `portcullis` reads like any other, so
//! that a measurement covers everything a user waits for.

mod pods;
mod policies;
pub(crate) mod random;
#[cfg(test)]
mod tests;

use random::{Random, zipf};

/// How large a cluster, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Workloads, each with labels of its own.
    pub workloads: usize,
    /// Pods of all workloads together; 0 for Deployments without a pod, as in a repository of manifests.
    pub pods: usize,
    /// Policies of all kinds together.
    pub policies: usize,
    /// Namespaces.
    pub namespaces: usize,
    /// Whether some policies are `cilium.io/v2` and `policy.networking.k8s.io`.
    pub cilium: bool,
    /// What all choices follow from.
    pub seed: u64,
}

/// Pods on each node, as many as the kubelet takes by default (`maxPods`).
pub const PODS_PER_NODE: usize = 110;

impl Shape {
    /// `size` workloads, none with a pod, and as many NetworkPolicies: a repository of manifests.
    #[must_use]
    pub fn repository(size: usize) -> Self {
        Self {
            workloads: size,
            pods: 0,
            policies: size,
            namespaces: (size / 20).max(1),
            cilium: false,
            seed: 1,
        }
    }

    /// A running cluster of so many pods: a workload for every 20 of them, a policy for every 10.
    #[must_use]
    pub fn cluster(pods: usize) -> Self {
        Self {
            workloads: (pods / 20).max(1),
            pods,
            policies: (pods / 10).max(1),
            namespaces: (pods / 200).max(1),
            cilium: true,
            seed: 1,
        }
    }

    /// How many nodes the pods need.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.pods.div_ceil(PODS_PER_NODE)
    }
}

/// One file: its name, relative to a directory, and its text.
pub type Manifest = (String, String);

/// The manifests: one file for what belongs to no namespace, and one for each namespace.
#[must_use]
pub fn manifests(shape: &Shape) -> Vec<Manifest> {
    let mut random = Random::new(shape.seed);
    let plan = Plan::of(shape, &mut random);
    let mut files = vec![("cluster.yaml".to_owned(), plan.cluster(shape, &mut random))];
    let mut first_pod = 0;
    let budget = shape.policies.saturating_sub(plan.cluster_wide);
    for (namespace, policies) in plan.namespaces.iter().zip(zipf(budget, plan.namespaces.len())) {
        let mut text = String::new();
        pods::namespace(&mut text, namespace);
        pods::workloads(&mut text, namespace, shape, first_pod);
        policies::namespaced(&mut text, &plan, namespace, policies, shape, &mut random);
        first_pod += namespace
            .workloads
            .iter()
            .map(|workload| workload.pods)
            .sum::<usize>();
        files.push((format!("{}.yaml", namespace.name), text));
    }
    files
}

/// What there is, before anything is written.
struct Plan {
    namespaces: Vec<Namespace>,
    /// How many of the policies are for the whole cluster.
    cluster_wide: usize,
}

struct Namespace {
    name: String,
    team: String,
    workloads: Vec<Workload>,
}

struct Workload {
    name: String,
    tier: Tier,
    version: usize,
    pods: usize,
    /// Name, number and protocol of each container port.
    ports: Vec<(&'static str, u16, &'static str)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tier {
    Web,
    Api,
    Database,
    Cache,
}

impl Tier {
    const ALL: [Self; 4] = [Self::Web, Self::Api, Self::Database, Self::Cache];

    fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
            Self::Database => "db",
            Self::Cache => "cache",
        }
    }

    /// The port that clients use: its name, and the numbers that people give it, the usual one first.
    fn port(self) -> (&'static str, [u16; 3]) {
        match self {
            Self::Web => ("http", [8080, 80, 3000]),
            Self::Api => ("http", [8080, 8081, 9000]),
            Self::Database => ("sql", [5432, 3306, 1433]),
            Self::Cache => ("redis", [6379, 6380, 11211]),
        }
    }
}

impl Plan {
    fn of(shape: &Shape, random: &mut Random) -> Self {
        // Large workloads are in any namespace.
        let mut pods = zipf(shape.pods, shape.workloads);
        random.shuffle(&mut pods);
        let mut pods = pods.into_iter();
        let mut number = 0;
        let sizes = zipf(shape.workloads, shape.namespaces);
        let namespaces = sizes
            .into_iter()
            .enumerate()
            .map(|(index, size)| Namespace {
                name: format!("ns-{index}"),
                team: format!("team-{}", index % 40),
                workloads: (0..size)
                    .map(|_| {
                        number += 1;
                        workload(number, pods.next().unwrap_or(0), random)
                    })
                    .collect(),
            })
            .collect();
        let cluster_wide = if shape.cilium {
            (shape.policies / 200).min(60)
        } else {
            0
        };
        Self {
            namespaces,
            cluster_wide,
        }
    }

    /// What belongs to no namespace: nodes, and policies for the whole cluster.
    fn cluster(&self, shape: &Shape, random: &mut Random) -> String {
        let mut text = String::new();
        for node in 0..shape.nodes() {
            pods::node(&mut text, node);
        }
        policies::cluster_wide(&mut text, self.cluster_wide, random);
        text
    }
}

fn workload(number: usize, pods: usize, random: &mut Random) -> Workload {
    let tier = *random.pick(&Tier::ALL).unwrap_or(&Tier::Web);
    let (name, numbers) = tier.port();
    // Most give the name its usual number, some do not.
    let choice = if random.chance(85) {
        0
    } else {
        random.below(numbers.len())
    };
    let mut ports = vec![(name, *numbers.get(choice).unwrap_or(&8080), "TCP")];
    if random.chance(60) {
        ports.push(("metrics", if random.chance(90) { 9090 } else { 9102 }, "TCP"));
    }
    if tier == Tier::Api && random.chance(50) {
        ports.push(("grpc", 50051, "TCP"));
    }
    Workload {
        name: format!("svc-{number}"),
        tier,
        version: random.below(3),
        pods,
        ports,
    }
}
