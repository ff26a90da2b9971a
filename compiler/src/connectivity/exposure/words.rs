//! Pods that could exist, in words.

use super::unknown::Unknown;
use ir::peer::CidrBlock;
use ir::selector::{Attribute, Operator, Requirement};
use std::fmt;

/// `pods with app=x in namespaces with team=y`; requirements as `kubectl --selector` writes them. Not escaped.
impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requirements = self.selector.requirements();
        let of = |wanted: fn(&Attribute) -> Option<&str>| -> Vec<String> {
            requirements
                .iter()
                .filter_map(|requirement| Some(asked(wanted(&requirement.attribute)?, &requirement.operator)))
                .collect()
        };
        let labels = of(|attribute| match attribute {
            Attribute::Label(key) => Some(key),
            Attribute::ServiceAccount => Some("service account"),
            Attribute::Cluster => Some("cluster"),
            Attribute::Namespace | Attribute::NamespaceLabel(_) => None,
        });
        match labels.as_slice() {
            [] => f.write_str("any pod")?,
            labels => write!(f, "pods with {}", labels.join(", "))?,
        }
        let namespace_labels = of(|attribute| match attribute {
            Attribute::NamespaceLabel(key) => Some(key),
            _ => None,
        });
        let mut anywhere = true;
        for requirement in requirements {
            if let Some(place) = place(requirement) {
                write!(f, " {place}")?;
                anywhere = false;
            }
        }
        if !namespace_labels.is_empty() {
            write!(f, " in namespaces with {}", namespace_labels.join(", "))?;
        } else if anywhere {
            f.write_str(" in any namespace")?;
        }
        for block in &self.blocks {
            write!(f, ", {}", address(block))?;
        }
        Ok(())
    }
}

fn listed(values: &std::collections::BTreeSet<String>) -> String {
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    values.join(", ")
}

/// One requirement on a label.
pub(super) fn asked(key: &str, operator: &Operator) -> String {
    match operator {
        Operator::In(values) if values.len() == 1 => format!("{key}={}", listed(values)),
        Operator::In(values) => format!("{key} in ({})", listed(values)),
        Operator::NotIn(values) if values.len() == 1 => format!("{key}!={}", listed(values)),
        Operator::NotIn(values) => format!("{key} notin ({})", listed(values)),
        Operator::Exists => key.to_owned(),
        Operator::DoesNotExist => format!("!{key}"),
    }
}

fn place(requirement: &Requirement) -> Option<String> {
    if requirement.attribute != Attribute::Namespace {
        return None;
    }
    match &requirement.operator {
        Operator::In(names) if names.len() == 1 => Some(format!("in namespace {}", listed(names))),
        Operator::In(names) => Some(format!("in one of the namespaces {}", listed(names))),
        Operator::NotIn(names) if names.len() == 1 => Some(format!("outside namespace {}", listed(names))),
        Operator::NotIn(names) => Some(format!("outside the namespaces {}", listed(names))),
        // Every pod has a namespace.
        Operator::Exists => None,
        Operator::DoesNotExist => Some("in no namespace".to_owned()),
    }
}

fn address(block: &CidrBlock) -> String {
    if block.is_whole_family() {
        let family = if block.cidr.addr().is_ipv4() {
            "IPv4"
        } else {
            "IPv6"
        };
        return format!("over {family}");
    }
    let holes: Vec<_> = block.except.iter().map(ToString::to_string).collect();
    let except = if holes.is_empty() {
        String::new()
    } else {
        format!(" outside {}", holes.join(", "))
    };
    format!("at an address in {}{except}", block.cidr)
}
