//! Where everything runs on the lab's nodes.
//!
//! [`compiler::placement`] decides, as it does for `portcullis compile --place`. Here every address must lie in its
//! node's slice, because the lab's routes lead to slices.

use compiler::placement::{self, Foreign, Options};
use ir::model::Model;

pub use compiler::placement::{PlaceError, Placed};

/// Places the cluster of a model. Deterministic: by the canonical order of nodes and endpoints alone.
///
/// # Errors
/// When there is nothing to place, or the nodes' CIDRs cannot be used.
pub fn place(model: &Model) -> Result<Placed, PlaceError> {
    let options = Options {
        foreign: Foreign::Replace,
        ..Options::default()
    };
    let mut placed = placement::place(model, options)?;
    for pod in placed
        .model
        .cluster
        .endpoints()
        .iter()
        .filter(|pod| pod.host_network)
    {
        placed.notes.push(format!(
            "{pod} shares its node's network: the node's probes stand for it"
        ));
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where everything is: `name node addresses`, and the notes.
    fn placed(text: &str) -> (Vec<String>, Vec<String>) {
        let placed = place(&ir::text::parse(text).unwrap()).unwrap();
        let pods = placed.model.cluster.endpoints().iter().map(|pod| {
            let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
            format!(
                "{pod} {} {}",
                pod.node.clone().unwrap_or_default(),
                addresses.join(" ")
            )
        });
        (pods.collect(), placed.notes)
    }

    #[test]
    fn workloads_become_pods_in_turn_on_two_assumed_nodes() {
        let (pods, notes) = placed(
            "endpoint shop/agent of DaemonSet/agent\n\
             endpoint shop/job of Job/job single\n\
             endpoint shop/lone\n\
             endpoint shop/web of Deployment/web\n",
        );
        assert_eq!(
            pods,
            [
                "shop/agent-0 node-a 10.244.1.2 fd00:10:244:1::2",
                "shop/agent-1 node-b 10.244.2.2 fd00:10:244:2::2",
                "shop/web-0 node-a 10.244.1.3 fd00:10:244:1::3",
                "shop/web-1 node-b 10.244.2.3 fd00:10:244:2::3",
                "shop/job-0 node-a 10.244.1.4 fd00:10:244:1::4",
                "shop/lone node-b 10.244.2.4 fd00:10:244:2::4",
            ]
        );
        assert_eq!(notes.len(), 1);
        assert!(
            notes[0].starts_with("no Node objects in the input: assuming node-a (10.244.1.0/24"),
            "{notes:?}"
        );
    }

    #[test]
    fn what_manifests_say_is_kept_and_what_cannot_be_is_noted() {
        let (pods, notes) = placed(
            "node n1 at 192.0.2.1 slice 10.1.0.0/29\n\
             endpoint shop/a at 10.1.0.2 on n1\n\
             endpoint shop/b\n\
             endpoint shop/c at 10.9.9.9 on gone\n\
             endpoint shop/host host-network on n1\n",
        );
        assert_eq!(
            pods,
            [
                "shop/a n1 10.1.0.2",
                "shop/b n1 10.1.0.3",
                "shop/c n1 10.1.0.4",
                "shop/host n1 192.0.2.1 fd00:77::1",
            ]
        );
        assert_eq!(
            notes,
            [
                "shop/c is placed anew: there is no node gone in the input",
                "shop/c gets another address than its manifest says: 10.9.9.9 is not in a pod CIDR of node n1",
                "shop/host shares its node's network: the node's probes stand for it",
            ]
        );
    }

    #[test]
    fn what_cannot_be_laid_out_is_refused() {
        let refused = |text: &str| place(&ir::text::parse(text).unwrap()).unwrap_err().to_string();
        assert_eq!(refused(""), "no pod or workload in the input");
        assert_eq!(
            refused("node a slice 10.0.0.0/16\nnode b slice 10.0.1.0/24\nendpoint shop/a\n"),
            "node `b`: its pod CIDR 10.0.1.0/24 overlaps 10.0.0.0/16 of node `a`"
        );
        assert_eq!(
            refused("node a slice 10.0.0.0/30\nendpoint shop/a\nendpoint shop/b\n"),
            "node `a`: no address is left in 10.0.0.0/30: all 1 are in use"
        );
    }
}
