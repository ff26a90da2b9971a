use super::*;
use crate::diagnostic::{Code, human};

fn read(text: &str) -> (Config, Vec<Finding>) {
    read::read(&Source::new(FILE, text))
}

#[test]
fn every_setting_is_read() {
    let (config, findings) = read(
        "select = ['PC2', 'rule-redundant']\nignore = ['PC201']\nfail-on = 'never'\nbaseline = 'b.json'\ncache = 'c'\n\
         cidr-match = 'all'\ncluster-name = 'prod-eu'\nsolver = false\nallow-empty = true\n[severity]\nPC603 = 'error'\nPC6 = 'note'\n",
    );
    assert_eq!(findings, []);
    let codes = |text: &str| text.parse::<Codes>().unwrap();
    assert_eq!(config.chosen.select, [codes("PC2"), codes("PC302")]);
    assert_eq!(config.chosen.ignore, [codes("PC201")]);
    assert_eq!(config.fail_on, Some(FailOn::Never));
    assert_eq!(config.baseline, Some("b.json".into()));
    assert_eq!(config.cache, Some("c".into()));
    assert_eq!(config.cidr_match, Some(CidrMatch::All));
    assert_eq!(config.cluster_name.as_deref(), Some("prod-eu"));
    assert_eq!((config.solver, config.allow_empty), (Some(false), Some(true)));
    let severity = [(codes("PC6"), Severity::Note), (codes("PC603"), Severity::Error)];
    assert_eq!(config.severity, severity);
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    let text = "\
fail_on = \"error\"
fail-on = \"errors\"
select = [\"PC201\", \"PC999\", 3]
ignore = \"PC201\"
solver = \"yes\"
[severity]
PC201 = \"fatal\"
rule-redundent = \"note\"
";
    let (_, findings) = read(text);
    let mut sources = Sources::default();
    sources.push(Source::new(FILE, text));
    let mut out = Vec::new();
    human::write(&mut out, &findings, &sources, human::Options::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
    let (_, broken) = read("select = [");
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].code, Code::CONFIGURATION);
}

#[test]
fn the_template_says_what_holds_and_shows_every_key() {
    assert_eq!(read(TEMPLATE), (Config::default(), Vec::new()));
    let uncommented: String = TEMPLATE
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .map(|line| format!("{line}\n"))
        .collect();
    let (_, findings) = read(&uncommented);
    assert_eq!(findings, [], "{uncommented}");
    let table = toml::de::DeTable::parse(&uncommented).unwrap();
    let keys: Vec<_> = table.get_ref().keys().map(|key| &**key.get_ref()).collect();
    assert_eq!(keys, read::KEYS);
}

#[test]
fn the_published_schema_has_the_same_keys() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/schemas/config.json")).unwrap();
    let mut keys: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, read::KEYS);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = serde_json::json!({"select": ["PC2"], "fail-on": "note", "severity": {"PC201": "error"}});
    assert!(validator.is_valid(&good));
    for bad in [
        serde_json::json!({"fail_on": "note"}),
        serde_json::json!({"fail-on": "fatal"}),
        serde_json::json!({"severity": {"PC201": "never"}}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
