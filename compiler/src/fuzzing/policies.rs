//! Bytes as choices of what policies say ([`super::vocabulary`]), beside a cluster that they speak of.

use super::choices::Choices;
use super::{LIMITS, manifests, shape, vocabulary};
use crate::check::{self, Options, Understood};
use crate::load;
use crate::lower::{self, CidrMatch};

/// Everything but the solver's questions.
pub(super) fn ask(bytes: &[u8]) {
    manifests::understood(&understand(bytes), bytes, None);
}

/// The solver's questions too. Each may take few steps: what is asked here is whether any answer is wrong, and
/// giving up is none.
pub(super) fn ask_solver(bytes: &[u8]) {
    let solver = verifier::options::Options {
        steps: 200_000,
        backstop_ms: 5_000,
        ..verifier::options::Options::default()
    };
    manifests::understood(&understand(bytes), bytes, Some(&solver));
}

fn understand(bytes: &[u8]) -> Understood {
    let mut choices = Choices::new(bytes);
    let cidr_match = match choices.below(4) {
        1 => CidrMatch::External,
        2 => CidrMatch::All,
        _ => CidrMatch::ByApi,
    };
    let options = Options {
        lower: lower::Options { cidr_match },
        ..Options::default()
    };
    let policies = written(&mut choices);
    let files = [
        ("cluster.yaml", vocabulary::CLUSTER.as_bytes()),
        ("policies.yaml", policies.as_bytes()),
    ];
    check::understand_input(load::load_bytes(files, &LIMITS), &options)
}

/// One to three policies.
fn written(choices: &mut Choices<'_>) -> String {
    let mut text = String::new();
    for number in 0..=choices.below(3) {
        let Some((head, shape)) = choices.pick(vocabulary::KINDS) else {
            continue;
        };
        text.push_str(&head.replace("NAME", &format!("policy-{number}")));
        shape::document(&mut text, shape, choices);
        text.push_str("\n---\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::random::Random;

    /// A fuzzer that meets only what the reader refuses tests the reader only.
    #[test]
    fn most_documents_are_read_and_some_are_refused() {
        let mut random = Random::new(7);
        let mut understood = 0;
        let mut kinds = std::collections::BTreeMap::new();
        for _ in 0..400 {
            let bytes: Vec<u8> = (0..300)
                .map(|_| u8::try_from(random.below(256)).unwrap())
                .collect();
            let one = understand(&bytes);
            if one.blocked() {
                continue;
            }
            understood += 1;
            for policy in one.model.policies() {
                *kinds.entry(format!("{:?}", policy.kind)).or_insert(0) += policy.rules.len();
            }
        }
        assert!((40..360).contains(&understood), "{understood} of 400");
        assert!(
            kinds.len() >= 4 && kinds.values().all(|&rules| rules > 5),
            "{kinds:?}"
        );
    }
}
