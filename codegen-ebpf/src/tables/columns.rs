//! Columns: identities that neither table of an endpoint tells apart become one.

use std::collections::BTreeMap;

use ir::identity::IdentityId;
use ir::table::VerdictTable;

use super::TablesError;

/// Highest number of a column.
pub const MAX: usize = u16::MAX as usize - 1;

/// The quotient of the identities by two verdict tables.
#[derive(Clone, Debug)]
pub struct Columns {
    /// By identity; 0 for one that neither table has.
    of_identity: Vec<u16>,
    /// One identity of each column, in order of the columns.
    examples: Vec<u32>,
}

impl Columns {
    /// The columns of two tables over the same identities, numbered from 1 by their smallest identity: the same
    /// whichever of the tables comes first.
    ///
    /// # Errors
    /// [`TablesError::TooManyColumns`]
    pub fn of(one: &VerdictTable, other: &VerdictTable) -> Result<Self, TablesError> {
        let identities: Vec<u32> = (&one.columns | &other.columns).iter().collect();
        let mut classes = vec![0usize; identities.len()];
        let mut count = usize::from(!identities.is_empty());
        for cells in one.cells.iter().chain(&other.cells) {
            // Split each class by this row, numbering by first appearance.
            let mut split = BTreeMap::new();
            for (identity, class) in identities.iter().zip(&mut classes) {
                let next = split.len();
                *class = *split
                    .entry((*class, cells.allowed.contains(*identity)))
                    .or_insert(next);
            }
            count = split.len();
        }
        if count > MAX {
            return Err(TablesError::TooManyColumns(count));
        }
        let mut examples = Vec::with_capacity(count);
        let beyond = identities.last().map_or(0, |last| *last as usize + 1);
        let mut of_identity = vec![0; beyond];
        for (identity, class) in identities.into_iter().zip(classes) {
            if class == examples.len() {
                examples.push(identity);
            }
            let column = u16::try_from(class + 1).map_err(|_| TablesError::TooManyColumns(count))?;
            if let Some(of_identity) = of_identity.get_mut(identity as usize) {
                *of_identity = column;
            }
        }
        Ok(Self {
            of_identity,
            examples,
        })
    }

    /// How many columns.
    #[must_use]
    pub fn count(&self) -> u16 {
        u16::try_from(self.examples.len()).unwrap_or(u16::MAX)
    }

    /// The column of an identity.
    #[must_use]
    pub fn of_identity(&self, identity: IdentityId) -> Option<u16> {
        let column = self.of_identity.get(identity.0 as usize).copied();
        column.filter(|column| *column != 0)
    }

    /// One identity for each column, from column 1 on.
    #[must_use]
    pub fn examples(&self) -> &[u32] {
        &self.examples
    }
}
