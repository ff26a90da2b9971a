//! What the rules ask about a model, indexed once for all of them.

use crate::selected::Selected;
use ir::judge::Judge;
use ir::model::Model;

/// A model, ready for questions.
pub struct Ground<'m> {
    /// The model.
    pub model: &'m Model,
    /// Answers about flows.
    pub judge: Judge<'m>,
    /// The pods that its policies' selectors pick.
    pub selected: Selected,
}

impl<'m> Ground<'m> {
    /// Indexes a model.
    #[must_use]
    pub fn of(model: &'m Model) -> Self {
        let (judge, selected) = rayon::join(|| Judge::new(model), || Selected::by_policies(model));
        Self {
            model,
            judge,
            selected,
        }
    }
}
