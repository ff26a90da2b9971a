//! Sets of flows over all pods that could exist, as the verifier tells them ([`verifier::change::Area`]), written for
//! people and for programs. What a change does and what each policy adds are told with them.

pub mod human;
pub mod json;
pub mod rows;
