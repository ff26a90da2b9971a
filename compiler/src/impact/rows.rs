//! Answers as the rows of a table, for CSV and Markdown: a row for each set of flows, and one for a policy that has
//! none.

use super::word;
use crate::areas::rows::cells;
use crate::cite::PolicyRef;
use crate::tabular::Table;
use ir::model::Model;
use verifier::impact::Impact;

/// The table.
#[must_use]
pub fn table(impacts: &[Impact], model: &Model) -> Table<9> {
    let mut rows = vec![];
    for impact in impacts {
        let Some(policy) = PolicyRef::by_id(model, impact.policy) else {
            continue;
        };
        let place = policy.origin.brief().to_string();
        let before = rows.len();
        for (word, side) in [("opens", &impact.opens), ("closes", &impact.closes)] {
            for area in &side.areas {
                let [from, to, ports, besides, except, example] = cells(area);
                rows.push([
                    policy.to_string(),
                    place.clone(),
                    word.to_owned(),
                    from,
                    to,
                    ports,
                    besides,
                    except,
                    example,
                ]);
            }
            if !side.complete {
                let mut row = [const { String::new() }; 9];
                row[0] = policy.to_string();
                row[1].clone_from(&place);
                row[2] = format!("{word} more");
                row[6] = side.unknown.clone().unwrap_or_default();
                rows.push(row);
            }
        }
        if rows.len() == before {
            let mut row = [const { String::new() }; 9];
            row[0] = policy.to_string();
            row[1] = place;
            row[2] = match word(impact) {
                "none" => "adds nothing".to_owned(),
                other => other.to_owned(),
            };
            rows.push(row);
        }
    }
    Table {
        header: [
            "policy", "place", "adds", "from", "to", "ports", "besides", "except", "example",
        ],
        rows,
    }
}
