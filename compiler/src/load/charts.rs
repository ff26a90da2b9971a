//! Templates of Helm charts: files in a chart's `templates`, which are no manifests before they are rendered.

use crate::de::UNRENDERED;
use crate::diagnostic::Finding;
use crate::source::Sources;
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// Where a finding is that a chart's template was read as a manifest, its help names the chart and how to leave the
/// template out.
pub(crate) fn name_charts(findings: &mut [Finding], sources: &Sources) {
    let is_unrendered = |finding: &&mut Finding| finding.help.as_deref() == Some(UNRENDERED);
    let mut unrendered = findings.iter_mut().filter(is_unrendered).peekable();
    if unrendered.peek().is_none() {
        return;
    }
    let charts: BTreeSet<&Path> = sources
        .iter()
        .map(|(_, source)| Path::new(&**source.name()))
        .filter(|path| path.file_name().is_some_and(|name| name == "Chart.yaml"))
        .filter_map(Path::parent)
        .collect();
    for finding in unrendered {
        let file = finding.primary().map(|label| label.origin.file.clone());
        let templates = file.as_deref().and_then(|file| {
            let above = Path::new(file).ancestors();
            let mut templates = above.filter(|above| above.ends_with("templates"));
            templates.find(|templates| templates.parent().is_some_and(|chart| charts.contains(chart)))
        });
        if let Some(templates) = templates {
            finding.help = Some(help(templates));
        }
    }
}

fn help(templates: &Path) -> String {
    let chart = templates.parent().unwrap_or(templates);
    let shown = if chart.as_os_str().is_empty() {
        Path::new(".")
    } else {
        chart
    };
    let below = templates.strip_prefix(".").unwrap_or(templates);
    let names: Option<Vec<_>> = below
        .components()
        .map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .collect();
    let pattern = match names {
        // A name alone would fit in every directory.
        Some(names) if names.len() == 1 => "/templates".to_owned(),
        Some(names) => names.join("/"),
        None => "templates/".to_owned(),
    };
    format!(
        "this is a template of a Helm chart: check what `helm template {}` writes, and leave it out here with \
         `--exclude {pattern}`, or `exclude` in portcullis.toml",
        shown.display()
    )
}
