//! The table over small clusters, written in the IR's own text form.

use super::*;
use crate::diagnostic::human::Options;

const SHOP: &str = "\
endpoint shop/java of Deployment/catalog labels app=catalog ports http 8080/TCP (pods.yaml:1:1)
endpoint shop/java-2 of Deployment/catalog labels app=catalog ports http 8080/TCP (pods.yaml:1:1)
endpoint shop/nginx labels app=catalog ports HTTP 80/TCP (pods.yaml:2:1), dns 53/UDP (pods.yaml:3:1)
endpoint shop/web labels app=web
policy NetworkPolicy shop/p on pods [app=web, ns=shop] denies egress @ p.yaml:1:1 {
  allow egress to pods [app=catalog, ns=shop] ports http/TCP (p.yaml:2:1), nobody/TCP (p.yaml:3:1) @ p.yaml:2:1
}
";

fn shop() -> BTreeMap<String, PortName> {
    let model = ir::text::parse(SHOP).unwrap();
    names(&model, &Selected::by_policies(&model))
}

#[test]
fn a_name_has_its_definitions_and_its_uses() {
    let names = shop();
    assert_eq!(names.keys().collect::<Vec<_>>(), ["dns", "http", "nobody"]);
    let http = &names["http"];
    assert!(http.collides() && !names["dns"].collides());
    let definitions: Vec<_> = http
        .definitions
        .iter()
        .map(|definition| (definition.owner(), definition.pods, definition.number))
        .collect();
    assert_eq!(
        definitions,
        [
            ("shop/Deployment/catalog".to_owned(), 2, 8080),
            ("shop/Pod/nginx".to_owned(), 1, 80),
        ]
    );
    let means: Vec<_> = http.uses[0]
        .destinations
        .iter()
        .map(|one| (one.pod.as_str(), one.pods, numbers_text(&one.numbers)))
        .collect();
    assert_eq!(
        means,
        [
            ("shop/java", 2, "8080/TCP".to_owned()),
            ("shop/nginx", 1, "80/TCP".to_owned())
        ]
    );
    assert_eq!(names["nobody"].uses[0].without, 3);
}

#[test]
fn people_see_rows_that_fit_and_collisions_that_stand_out() {
    let names = shop();
    let shown = |color, width| {
        let mut out = Vec::new();
        human::write(&mut out, &names, Options { color, width }).unwrap();
        String::from_utf8(out).unwrap()
    };
    let narrow = shown(false, 60);
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    assert!(narrow.contains("\n      p.yaml:2\n"), "{narrow}");
    assert!(shown(true, 100).contains("\u{1b}[33;1m⚠ several numbers"));
}

#[test]
fn every_format_shows_the_same_table() {
    let names = shop();
    let written = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let options = Options::default();
    insta::assert_snapshot!(written(&|out| human::write(out, &names, options)));
    insta::assert_snapshot!(written(&|out| rows::table(&names, &[]).write_csv(out)));
    let json = written(&|out| json::write(out, &names, &[], &crate::diagnostic::json::Scope::default()));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["names"][1]["collision"], true);
    assert_eq!(
        value["names"][1]["uses"][0]["destinations"][0]["numbers"][0]["number"],
        8080
    );
    assert_eq!(value["names"][2]["definitions"], serde_json::json!([]));
}
