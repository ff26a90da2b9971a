//! `.BTF.ext`: which function a section's code is, and which line of the policy each instruction comes from.

use super::{Btf, MAGIC, TypeId, VERSION, length};
use crate::source_line::SourceLine;

/// Length of the header, with the (empty) fields for CO-RE relocations that newer readers expect.
const HEADER_LENGTH: u32 = 32;
const FUNCTION_RECORD: u32 = 8;
const LINE_RECORD: u32 = 16;

/// From this slot on, instructions come from `line`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineStart {
    /// Instruction slot, from 0.
    pub slot: u32,
    /// The line.
    pub line: SourceLine,
}

/// The contents of `.BTF.ext` for one function at the start of `section`. Adds its strings to `btf`, so it must be
/// called before [`Btf::to_bytes`]. `lines` ascend by slot and begin at slot 0, or the kernel refuses them.
pub fn encode(btf: &mut Btf, section: &str, function: TypeId, lines: &[LineStart]) -> Vec<u8> {
    let section = btf.strings.add(section);
    let mut functions = Vec::new();
    for word in [FUNCTION_RECORD, section, 1, 0, function.number()] {
        functions.extend(word.to_le_bytes());
    }
    let mut line_info = Vec::new();
    if !lines.is_empty() {
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        for word in [LINE_RECORD, section, count] {
            line_info.extend(word.to_le_bytes());
        }
        for start in lines {
            let file = btf.strings.add(&start.line.file);
            let text = btf.strings.add(&start.line.text);
            for word in [start.slot * 8, file, text, start.line.packed()] {
                line_info.extend(word.to_le_bytes());
            }
        }
    }
    let (functions_length, lines_length) = (length(&functions), length(&line_info));
    let end = functions_length + lines_length;
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend([VERSION, 0]);
    for word in [
        HEADER_LENGTH,
        0,
        functions_length,
        functions_length,
        lines_length,
        end,
        0,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(functions);
    bytes.extend(line_info);
    bytes
}
