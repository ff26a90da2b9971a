//! `report`: exit statuses, and whether a page is written.

use crate::program::{EXAMPLE, Scratch, status};
use std::path::Path;

#[test]
fn nothing_to_tell_of_is_a_failure_unless_that_is_accepted() {
    let scratch = Scratch::new("report-empty");
    let page = scratch.path("report.html");
    let config_map = scratch.file("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    assert_eq!(status(&["report", &config_map, "-o", &page]), 2);
    assert!(!Path::new(&page).exists());
    let config = scratch.file("portcullis.toml", "allow-empty = true\n");
    assert_eq!(
        status(&["report", &config_map, "--config", &config, "-o", &page]),
        0
    );
    assert_eq!(status(&["report", &config_map, "--allow-empty"]), 0);
    // Workloads alone are something to tell of.
    let workloads = format!("{EXAMPLE}/catalog.yaml");
    assert_eq!(status(&["report", &workloads]), 0);
}

#[test]
fn a_page_is_written_also_where_the_input_is_refused() {
    let scratch = Scratch::new("report-refused");
    let page = scratch.path("report.html");
    let unparsable = scratch.file("a.yaml", "a: [\n");
    assert_eq!(status(&["report", &unparsable, "-o", &page]), 2);
    assert!(Path::new(&page).exists());
}
