//! Templates of Helm charts: files in a chart's `templates`, which are no manifests before they are rendered.

use super::Exclude;
use crate::diagnostic::Finding;
use crate::source::Sources;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// Where a finding is that a chart's template was read as a manifest, its help names the chart and how to leave the
/// template out.
pub(crate) fn name_charts(findings: &mut [Finding], sources: &Sources, exclude: &Exclude) {
    let is_unrendered = |finding: &&mut Finding| finding.unrendered.is_some();
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
            finding.help = Some(help(templates, exclude));
        }
    }
}

fn help(templates: &Path, exclude: &Exclude) -> String {
    let chart = match templates.parent().map(Path::to_string_lossy) {
        Some(chart) if !chart.is_empty() => chart,
        _ => ".".into(),
    };
    let [flag, configured] = exclude.patterns_of(templates);
    let configuration = match configured == flag {
        true => "`exclude` in".to_owned(),
        false => format!("`{configured}` in the `exclude` of"),
    };
    format!(
        "this is a template of a Helm chart: check what `helm template {}` writes, and leave it out here with \
         `--exclude {}`, or {configuration} portcullis.toml",
        shell_word(&chart),
        shell_word(&flag)
    )
}

/// Text as a shell reads it back.
fn shell_word(text: &str) -> Cow<'_, str> {
    let means_itself = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if text.chars().all(means_itself) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', r"'\''")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_that_have_an_effect() {
        let here = Exclude::from("/repository/team");
        let above = here.clone().configured(Path::new(".."), &[]);
        let elsewhere = here.clone().configured(Path::new("/elsewhere"), &[]);
        for (exclude, templates, expected) in [
            (
                &here,
                "chart/templates",
                "`helm template chart` `--exclude chart/templates` `exclude` in",
            ),
            (
                &here,
                "./templates",
                "`helm template .` `--exclude /templates` `exclude` in",
            ),
            (
                &here,
                "my chart's/templates",
                r"`helm template 'my chart'\''s'` `--exclude 'my chart'\''s/templates'` `exclude` in",
            ),
            (
                &here,
                "[x]/templates",
                "`helm template '[x]'` `--exclude templates/` `exclude` in",
            ),
            (
                &here,
                "!x/templates",
                "`helm template '!x'` `--exclude '/!x/templates'` `exclude` in",
            ),
            (
                &here,
                "/repository/team/chart/templates",
                "`helm template /repository/team/chart` `--exclude chart/templates` `exclude` in",
            ),
            (
                &above,
                "chart/templates",
                "`helm template chart` `--exclude chart/templates` `team/chart/templates` in the `exclude` of",
            ),
            (
                &above,
                "../chart/templates",
                "`helm template ../chart` `--exclude templates/` `chart/templates` in the `exclude` of",
            ),
            (
                &elsewhere,
                "chart/templates",
                "`helm template chart` `--exclude chart/templates` `templates/` in the `exclude` of",
            ),
        ] {
            let said = help(Path::new(templates), exclude);
            let said = said
                .replace("this is a template of a Helm chart: check what ", "")
                .replace("writes, and leave it out here with ", "")
                .replace("`, or ", "` ");
            assert_eq!(said, format!("{expected} portcullis.toml"));
        }
    }
}
