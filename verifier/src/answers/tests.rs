//! The same answers with a store and without one; and only what is new is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use ir::model::Model;
use proptest::prelude::*;

use super::{Answers, Store};
use crate::change::compare_by_the_solver;
use crate::conflicts;
use crate::generated::{self, EVERYTHING};
use crate::guarantee::{parse, prove, resolve};
use crate::options::Options;

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, String>>);

impl Store for Memory {
    fn get(&self, question: &str) -> Option<String> {
        self.0.lock().unwrap().get(question).cloned()
    }

    fn put(&self, question: &str, answer: &str) {
        let mut kept = self.0.lock().unwrap();
        kept.insert(question.to_owned(), answer.to_owned());
    }
}

/// With so few steps for the algebra that the solver has to answer.
fn options(store: Option<&Arc<Memory>>) -> Options {
    Options {
        steps: 10_000,
        backstop_ms: 60_000,
        answers: match store {
            Some(store) => Answers::kept_in(Arc::clone(store) as Arc<dyn Store>),
            None => Answers::default(),
        },
    }
}

fn plenty(store: Option<&Arc<Memory>>) -> Options {
    Options {
        steps: Options::default().steps,
        ..options(store)
    }
}

const GUARANTEES: [&str; 3] = [
    "never ns:dev -> ns:shop except port 80/TCP",
    "isolated ns:shop",
    "never world -> ns:{env=a}",
];

/// Everything that can be asked of a model, as text.
fn everything(model: &Model, other: &Model, options: &Options) -> String {
    let mut out = format!("{:?}\n", conflicts(model, options));
    for text in GUARANTEES {
        let (statements, _) = parse(text);
        if let Ok(guarantee) = resolve(model, &statements[0]) {
            writeln!(out, "{:?}", prove(model, &guarantee, options)).unwrap();
        }
    }
    writeln!(out, "{:?}", compare_by_the_solver(model, other, 4, options)).unwrap();
    out
}

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const POLICIES: &str = "
namespace shop
namespace dev
endpoint shop/web of Deployment/web labels app=web ports http 8080/TCP
policy NetworkPolicy dev/closed on pods [ns=dev] denies both {
}
policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP, 80/TCP
  allow ingress from pods [ns=dev]
}
";

#[test]
fn an_answer_is_asked_for_once() {
    let store = Arc::new(Memory::default());
    let old = model(POLICIES);
    let new = model(&POLICIES.replace("80/TCP", "81/TCP"));
    let (statements, _) = parse(GUARANTEES[0]);
    let of_dev = |model: &Model, options: &Options| {
        let guarantee = resolve(model, &statements[0]).unwrap();
        format!("{:?}", prove(model, &guarantee, options))
    };
    let run = |left: &Model, right: &Model| {
        let options = plenty(Some(&store));
        let said = format!(
            "{}{:?}",
            of_dev(left, &options),
            compare_by_the_solver(left, right, 4, &options)
        );
        (said, options.answers.asked(), options.answers.remembered())
    };
    let unkept = plenty(None);
    let fresh = |left: &Model, right: &Model| {
        format!(
            "{}{:?}",
            of_dev(left, &unkept),
            compare_by_the_solver(left, right, 4, &unkept)
        )
    };
    assert_eq!(run(&old, &new), (fresh(&old, &new), 2, 0));
    assert_eq!(run(&old, &new), (fresh(&old, &new), 0, 2));
    // Written elsewhere: the same policies.
    let moved = model(&format!("# Further down\n\n{POLICIES}"));
    let (said, asked, remembered) = run(&moved, &new);
    assert_eq!((asked, remembered), (0, 2));
    assert_eq!(said, fresh(&moved, &new));
    // What no dev pod can have a part in is not what the guarantee asks about.
    let elsewhere = model(&POLICIES.replace("app=web] ports", "app=gate] ports"));
    assert_eq!(run(&elsewhere, &new), (fresh(&elsewhere, &new), 1, 1));
    // Another budget is another question.
    let options = Options {
        steps: 1_000_000,
        ..plenty(Some(&store))
    };
    of_dev(&old, &options);
    assert_eq!((options.answers.asked(), options.answers.remembered()), (1, 0));
}

#[test]
fn what_the_store_says_is_confirmed_or_asked_again() {
    let store = Arc::new(Memory::default());
    let (old, new) = (model(POLICIES), model(&POLICIES.replace("80/TCP", "81/TCP")));
    let said = everything(&old, &new, &plenty(Some(&store)));
    assert_eq!(said, everything(&old, &new, &plenty(None)));
    let whole = store.0.lock().unwrap().clone();
    type Harm = fn(&str) -> String;
    let harms: [Harm; 3] = [
        |_| String::new(),
        |answer| format!("{answer} 1"),
        |answer| answer.chars().rev().collect(),
    ];
    for harm in harms {
        {
            let mut kept = store.0.lock().unwrap();
            kept.clone_from(&whole);
            // Of a change its words are kept too; nobody but the store vouches for them.
            let flows = |answer: &String| answer.contains(' ') && !answer.contains('\n');
            for answer in kept.values_mut().filter(|answer| flows(answer)) {
                *answer = harm(answer);
            }
        }
        assert_eq!(said, everything(&old, &new, &plenty(Some(&store))));
    }
    // A flow that is said to refute what holds.
    let flow = whole
        .values()
        .find(|answer| answer.contains(" TCP ") && !answer.contains('\n'));
    {
        let mut kept = store.0.lock().unwrap();
        kept.clone_from(&whole);
        let holds: Vec<_> = kept.values_mut().filter(|answer| *answer == "holds").collect();
        assert!(!holds.is_empty());
        for answer in holds {
            answer.clone_from(flow.unwrap());
        }
    }
    assert_eq!(said, everything(&old, &new, &plenty(Some(&store))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Cold, warm, and without a store at all.
    #[test]
    fn answers_are_the_same_from_a_store(
        model in generated::model(EVERYTHING),
        others in generated::policies(EVERYTHING),
    ) {
        let kept = model.policies().iter().skip(1).cloned();
        let other = Model::new(model.cluster.clone(), kept.chain(others.into_iter().take(1)));
        for with in [options, plenty] {
            let fresh = everything(&model, &other, &with(None));
            let store = Arc::new(Memory::default());
            let cold = with(Some(&store));
            prop_assert_eq!(&everything(&model, &other, &cold), &fresh);
            let warm = with(Some(&store));
            prop_assert_eq!(&everything(&model, &other, &warm), &fresh);
            prop_assert!(warm.answers.asked() <= cold.answers.asked());
            if !["Unknown", "reason", "unknown: Some"].iter().any(|word| fresh.contains(word)) {
                prop_assert_eq!(warm.answers.asked(), 0);
            }
        }
    }
}
