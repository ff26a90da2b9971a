//! What a guarantee means for a model: which flows it speaks of, and what it wants of them.
//!
//! | form | flows | wanted |
//! |---|---|---|
//! | `never A -> B` | from A to B | denied |
//! | `always A -> B` | from A to B | allowed |
//! | `only A -> B` | from everything that is not A, to B | denied |
//! | `isolated A` | from A to everything that is not A, and back | denied |
//!
//! In each, on the ports that are said, and without the exceptions. `docs/guarantees.md` is the page for people.

use std::collections::BTreeSet;

use ir::cluster::Endpoint;
use ir::model::Model;
use ir::peer::PeerMatch;

use super::Problem;
use super::syntax::{End, Ends as Written, Form, Spanned, Statement};
use crate::region::{Clause, Ends, Region, Who, namespaces_named};

/// A guarantee about a model, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// The flows that it speaks of.
    pub(crate) region: Region,
    /// Whether it wants them allowed, or denied.
    pub(crate) wanted: bool,
}

/// Holds a statement against a model.
///
/// # Errors
/// Names of pods that the model does not have.
pub fn resolve(model: &Model, statement: &Statement) -> Result<Guarantee, Vec<Problem>> {
    let mut problems = vec![];
    let mut who = |ends: &Written| -> Vec<Who> {
        let mut list = vec![];
        for end in ends {
            match resolve_end(model, end) {
                Ok(found) => list.extend(found),
                Err(problem) => problems.push(problem),
            }
        }
        list
    };
    let clause = |from: Ends, to: Ends| Clause {
        from,
        to,
        ports: statement.ports.clone(),
    };
    let (any_of, wanted) = match &statement.form {
        Form::Never(from, to) => {
            let (from, to) = (who(from), who(to));
            (vec![clause(Ends::OneOf(from), Ends::OneOf(to))], false)
        }
        Form::Always(from, to) => {
            let (from, to) = (who(from), who(to));
            (vec![clause(Ends::OneOf(from), Ends::OneOf(to))], true)
        }
        Form::Only(from, to) => {
            let (from, to) = (who(from), who(to));
            (vec![clause(Ends::NoneOf(from), Ends::OneOf(to))], false)
        }
        Form::Isolated(members) => {
            let members = who(members);
            let inside = || Ends::OneOf(members.clone());
            let outside = || Ends::NoneOf(members.clone());
            (
                vec![clause(inside(), outside()), clause(outside(), inside())],
                false,
            )
        }
    };
    let except = statement
        .exceptions
        .iter()
        .map(|exception| {
            let mut ends = |ends: &Option<Written>| match ends {
                Some(ends) => Ends::OneOf(who(ends)),
                None => Ends::Anyone,
            };
            Clause {
                from: ends(&exception.from),
                to: ends(&exception.to),
                ports: exception.ports.clone(),
            }
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Guarantee {
        region: Region {
            any_of,
            except,
            existing: statement.existing,
        },
        wanted,
    })
}

fn resolve_end(model: &Model, end: &Spanned<End>) -> Result<Vec<Who>, Problem> {
    let (namespace, name) = match &end.value {
        End::Matching(peer) => return Ok(vec![Who::Matching(peer.clone())]),
        End::Pod { namespace, name } => (namespace, name),
    };
    let of_that_name: Vec<&Endpoint> = model
        .cluster
        .endpoints()
        .iter()
        .filter(|pod| pod.namespace == *namespace)
        .filter(|pod| pod.workload.name == *name || pod.name == *name)
        .collect();
    let problem = |message: String, help: String| Problem {
        span: end.span.clone(),
        message,
        help: Some(help),
    };
    if of_that_name.is_empty() {
        return Err(problem(
            format!("there is no workload or pod `{namespace}/{name}` in the input"),
            "`pod:` names what is there; for pods that could exist write `ns:NAMESPACE[LABELS]`".to_owned(),
        ));
    }
    if of_that_name.iter().any(|pod| pod.host_network) {
        return Err(problem(
            format!("`{namespace}/{name}` is on its node's network, where policies see the node and no pod"),
            "write `nodes`, `host` or `remote-node`".to_owned(),
        ));
    }
    Ok(of_that_name
        .into_iter()
        .map(|pod| Who::Exactly(Box::new(pod.clone())))
        .collect())
}

/// The namespaces that a statement names and nothing in the model has: most often slips, and never wrong. Each with
/// its place.
#[must_use]
pub fn unknown_namespaces(model: &Model, statement: &Statement) -> Vec<Spanned<String>> {
    let mut known: BTreeSet<&str> = model.cluster.namespaces().keys().map(String::as_str).collect();
    known.extend(
        model
            .policies()
            .iter()
            .filter_map(|policy| policy.namespace.as_deref()),
    );
    let of_form = match &statement.form {
        Form::Never(from, to) | Form::Always(from, to) | Form::Only(from, to) => {
            from.iter().chain(to).collect::<Vec<_>>()
        }
        Form::Isolated(members) => members.iter().collect(),
    };
    let excepted = statement
        .exceptions
        .iter()
        .flat_map(|exception| exception.from.iter().chain(&exception.to).flatten());
    let mut unknown = vec![];
    for end in of_form.into_iter().chain(excepted) {
        if let End::Matching(PeerMatch::Endpoints(selector)) = &end.value {
            let names = namespaces_named(selector).filter(|name| !known.contains(name.as_str()));
            unknown.extend(names.map(|name| Spanned {
                value: name.clone(),
                span: end.span.clone(),
            }));
        }
    }
    unknown
}
