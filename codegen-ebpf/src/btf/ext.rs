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

/// The line info of one function in a `.BTF.ext` section, with its strings from the `.BTF` section beside it; `None`
/// for sections that are not as [`encode`] writes them.
#[must_use]
pub fn decode(btf: &[u8], ext: &[u8]) -> Option<Vec<LineStart>> {
    let word = |bytes: &[u8], at: usize| -> Option<u32> {
        let bytes = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let strings_at = (word(btf, 4)? as usize).checked_add(word(btf, 16)? as usize)?;
    let strings = btf.get(strings_at..)?;
    let string = |offset: u32| -> Option<std::sync::Arc<str>> {
        let text = strings.get(offset as usize..)?.split(|byte| *byte == 0).next()?;
        Some(std::str::from_utf8(text).ok()?.into())
    };
    let lines_at = (word(ext, 4)? as usize).checked_add(word(ext, 16)? as usize)?;
    if word(ext, 20)? == 0 {
        return Some(Vec::new());
    }
    if word(ext, lines_at)? != LINE_RECORD {
        return None;
    }
    let count = word(ext, lines_at + 8)?;
    let records = ext.get(lines_at + 12..)?;
    let (records, _) = records.as_chunks::<{ LINE_RECORD as usize }>();
    records
        .get(..count as usize)?
        .iter()
        .map(|record| {
            let packed = word(record, 12)?;
            Some(LineStart {
                slot: word(record, 0)? / 8,
                line: SourceLine {
                    file: string(word(record, 4)?)?,
                    line: packed >> 10,
                    column: packed & SourceLine::MAX_COLUMN,
                    text: string(word(record, 8)?)?,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_the_round_trip() {
        let line = |slot, number, column, text: &str| LineStart {
            slot,
            line: SourceLine {
                file: "policies/web.yaml".into(),
                line: number,
                column,
                text: text.into(),
            },
        };
        let lines = [
            line(0, 1, 1, "kind: NetworkPolicy"),
            line(7, 4_194_303, 1023, "  - {port: http} # größer"),
            line(9, 1, 1, ""),
        ];
        for lines in [&lines[..], &[]] {
            let mut btf = Btf::new();
            let int = btf.int("int", 4, true);
            let function = btf.function("f", int, &[]);
            let ext = encode(&mut btf, "classifier", function, lines);
            assert_eq!(decode(&btf.to_bytes(), &ext).as_deref(), Some(lines));
        }
        assert_eq!(decode(&[], &[]), None);
    }
}
