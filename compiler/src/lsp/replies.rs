//! Answers to the client's questions, by method.

use super::analysis::Analysis;
use super::documents::Documents;
use super::handshake::Abilities;
use super::{actions, diagnostics, hover, navigate, uri};
use ir::origin::Origin;
use lsp_types::{
    CodeActionParams, GotoDefinitionParams, HoverParams, Location, Position, ReferenceParams,
    TextDocumentPositionParams,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The answer that an analysis gives.
///
/// # Errors
/// When the question is not as it should be.
pub(super) fn reply(
    analysis: &Analysis,
    documents: &Documents,
    abilities: Abilities,
    method: &str,
    params: &Value,
) -> Result<Value, String> {
    let uri = |name: &str| documents.uri(name);
    let locations = |origins: Vec<Origin>| -> Vec<Location> {
        let origins = origins.iter();
        origins
            .filter(|origin| !analysis.stale.contains(&origin.file))
            .filter_map(|origin| diagnostics::location(analysis, origin, &uri))
            .collect()
    };
    Ok(match method {
        "textDocument/hover" => {
            let params: HoverParams = parsed(params)?;
            let (file, at) = place(&params.text_document_position_params);
            value(hover::hover(analysis, &file, at))
        }
        "textDocument/definition" => {
            let params: GotoDefinitionParams = parsed(params)?;
            let (file, at) = place(&params.text_document_position_params);
            value(locations(navigate::definitions(analysis, &file, at)))
        }
        "textDocument/references" => {
            let params: ReferenceParams = parsed(params)?;
            let (file, at) = place(&params.text_document_position);
            let with_definition = params.context.include_declaration;
            value(locations(navigate::references(
                analysis,
                &file,
                at,
                with_definition,
            )))
        }
        _ => {
            let params: CodeActionParams = parsed(params)?;
            let file = uri::name(params.text_document.uri.as_str());
            let documents = actions::Documents {
                uri: &uri,
                version: &|name| documents.version(name),
                versioned: abilities.versioned_edits,
                related: abilities.related,
            };
            Value::Array(actions::actions(analysis, &file, &params, &documents))
        }
    })
}

/// Parameters of their type.
///
/// # Errors
/// When they are not; as a sentence.
pub(super) fn parsed<T: DeserializeOwned>(params: &Value) -> Result<T, String> {
    T::deserialize(params).map_err(|error| error.to_string())
}

fn value(answer: impl serde::Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

fn place(params: &TextDocumentPositionParams) -> (String, Position) {
    (uri::name(params.text_document.uri.as_str()), params.position)
}
