use super::*;
use crate::diagnostic::code::REGISTRY;
use crate::diagnostic::{Code, human};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn read(text: &str) -> (Config, Vec<Finding>) {
    read::read(&Source::new(FILE, text))
}

#[test]
fn every_setting_is_read() {
    let (config, findings) = read(
        "exclude = ['chart/templates']\nselect = ['PC2', 'rule-redundant']\nignore = ['PC201']\nfail-on = 'never'\nbaseline = 'b.json'\ncache = 'c'\n\
         cidr-match = 'all'\ncluster-name = 'prod-eu'\nsolver = false\nallow-empty = true\n[severity]\nPC603 = 'error'\nPC6 = 'note'\n",
    );
    assert_eq!(findings, []);
    assert_eq!(config.exclude, ["chart/templates".parse().unwrap()]);
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
exclude = [\"**\", \"!chart\"]
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
    let schema: Value = serde_json::from_str(include_str!("../../../docs/schemas/config.json")).unwrap();
    let mut keys: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, read::KEYS);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = json!({"select": ["PC2"], "fail-on": "note", "severity": {"PC201": "error"}});
    assert!(validator.is_valid(&good));
    for bad in [
        json!({"fail_on": "note"}),
        json!({"fail-on": "fatal"}),
        json!({"severity": {"PC201": "never"}}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

/// How codes are named in the schema: a list, which editors offer, and how else they can be written.
fn schema_of_codes() -> Value {
    let groups: BTreeSet<_> = REGISTRY.iter().map(|entry| entry.code.number() / 100).collect();
    let groups = groups.iter().map(ToString::to_string);
    let numbers = REGISTRY.iter().map(|entry| entry.code.number().to_string());
    let digits: Vec<_> = [String::new()].into_iter().chain(groups).chain(numbers).collect();
    let named = digits.iter().map(|digits| format!("PC{digits}"));
    let names = REGISTRY.iter().map(|entry| entry.name.to_owned());
    json!({
        "anyOf": [
            {"enum": named.chain(names).collect::<Vec<_>>()},
            {"type": "string", "pattern": format!("^[Pp][Cc]({})$", digits.join("|"))},
        ],
    })
}

#[test]
fn the_published_schema_knows_every_code_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas/config.json");
    let text = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = text.split_once("  \"$defs\"").unwrap();
    let codes = serde_json::to_string_pretty(&json!({"codes": schema_of_codes()})).unwrap();
    let fresh = format!("{by_hand}  \"$defs\": {}\n}}\n", codes.replace('\n', "\n  "));
    if std::env::var_os("UPDATE_RULES").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let how = "make it anew: UPDATE_RULES=1 cargo test -p portcullis-compiler --lib config";
    assert!(fs::read_to_string(&path).unwrap() == fresh, "{how}");

    let validator = jsonschema::validator_for(&serde_json::from_str(&fresh).unwrap()).unwrap();
    let mut texts: Vec<String> = (0..1000).map(|number| format!("PC{number}")).collect();
    texts.extend(
        [
            "",
            "PC",
            "pc",
            "pC2",
            "PC02",
            "PC1O1",
            "201",
            "PC2011",
            "rule-redundant",
            "Rule-Redundant",
            "rule",
        ]
        .map(str::to_owned),
    );
    for text in texts {
        let known = text.parse::<Codes>().is_ok();
        assert_eq!(validator.is_valid(&json!({"select": [text]})), known, "{text}");
        assert_eq!(
            validator.is_valid(&json!({"severity": {&text: "note"}})),
            known,
            "{text}"
        );
    }
}

#[test]
fn the_published_schema_knows_what_a_pattern_is() {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/schemas/config.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in [
        "templates",
        "templates/",
        "/chart/templates",
        "chart/**/*.tpl.yaml",
        "**/a",
        "..a/.b",
        "",
        "/",
        "**",
        "**/**/",
        "!a",
        "[a]",
        "a\\",
        ".",
        "./a",
        "./!a",
        "./",
        "./**",
        "././a",
        "./..",
        "a/../b",
        "a/..",
    ] {
        let known = text.parse::<Pattern>().is_ok();
        assert_eq!(validator.is_valid(&json!({"exclude": [text]})), known, "{text}");
    }
}
