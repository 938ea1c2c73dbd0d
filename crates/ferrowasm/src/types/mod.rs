//! The types of WebAssembly values, functions, globals, tables, memories and tags as immutable Python values.
//!
//! They belong to no store. Only those that mention a type which a module defines belong to an engine; the others are
//! usable with any.

mod class;
mod export_type;
mod extern_type;
mod func_type;
mod global_type;
mod import_type;
mod limits;
mod memory_type;
mod table_type;
mod tag_type;
mod val_type;

pub(crate) use export_type::ExportType;
pub(crate) use func_type::FuncType;
pub(crate) use global_type::GlobalType;
pub(crate) use import_type::ImportType;
pub(crate) use memory_type::MemoryType;
pub(crate) use table_type::TableType;
pub(crate) use tag_type::TagType;
pub(crate) use val_type::{ValType, ValueType};
