//! Shared memories that a module does not export: they get an export under a name of ours.
//!
//! A thread that waits in a shared memory can only be woken through that memory (`interrupt/waits.rs`), and the engine
//! hands out what is exported and nothing else. The exports are added before a module is compiled, on engines with
//! shared memories, and not told to anybody.

use std::ops::Range;

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// What the names of these exports begin with. The number of bytes by which they have moved the code follows.
const PREFIX: &str = "\0ferrowasm shared memory, code + ";

/// Whether an export is one of ours.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// By how many bytes the code of a module was moved.
pub(crate) fn moved(module: &wasmtime::Module) -> usize {
    let told = |name: &str| name.strip_prefix(PREFIX)?.split(',').next()?.parse().ok();
    module.exports().find_map(|export| told(export.name())).unwrap_or(0)
}

/// What has to be known of a module.
#[derive(Default)]
struct Outline {
    /// For each memory, whether it is shared and not exported.
    private: Vec<bool>,
    /// The contents of the export section, if there is one.
    exports: Option<(u32, Range<usize>)>,
    /// Where the export section is, or belongs.
    place: Option<Range<usize>>,
}

/// The module with an export for each shared memory that has none; `None` if there is nothing to be done, or the module
/// is malformed.
pub(crate) fn expose(binary: &[u8]) -> Option<Vec<u8>> {
    let Outline { private, exports, place } = outline(binary)?;
    let private: Vec<_> = (0_u32..).zip(private).filter(|(_, private)| *private).map(|(index, _)| index).collect();
    let place = place.filter(|_| !private.is_empty())?;
    let section = |moved: usize| {
        let (count, old) = exports.clone().unwrap_or((0, 0..0));
        let mut contents = leb128(count as usize + private.len());
        contents.extend_from_slice(&binary[old]);
        for index in &private {
            let name = format!("{PREFIX}{moved:010}, {index}");
            contents.extend(leb128(name.len()));
            contents.extend(name.into_bytes());
            contents.push(EXPORTED_MEMORY);
            contents.extend(leb128(*index as usize));
        }
        let mut section = vec![EXPORT_SECTION];
        section.extend(leb128(contents.len()));
        section.extend(contents);
        section
    };
    // The number is as long as any other.
    let moved = section(0).len() - place.len();
    Some([&binary[..place.start], &section(moved), &binary[place.end..]].concat())
}

const EXPORT_SECTION: u8 = 7;
const EXPORTED_MEMORY: u8 = 2;

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn outline(binary: &[u8]) -> Option<Outline> {
    let mut outline = Outline::default();
    // Where the section before ends.
    let mut end = 0;
    for payload in Parser::new(0).parse_all(binary) {
        let payload = payload.ok()?;
        let range = match &payload {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => return None,
            Payload::Version { range, .. } => range.clone(),
            Payload::CodeSectionEntry(_) => continue,
            Payload::End(_) => end..end,
            other => other.as_section()?.1,
        };
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Memory(memory) = import.ok()?.ty {
                        outline.private.push(memory.shared);
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    outline.private.push(memory.ok()?.shared);
                }
            }
            Payload::ExportSection(exports) => {
                let count = exports.count();
                let entries = exports.range().start + leb_length(binary, exports.range().start)?..exports.range().end;
                for export in exports {
                    let export = export.ok()?;
                    if export.kind == ExternalKind::Memory {
                        *outline.private.get_mut(export.index as usize)? = false;
                    }
                }
                outline.exports = Some((count, entries));
                outline.place = Some(end..range.end);
            }
            Payload::StartSection { .. }
            | Payload::ElementSection(_)
            | Payload::DataCountSection { .. }
            | Payload::CodeSectionStart { .. }
            | Payload::DataSection(_)
            | Payload::End(_)
                if outline.place.is_none() =>
            {
                outline.place = Some(end..end);
            }
            _ => {}
        }
        end = range.end;
    }
    Some(outline)
}

/// How many bytes a number takes.
fn leb_length(binary: &[u8], start: usize) -> Option<usize> {
    Some(binary.get(start..)?.iter().position(|byte| byte & 0x80 == 0)? + 1)
}
